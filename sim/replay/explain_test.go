// SPDX-License-Identifier: Apache-2.0

package replay_test

import (
	"context"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/golden"
	"github.com/mizar-net/mizar/sim/replay"
	"github.com/mizar-net/mizar/sim/wire"
)

// wires of plain values: fake observes, tracing tells ways, too.
type fake struct {
	wire.Wire
	ways  []wire.Way
	drops wire.Drops
}

func (*fake) Name() string { return "fake" }

func (f *fake) Drops(context.Context) (wire.Drops, error) {
	d := wire.Drops{}
	for host, reasons := range f.drops {
		d[host] = map[string]uint64{}
		for reason, n := range reasons {
			d[host][reason] = n
		}
	}
	return d, nil
}

// Inject takes the next way.
func (f *fake) Inject(context.Context, wire.Port, [][]byte) ([]wire.Emission, error) {
	way := f.ways[0]
	f.ways = f.ways[1:]
	if way.Reason != "" {
		f.drops[way.Dropper] = map[string]uint64{way.Reason: f.drops[way.Dropper][way.Reason] + 1}
	}
	return way.Emissions, nil
}

type tracing struct{ *fake }

func (t tracing) Trace(context.Context, wire.Port, [][]byte) ([]wire.Way, error) { return t.ways, nil }

var at = wire.Port{Endpoint: "default/red-1"}

func addrKey(addr netip.Addr) []byte {
	a := addr.As16()
	return append(binary.NativeEndian.AppendUint32(nil, 100), a[:]...)
}

