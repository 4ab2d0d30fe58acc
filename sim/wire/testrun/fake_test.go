// SPDX-License-Identifier: Apache-2.0

package testrun_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/kernel"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// fake is a machine whose programs are Go functions.
type fake struct {
	local  state.Local
	run    func(f *fake, a testrun.Arrival) (testrun.Result, error)
	apply  error
	closed bool
	now    time.Duration
}

func (f *fake) Apply(_ state.Host, l state.Local) (dataplane.Report, error) {
	f.local = l
	return dataplane.Report{}, f.apply
}

func (f *fake) Run(a testrun.Arrival) (testrun.Result, error) { return f.run(f, a) }
func (f *fake) Drops() (map[string]uint64, error)             { return map[string]uint64{}, nil }
func (f *fake) Forget(...state.Place) error                   { return nil }
func (f *fake) SetNow(now time.Duration) error                { f.now = now; return nil }
func (f *fake) Close() error                                  { f.closed = true; return nil }

// result is what a program decided about a frame.
func result(action kernel.Action, verdict bpf.RowVerdict, port uint32, frame []byte) (testrun.Result, error) {
	return testrun.Result{
		Action: action, Frame: frame,
		Record: bpf.RowRecord{Verdict: uint32(verdict), Ifindex: port},
	}, nil
}

// fakes is a network of fake machines that all run one function.
func fakes(t *testing.T, run func(*fake, testrun.Arrival) (testrun.Result, error)) (*testrun.Wire, map[string]*fake) {
	t.Helper()
	made := map[string]*fake{}
	var mu sync.Mutex
	w := testrun.New(func(host string) (testrun.Machine, error) {
		mu.Lock()
		defer mu.Unlock()
		made[host] = &fake{run: run}
		return made[host], nil
	})
	if err := w.Apply(t.Context(), sameSubnet.states()); err != nil {
		t.Fatal(err)
	}
	return w, made
}

func TestFaultsOfProgramsAreErrorsNotVerdicts(t *testing.T) {
	nextHop := func(f *fake, a testrun.Arrival, to string) []byte {
		mac := f.local.NextHops[address(to)]
		return append(mac[:], a.Frame[6:]...)
	}
	for _, c := range []struct {
		name string
		run  func(*fake, testrun.Arrival) (testrun.Result, error)
		want string
	}{
		{"goes in circles", func(f *fake, a testrun.Arrival) (testrun.Result, error) {
			to := "192.0.2.2"
			if f.local.UplinkMAC == f.local.NextHops[address("192.0.2.2")] {
				to = "192.0.2.1"
			}
			return result(kernel.Redirect, bpf.RowVerdictVERDICT_RELAY, 1, nextHop(f, a, to))
		}, "the packet goes in circles: it met 16 programs, [h1 h2 h1"},
		{"aborted", func(_ *fake, a testrun.Arrival) (testrun.Result, error) {
			return result(kernel.Aborted, bpf.RowVerdictVERDICT_DROP, 0, a.Frame)
		}, `it returned "aborted" but recorded verdict "drop"`},
		{"recorded one thing and did another", func(_ *fake, a testrun.Arrival) (testrun.Result, error) {
			return result(kernel.Pass, bpf.RowVerdictVERDICT_DELIVER, 100, a.Frame)
		}, `it returned "pass" but recorded verdict "deliver"`},
		{"no reason", func(_ *fake, a testrun.Arrival) (testrun.Result, error) {
			return result(kernel.Drop, bpf.RowVerdictVERDICT_DROP, 0, a.Frame)
		}, "it dropped the packet and recorded no reason"},
		{"nobody's port", func(_ *fake, a testrun.Arrival) (testrun.Result, error) {
			return result(kernel.Redirect, bpf.RowVerdictVERDICT_DELIVER, 99, a.Frame)
		}, "it delivers to port 99, which is no endpoint's"},
		{"sends elsewhere", func(_ *fake, a testrun.Arrival) (testrun.Result, error) {
			return result(kernel.Redirect, bpf.RowVerdictVERDICT_SEND, 100, a.Frame)
		}, `verdict "send" sends to port 100, which is not the uplink`},
		{"cannot be run", func(*fake, testrun.Arrival) (testrun.Result, error) {
			return testrun.Result{}, errors.New("no such program")
		}, "host h1, program endpoint: no such program"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			w, _ := fakes(t, c.run)
			_, err := w.Inject(t.Context(), wire.Port{Endpoint: "red/h1-a-10"}, [][]byte{make([]byte, 60)})
			g.Expect(err).To(MatchError(ContainSubstring(c.want)))
		})
	}
}

// TestSpoiledPacketsAreNotReceived delivers what no stack would take.
func TestSpoiledPacketsAreNotReceived(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(frame []byte)
		want  string
	}{
		{"checksum", func(f []byte) { f[len(f)-1]++ }, "endpoint red/h1-a-10 discards it.*inner.udp"},
		{"MAC", func(f []byte) { f[5]++ }, "^other_mac$"},
		{"TTL", func(f []byte) { f[22]-- }, "endpoint red/h1-a-10 discards it.*inner.ip"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			w, _ := fakes(t, func(f *fake, a testrun.Arrival) (testrun.Result, error) {
				if isARP(a.Frame) {
					return result(kernel.Transmit, bpf.RowVerdictVERDICT_ANSWER, 0, arpReply(a.Frame))
				}
				out := append([]byte(nil), a.Frame...)
				to := sameSubnet.endpoint("red/h1-a-10").MAC
				copy(out, to[:])
				c.spoil(out)
				return result(kernel.Redirect, bpf.RowVerdictVERDICT_DELIVER, f.local.Ports["red/h1-a-10"], out)
			})
			o, err := w.Probe(t.Context(), wire.Probe{Proto: wire.UDP, From: "red/h1-a-10", To: address("10.0.0.11"), Port: 53})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(o.Requests[0].Delivered).To(BeFalse())
			g.Expect(o.Requests[0].Reason).To(MatchRegexp(c.want))
			g.Expect(o.Replies).To(BeEmpty())
		})
	}
}

