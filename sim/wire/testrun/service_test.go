// SPDX-License-Identifier: Apache-2.0

package testrun_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

const asks = "blue/h1-a-10"

// backends are endpoints with a service each, whose frontends have their number.
var backends = []string{"blue/h1-a-11", "blue/h2-a-20", "blue/h2-b-21"}

var servedPlan = plan{endpoints: append([]string{asks}, backends...)}

// service is a wire with services, and what a test says to one of them.
type service struct {
	g Gomega
	t *testing.T
	w *testrun.Wire
	// from asks, to is the backend, front what it stands behind.
	from, to state.Endpoint
	front    netip.Addr
	kind     frame.Kind
}

func fronts(number int) []netip.Addr {
	return []netip.Addr{address(fmt.Sprintf("172.20.0.%d", number)), address(fmt.Sprintf("fd99::%d", number))}
}

// services says something to each backend, by each family and protocol.
func services(t *testing.T, test func(s service)) {
	w := network(t, servedPlan)
	states := servedPlan.states()
	for i := range states {
		for n, backend := range backends {
			b := servedPlan.endpoint(backend)
			for f, front := range fronts(n + 1) {
				for _, protocol := range []uint8{6, 17, 132} {
					states[i].Services = append(states[i].Services, state.Service{
						Name: fmt.Sprintf("ns/%d:%d/%d", n, protocol, f), VNI: b.VNI, Protocol: protocol,
						Frontends: []netip.AddrPort{netip.AddrPortFrom(front, 80)},
						Backends:  []netip.AddrPort{netip.AddrPortFrom(b.Addresses[f], 8080)}, Table: []uint16{0},
					})
				}
			}
		}
	}
	if err := w.Apply(t.Context(), states); err != nil {
		t.Fatal(err)
	}
	for n, backend := range backends {
		for _, front := range fronts(n + 1) {
			for _, kind := range []frame.Kind{frame.TCP, frame.UDP, frame.SCTP} {
				t.Run(fmt.Sprintf("%s %s %s", backend, front, kind), func(t *testing.T) {
					test(service{NewWithT(t), t, w, servedPlan.endpoint(asks), servedPlan.endpoint(backend), front, kind})
				})
			}
		}
	}
}

// own is an endpoint's address of the family that is spoken.
func (s service) own(e state.Endpoint) netip.Addr {
	if s.front.Is4() {
		return e.Addresses[0]
	}
	return e.Addresses[1]
}

func (s service) request(flags frame.TCPFlags) frame.Spec {
	return frame.Spec{Kind: s.kind, Src: s.own(s.from), Dst: s.front, SrcPort: 4000, DstPort: 80, TCPFlags: flags}
}

func (s service) reply(flags frame.TCPFlags) frame.Spec {
	return frame.Spec{Kind: s.kind, Src: s.own(s.to), Dst: s.own(s.from), SrcPort: 8080, DstPort: 4000, TCPFlags: flags}
}

// say sends a packet and returns the frame that comes out at the other endpoint.
func (s service) say(from, to state.Endpoint, spec frame.Spec) []byte {
	s.t.Helper()
	spec.SrcMAC, spec.DstMAC = from.MAC, state.MAC{2, 0x4d, 0x5a, 0, 0, 100}
	b, err := frame.Build(spec)
	s.g.Expect(err).NotTo(HaveOccurred())
	all, err := s.w.Inject(s.t.Context(), wire.Port{Endpoint: from.Name}, [][]byte{b})
	s.g.Expect(err).NotTo(HaveOccurred())
	for _, e := range all {
		if e.At.Endpoint == to.Name {
			s.g.Expect(frame.VerifyChecksums(e.Frame)).To(Succeed())
			return e.Frame
		}
	}
	drops, _ := s.w.Drops(s.t.Context())
	s.t.Fatalf("nothing came out at %s: %v, drops %v", to.Name, all, drops)
	return nil
}

func decoded(g Gomega, b []byte) frame.Layer {
	p, err := frame.Decode(b)
	g.Expect(err).NotTo(HaveOccurred())
	return p.Inner
}

// A packet to a frontend comes out at the backend, with the backend's address and port
// and right checksums, and its answer comes from the frontend (row C8).
func TestServiceIsReached(t *testing.T) {
	services(t, func(s service) {
		for _, turn := range []struct {
			flags frame.TCPFlags
			back  bool
		}{
			{frame.SYN, false}, {frame.SYN | frame.ACK, true}, {frame.ACK, false}, {frame.ACK, false}, {frame.ACK, true},
			{frame.ACK, false}, {frame.FIN | frame.ACK, false}, {frame.FIN | frame.ACK, true}, {frame.ACK, false},
		} {
			if turn.back {
				got := decoded(s.g, s.say(s.to, s.from, s.reply(turn.flags)))
				s.g.Expect(got.Src).To(Equal(s.front))
				s.g.Expect(got.SrcPort).To(BeEquivalentTo(80))
				continue
			}
			got := decoded(s.g, s.say(s.from, s.to, s.request(turn.flags)))
			s.g.Expect(got.Dst).To(Equal(s.own(s.to)))
			s.g.Expect(got.DstPort).To(BeEquivalentTo(8080))
		}
	})
}