func number(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

// way is an echo's: from h1 to h3, which relays it to h2.
func way(t testing.TB, seq uint16, change func(*frame.Spec)) wire.Way {
	echo := frame.Spec{Kind: frame.Echo, SrcMAC: macA, DstMAC: gateway, Src: a4, Dst: b4, ID: 7, ICMPSeq: seq}
	in := build(t, echo)
	sent := echo
	sent.Tunnel = &frame.Tunnel{SrcMAC: macA, DstMAC: macB, Src: host1, Dst: host3, VNI: 100}
	if change != nil {
		change(&sent)
	}
	relayed := sent
	relayed.Tunnel = &frame.Tunnel{SrcMAC: macB, DstMAC: macA, Src: host3, Dst: host2, VNI: sent.Tunnel.VNI}
	first, second := build(t, sent), build(t, relayed)
	echo.SrcMAC, echo.DstMAC, echo.TTL = gateway, macB, sent.TTL
	last := build(t, echo)
	return wire.Way{
		Steps: []wire.Step{
			{Host: "h1", Program: "endpoint", Port: "default/red-1", Verdict: "ask", Action: "redirect", To: "h3", In: in, Out: first, Stages: []wire.Stage{
				{Name: "port", Map: "endpoints", Access: "hit", Key: number(3), Hit: true},
				{Name: "path", Map: "paths", Access: "miss", Key: addrKey(b4)},
				{Name: "ask", Map: "subnets", Access: "hit", Key: number(2), Hit: true},
				{Name: "ask", Map: "hosts", Access: "hit", Key: number(5), Hit: true},
				{Name: "ask", Map: "paths", Access: "update", Key: addrKey(b4), Hit: true},
			}},
			{Host: "h3", Program: "uplink", Verdict: "relay", Action: "transmit", To: "h2", In: first, Out: second, Stages: []wire.Stage{
				{Name: "relay", Map: "directory", Access: "hit", Key: addrKey(b4), Hit: true},
				{Name: "relay", Map: "hosts", Access: "hit", Key: number(2), Hit: true},
			}},
			{Host: "h2", Program: "uplink", Verdict: "deliver", Action: "redirect", To: "default/red-2", In: second, Out: last, Stages: []wire.Stage{
				{Name: "local", Map: "endpoints", Access: "hit", Key: number(2), Hit: true},
			}},
		},
		Emissions: []wire.Emission{
			{At: wire.Port{Uplink: "h1"}, To: "h3", Frame: first}, {At: wire.Port{Uplink: "h3"}, To: "h2", Frame: second},
			{At: wire.Port{Endpoint: "default/red-2"}, Frame: last},
		},
	}
}

// died is a way that ends at h3.
func died(t testing.TB, seq uint16) wire.Way {
	w := way(t, seq, nil)
	w.Steps[1].Verdict, w.Steps[1].Reason, w.Steps[1].Action, w.Steps[1].Out, w.Steps[1].To = "drop", "no_endpoint", "drop", nil, ""
	w.Steps[1].Stages = []wire.Stage{{Name: "relay", Map: "directory", Access: "miss", Key: addrKey(b4)}}
	w.Steps, w.Emissions, w.Reason, w.Dropper = w.Steps[:2], w.Emissions[:1], "no_endpoint", "h3"
	return w
}

func record(t testing.TB, ways ...wire.Way) replay.Recording {
	t.Helper()
	var inputs [][]byte
	for _, w := range ways {
		inputs = append(inputs, w.Steps[0].In)
	}
	r, err := replay.Play(context.Background(), tracing{&fake{ways: ways}}, at, inputs)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return r
}

// explained compares a recording with one that was golden.
func explained(t testing.TB, was, now replay.Recording) []replay.Explained {
	t.Helper()
	list, err := golden.Comparison{Want: was.Frames, Got: now.Frames, Inputs: now.Inputs}.Differences()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return now.Explain(list, replay.Context{Twin: was.Twin("x"), Names: map[string]string{"192.0.2.2": "host h2", "192.0.2.3": "host h3"}})
}

func TestAWrongFieldNamesTheRowThatGaveIt(t *testing.T) {
	g := NewWithT(t)
	was := record(t, way(t, 1, nil), way(t, 2, nil))
	g.Expect(explained(t, was, was)).To(BeEmpty())
	list := explained(t, was, record(t, way(t, 1, nil), way(t, 2, func(s *frame.Spec) { s.Tunnel.Dst = host2 })))
	g.Expect(list).To(HaveLen(1))
	g.Expect(list[0].Field).To(Equal("outer.dst"))
	g.Expect(list[0].Packet).To(Equal(4))
	g.Expect(list[0].Row).To(Equal("hosts row 5 (stage ask of the endpoint program on h1, hit), which subnets row 2 led to"))
	g.Expect(list[0].Cause).To(Equal("it is host h2, in the place of host h3"))
	g.Expect(list[0].Parted).To(BeEmpty())
	g.Expect(list[0].String()).To(And(ContainSubstring("want 192.0.2.3, got 192.0.2.2"), ContainSubstring("row: hosts row 5"), ContainSubstring("likely cause")))

	list = explained(t, was, record(t, way(t, 1, nil), way(t, 2, func(s *frame.Spec) { s.Tunnel.VNI = 25600 })))
	g.Expect(list).To(HaveLen(1), "a VNI that is wrong stays wrong when it is relayed")
	g.Expect(list[0].Row).To(HavePrefix("endpoints row 3 (stage port"))
	g.Expect(list[0].Cause).To(ContainSubstring("shifted by 8"))
	g.Expect(list[0].Follow).To(HaveLen(1))

	list = explained(t, was, record(t, way(t, 1, nil), way(t, 2, func(s *frame.Spec) { s.TTL = 63 })))
	g.Expect(list).To(HaveLen(1))
	g.Expect(list[0].Follow).To(HaveLen(2), "and delivered")
}

func TestALostPacketIsOneDifferenceWithItsFate(t *testing.T) {
	g := NewWithT(t)
	was := record(t, way(t, 1, nil), way(t, 2, nil), way(t, 3, nil))
	list := explained(t, was, record(t, way(t, 1, nil), died(t, 2), way(t, 3, nil)))
	g.Expect(list).To(HaveLen(1))
	g.Expect(list[0].Field).To(Equal("packet"))
	g.Expect(list[0].Port).To(Equal("uplink:h3"))
	g.Expect(list[0].Cause).To(Equal("dropped by h3: no_endpoint"))
	g.Expect(list[0].Row).To(Equal("directory vni 100 10.0.0.3 (stage relay of the uplink program on h3, miss)"))
	g.Expect(list[0].Follow).To(HaveLen(2), "not delivered, and a drop that was none")

	list = explained(t, record(t, died(t, 1)), record(t, way(t, 1, nil)))
	g.Expect(list).To(HaveLen(1))
	g.Expect(list[0].Port).To(Equal("drop:h3"))
	g.Expect(list[0].Cause).To(ContainSubstring("it took another way, which ended at endpoint:default/red-2"))

	list = explained(t, was, record(t, way(t, 1, nil), way(t, 2, nil)))
	g.Expect(list).To(HaveLen(1))
	g.Expect(list[0].Cause).To(ContainSubstring("fewer packets"))
}

func TestTheFirstPacketWithOtherMapChangesIsNamed(t *testing.T) {
	g := NewWithT(t)
	was := record(t, way(t, 1, nil), way(t, 2, nil))
	forgetful := way(t, 1, nil)
	forgetful.Steps[0].Stages = slices.Clone(forgetful.Steps[0].Stages[:4])
	wrong := func(s *frame.Spec) { s.Tunnel.Dst = host2 }
	list := explained(t, was, record(t, forgetful, way(t, 2, wrong)))
	g.Expect(list).To(HaveLen(1))
	g.Expect(list[0].Parted).To(Equal("packet 1 of the capture: h1, endpoint program: paths vni 100 10.0.0.3 is not written any more"))
	more := way(t, 2, wrong)
	more.Steps[1].Stages = append(more.Steps[1].Stages, wire.Stage{Name: "learn", Map: "paths", Access: "update", Key: addrKey(a4)})
	list = explained(t, was, record(t, way(t, 1, nil), more))
	g.Expect(list[0].Parted).To(Equal("packet 2 of the capture, this one: h3, uplink program: paths vni 100 10.0.0.2 is written now"))
}

func TestTheTwinTellsItsChanges(t *testing.T) {
	g := NewWithT(t)
	r := record(t, way(t, 1, nil), died(t, 2))
	text := r.Twin("ping.pcap at red-1")
	g.Expect(text).To(ContainSubstring(`
packet 2 in at endpoint:default/red-1: 10.0.0.2 → 10.0.0.3 icmp echo id 7 seq 2
  ┌ h1 endpoint program at default/red-1
  │ port: hit endpoints row 3
  │ path: miss paths vni 100 10.0.0.3
  │ ask: hit subnets row 2
  │ ask: hit hosts row 5
  │ ask: update paths vni 100 10.0.0.3
  └ ask redirect, to h3
  ▶ frame 4 out at uplink:h1: 192.0.2.1 → 192.0.2.3 geneve vni 100 [] 10.0.0.2 → 10.0.0.3 icmp echo id 7 seq 2
  ┌ h3 uplink program
  │ relay: miss directory vni 100 10.0.0.3
  └ drop no_endpoint
  ▶ frame 5 no_endpoint at drop:h3: 192.0.2.1 → 192.0.2.3 geneve vni 100 [] 10.0.0.2 → 10.0.0.3 icmp echo id 7 seq 2
`))
	changes := replay.TwinChanges(text)
	g.Expect(changes).To(Equal([][]replay.Change{replay.Changes(r.Ways[0]), replay.Changes(r.Ways[1])}))
	g.Expect(changes[0]).To(Equal([]replay.Change{{Host: "h1", Program: "endpoint", Row: "paths vni 100 10.0.0.3"}}))
}

func TestAWireThatOnlyObservesAgrees(t *testing.T) {
	g := NewWithT(t)
	ways := []wire.Way{way(t, 1, nil), died(t, 2)}
	was := record(t, ways...)
	now, err := replay.Play(context.Background(), &fake{ways: ways, drops: wire.Drops{}}, at, was.Inputs)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(now.Ways).To(BeEmpty())
	g.Expect(now.Frames[4].Reason).To(Equal("no_endpoint"))
	g.Expect(now.Frames[4].Bytes).To(Equal(now.Frames[3].Bytes), "what h3 had when it dropped it")
	g.Expect(explained(t, was, now)).To(BeEmpty())

	other, err := replay.Play(context.Background(), &fake{ways: []wire.Way{ways[0], way(t, 2, nil)}, drops: wire.Drops{}}, at, was.Inputs)
	g.Expect(err).NotTo(HaveOccurred())
	list := explained(t, was, other)
	g.Expect(list).To(HaveLen(1))
	g.Expect(list[0].Cause).To(Equal("it took another way, which ended at endpoint:default/red-2"))
	g.Expect(list[0].Row).To(BeEmpty(), "such a wire knows no rows")
}

func TestEveryMapThatGivesFieldsExists(t *testing.T) {
	g := NewWithT(t)
	known := []string{"*"}
	for n := range uint64(32) {
		known = append(known, bpf.RowTable(n).String())
	}
	for _, name := range replay.Maps() {
		g.Expect(known).To(ContainElement(name))
	}
}