func isARP(b []byte) bool { return b[12] == 8 && b[13] == 6 }

func arpReply(question []byte) []byte {
	p, _ := frame.Decode(question)
	reply, _ := frame.Build(frame.Spec{
		Kind: frame.ARPReply, SrcMAC: state.MAC{2, 9}, DstMAC: p.Inner.SrcMAC,
		Src: p.Inner.ARP.TargetIP, Dst: p.Inner.ARP.SenderIP,
	})
	return reply
}

func TestNoNeighbourNoPacket(t *testing.T) {
	g := NewWithT(t)
	w, _ := fakes(t, func(_ *fake, a testrun.Arrival) (testrun.Result, error) {
		r, err := result(kernel.Drop, bpf.RowVerdictVERDICT_DROP, 0, nil)
		r.Record.Reason = uint32(bpf.RowDropReasonDROP_ARP_FOREIGN)
		return r, err
	})
	o, err := w.Probe(t.Context(), wire.Probe{Proto: wire.UDP, From: "red/h1-a-10", To: address("10.0.0.11"), Port: 53})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(o.Requests).To(HaveLen(1))
	g.Expect(o.Requests[0].Reason).To(Equal("arp_foreign"))
	g.Expect(o.Requests[0].Dropper).To(Equal("h1"))
}

func TestProbesThatMakeNoSense(t *testing.T) {
	w, _ := fakes(t, func(*fake, testrun.Arrival) (testrun.Result, error) { return testrun.Result{}, errors.New("not run") })
	for want, p := range map[string]wire.Probe{
		`there is no endpoint "x"`: {Proto: wire.ICMP, From: "x", To: address("10.0.0.11")},
		"udp needs a port":         {Proto: wire.UDP, From: "red/h1-a-10", To: address("10.0.0.11")},
		`unknown protocol "gre"`:   {Proto: "gre", Port: 1, From: "red/h1-a-10", To: address("10.0.0.11")},
		"not run":                  {Proto: wire.ICMP, From: "red/h1-a-10", To: address("10.0.0.11")},
	} {
		g := NewWithT(t)
		_, err := w.Probe(t.Context(), p)
		g.Expect(err).To(MatchError(ContainSubstring(want)))
	}
}

func TestAFamilyThatTheEndpointHasNot(t *testing.T) {
	g := NewWithT(t)
	w, _ := fakes(t, nil)
	hosts := sameSubnet.states()
	one := &hosts[0].Endpoints[0]
	one.Addresses = one.Addresses[:1]
	g.Expect(w.Apply(t.Context(), hosts)).To(Succeed())
	_, err := w.Probe(t.Context(), wire.Probe{Proto: wire.ICMP, From: one.Name, To: address("fd00::1")})
	g.Expect(err).To(MatchError(ContainSubstring("has no address of the family of fd00::1")))
}

func TestHostsComeGoAndFail(t *testing.T) {
	g := NewWithT(t)
	w, made := fakes(t, nil)
	g.Expect(made).To(HaveLen(3))
	g.Expect(w.Advance(t.Context(), time.Second)).To(Succeed())
	g.Expect(made["h3"].now).To(Equal(time.Hour + time.Second))

	g.Expect(w.Apply(t.Context(), sameSubnet.states()[:2])).To(Succeed())
	g.Expect(made["h3"].closed).To(BeTrue())
	g.Expect(made["h1"].local.NextHops[address("192.0.2.3")]).To(BeEquivalentTo([6]byte{2, 0x4d, 0x48, 0xff, 0xff, 0xff}))

	made["h2"].apply = errors.New("the table is full")
	g.Expect(w.Apply(t.Context(), sameSubnet.states())).To(MatchError("apply to host h2: the table is full"))
	g.Expect(w.Close()).To(Succeed())
	for name, m := range made {
		g.Expect(m.closed).To(BeTrue(), name)
	}
}

func TestPoolHandsOutEmptyMachines(t *testing.T) {
	g := NewWithT(t)
	var p testrun.Pool
	defer p.Close()
	w := testrun.New(p.Make)
	g.Expect(w.Apply(t.Context(), sameSubnet.states())).To(Succeed())
	lost := wire.Probe{Proto: wire.UDP, From: "red/h1-a-10", To: address("10.0.0.99"), Port: 53}
	_, err := w.Probe(t.Context(), lost)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(w.Close()).To(Succeed())

	for _, host := range []string{"x", "y", "z"} {
		m, err := p.Make(host)
		g.Expect(err).NotTo(HaveOccurred())
		defer m.Close()
		g.Expect(m.Drops()).To(BeEmpty())
		report, err := m.Apply(state.Host{
			Name: host, Addresses: underlay(9), MTU: 1500,
		}, state.Local{UplinkIndex: 1})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(report).To(Equal(dataplane.Report{"hosts": {Puts: 1}, "uplinks": {Puts: 1}}), "nothing had to be removed")
	}
}