// errorOf is an ICMP error about a frame that has come out somewhere, to who sent it.
func (s service) errorOf(about []byte, from netip.Addr) frame.Spec {
	e := frame.Spec{Kind: frame.ErrorMessage, Src: from, Type: 3, Code: 3, Payload: about[14:]}
	if from.Is6() {
		e.Type, e.Code = 1, 4
	}
	e.Dst = decoded(s.g, about).Src
	return e
}

// An error about what a backend got comes from the frontend and quotes what was sent to
// it; one about a reply reaches the backend and quotes what that has sent (row C9).
func TestErrorsAreTranslated(t *testing.T) {
	services(t, func(s service) {
		there := s.say(s.from, s.to, s.request(frame.SYN))
		got := decoded(s.g, s.say(s.to, s.from, s.errorOf(there, s.own(s.to))))
		s.g.Expect(got.Src).To(Equal(s.front))
		quoted, err := got.Error.Quote()
		s.g.Expect(err).NotTo(HaveOccurred())
		s.g.Expect(netip.AddrPortFrom(quoted.Dst, quoted.DstPort)).To(Equal(netip.AddrPortFrom(s.front, 80)))
		s.g.Expect(netip.AddrPortFrom(quoted.Src, quoted.SrcPort)).To(Equal(netip.AddrPortFrom(s.own(s.from), 4000)))

		back := s.say(s.to, s.from, s.reply(frame.SYN|frame.ACK))
		got = decoded(s.g, s.say(s.from, s.to, s.errorOf(back, s.own(s.from))))
		s.g.Expect(got.Dst).To(Equal(s.own(s.to)))
		quoted, err = got.Error.Quote()
		s.g.Expect(err).NotTo(HaveOccurred())
		s.g.Expect(netip.AddrPortFrom(quoted.Src, quoted.SrcPort)).To(Equal(netip.AddrPortFrom(s.own(s.to), 8080)))
	})
}

// A checksum of zero of UDP over IPv4 stays zero (row C8).
func TestNoChecksumStaysNone(t *testing.T) {
	services(t, func(s service) {
		if s.kind != frame.UDP || !s.front.Is4() {
			return
		}
		for _, from := range []state.Endpoint{s.from, s.to} {
			spec, to := s.request(0), s.to
			if from.Name == s.to.Name {
				spec, to = s.reply(0), s.from
			}
			spec.SrcMAC, spec.DstMAC = from.MAC, state.MAC{2, 0x4d, 0x5a, 0, 0, 100}
			b, err := frame.Build(spec)
			s.g.Expect(err).NotTo(HaveOccurred())
			b[14+20+6], b[14+20+7] = 0, 0
			out, err := s.w.Inject(s.t.Context(), wire.Port{Endpoint: from.Name}, [][]byte{b})
			s.g.Expect(err).NotTo(HaveOccurred())
			last := out[len(out)-1]
			s.g.Expect(last.At.Endpoint).To(Equal(to.Name))
			s.g.Expect(last.Frame[14+20+6 : 14+20+8]).To(Equal([]byte{0, 0}))
		}
	})
}

// What a client has kept is not known any more in a network that is made of the same
// machines.
func TestNoNetworkKeepsTheClientsOfAnother(t *testing.T) {
	pools := map[string]*testrun.Pool{"h1": {}, "h2": {}, "h3": {}}
	kept, other := servedPlan.endpoint(backends[0]), servedPlan.endpoint(backends[1])
	for i, reached := range []state.Endpoint{kept, other} {
		w := testrun.New(func(host string) (testrun.Machine, error) { return pools[host].Make(host) })
		states := servedPlan.states()
		for h := range states {
			states[h].Services = []state.Service{{
				Name: "ns/web:80/4", VNI: kept.VNI, Protocol: 17, Affinity: time.Hour, Frontends: []netip.AddrPort{netip.AddrPortFrom(fronts(1)[0], 80)},
				Backends: []netip.AddrPort{netip.AddrPortFrom(kept.Addresses[0], 80), netip.AddrPortFrom(other.Addresses[0], 80)}, Table: []uint16{uint16(i)},
			}}
		}
		g := NewWithT(t)
		g.Expect(w.Apply(t.Context(), states)).To(Succeed())
		s := service{g, t, w, servedPlan.endpoint(asks), reached, fronts(1)[0], frame.UDP}
		s.say(s.from, s.to, s.request(0))
		g.Expect(w.Close()).To(Succeed())
	}
	for _, p := range pools {
		NewWithT(t).Expect(p.Close()).To(Succeed())
	}
}
