// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/trace"
	"github.com/mizar-net/mizar/sim/wire"
)

func addrKey(vni byte, addr string) []byte {
	a := netip.MustParseAddr(addr).As16()
	return append([]byte{vni, 0, 0, 0}, a[:]...)
}

func outcome(t *testing.T) wire.Outcome {
	t.Helper()
	in, err := frame.Build(frame.Spec{
		Kind: frame.UDP, Src: netip.MustParseAddr("10.0.0.2"), Dst: netip.MustParseAddr("10.0.0.3"),
		SrcPort: 40000, DstPort: 7,
	})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return wire.Outcome{Requests: []wire.Packet{{
		Hosts: []string{"h1", "h3"}, Hops: 1, Reason: "no_endpoint", Dropper: "h3",
		Steps: []wire.Step{
			{
				Host: "h1", Program: "endpoint", Port: "default/red-1", In: in, Out: in, Verdict: "ask", To: "h3",
				HashLookups: 2, ArrayLookups: 4, Updates: 1,
				Stages: []wire.Stage{
					{Name: "guard"},
					{Name: "local", Map: "locals", Key: addrKey(100, "10.0.0.3"), Access: "miss"},
					{Name: "ask", Map: "subnets", Key: []byte{3, 0, 0, 0}, Access: "hit", Hit: true},
				},
			},
			{Host: "h3", Program: "uplink", In: in, Verdict: "drop", Reason: "no_endpoint"},
		},
	}}}
}

const text = `request 1: h1 → h3: dropped by h3: no_endpoint
  ┌ h1: endpoint program at red-1
  │ 10.0.0.2 → 10.0.0.3 udp 40000 → 7, 0 bytes
  │   guard
  │   local  locals   vni 100 10.0.0.3  miss
  │   ask    subnets  row 3             hit
  └ ask ─► h3 (2 hash and 4 array lookups, 1 update)
  ┌ h3: uplink program
  │ 10.0.0.2 → 10.0.0.3 udp 40000 → 7, 0 bytes
  └ drop no_endpoint (0 hash and 0 array lookups, no update)
`

func TestText(t *testing.T) {
	g := NewWithT(t)
	var b bytes.Buffer
	g.Expect(trace.WriteText(&b, trace.Of(outcome(t)))).To(Succeed())
	g.Expect(b.String()).To(Equal(text))
}

func TestJSON(t *testing.T) {
	g := NewWithT(t)
	var b bytes.Buffer
	g.Expect(trace.WriteJSON(&b, trace.Of(outcome(t)))).To(Succeed())
	var read struct{ Packets []trace.Packet }
	g.Expect(json.Unmarshal(b.Bytes(), &read)).To(Succeed())
	g.Expect(read.Packets).To(Equal(trace.Of(outcome(t))))
}

func TestKeys(t *testing.T) {
	g := NewWithT(t)
	route := append([]byte{32 + 96 + 24, 0, 0, 0, 0, 0, 0, 100}, addrKey(0, "10.0.1.0")[4:]...)
	g.Expect(trace.Key("routes", route)).To(Equal("vni 100 10.0.1.0/24"))
	g.Expect(trace.Key("peers", addrKey(0, "2001:db8::1")[4:])).To(Equal("2001:db8::1"))
	g.Expect(trace.Key("vpcs", []byte{200, 0, 0, 0})).To(Equal("vni 200"))
	g.Expect(trace.Key("unheard-of", []byte{1, 2})).To(Equal("0102"))
}
