// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// arrive runs a program of the corpus' host over a frame.
func arrive(t *testing.T, program testrun.Program, b []byte) testrun.Result {
	t.Helper()
	m, err := testrun.Load("h3")
	if err != nil {
		t.Fatalf("load the programs (this needs root): %v", err)
	}
	t.Cleanup(func() { m.Close() })
	if _, err := m.Apply(host()); err != nil {
		t.Fatal(err)
	}
	if err := m.SetNow(time.Minute); err != nil {
		t.Fatal(err)
	}
	port, mtu := Way{Program: program}.port()
	out, err := m.Run(testrun.Arrival{Program: program, Port: port, MTU: mtu, Frame: b})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// tunnelled is an honest tunnel packet of h1.
func tunnelled(t *testing.T, s frame.Spec, tunnel frame.Tunnel) []byte {
	t.Helper()
	s.Kind, s.SrcMAC, s.DstMAC, s.Src, s.Payload = frame.UDP, gatewayMAC, myMAC, asked.Addresses[0], []byte("promise")
	tunnel.Src, tunnel.Dst, tunnel.VNI, tunnel.Options.Identity = h1, self4, vni, &frame.Identity{}
	s.Tunnel = &tunnel
	b, err := frame.Build(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestExtensionsEndWithThePacket puts a fragment header behind the end of an
// IPv6 packet, where the receiver will find padding.
func TestExtensionsEndWithThePacket(t *testing.T) {
	b, err := frame.Build(frame.Spec{Kind: frame.RawIP, Proto: frame.ExtensionFragment, SrcMAC: myMAC, DstMAC: gatewayMAC,
		Src: me.Addresses[1], Dst: asked.Addresses[1]})
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, frame.ProtoUDP, 0, 5, 0, 0, 0, 0, 0)
	t.Logf("%x", b)
	out := arrive(t, testrun.Endpoint, b)
	if reason := bpf.RowDropReason(out.Record.Reason); reason != bpf.RowDropReasonDROP_EXTENSION {
		t.Errorf("a fragment header behind the packet's end: want drop extension, got %s %s", bpf.RowVerdict(out.Record.Verdict), reason)
	}
}

// TestOuterLengthsAreCompared makes each outer length end before the inner
// packet does: the rest would be padding that was never sent.
func TestOuterLengthsAreCompared(t *testing.T) {
	for name, at := range map[string]int{"outer IP": ethernet + 2, "outer UDP": ethernet + 20 + 4} {
		t.Run(name, func(t *testing.T) {
			b := tunnelled(t, frame.Spec{Dst: me.Addresses[0]}, frame.Tunnel{})
			binary.BigEndian.PutUint16(b[at:], binary.BigEndian.Uint16(b[at:])-8)
			out := arrive(t, testrun.Uplink, b)
			t.Logf("%x", b)
			if reason := bpf.RowDropReason(out.Record.Reason); reason != bpf.RowDropReasonDROP_TRUNCATED {
				t.Errorf("%s length 8 too short: want drop truncated, got %s %s", name, bpf.RowVerdict(out.Record.Verdict), reason)
			}
		})
	}
}

// TestRelayKeepsCongestion relays a packet that was marked outside.
func TestRelayKeepsCongestion(t *testing.T) {
	back := frame.Options{Return: &frame.Return{Limit: 4, Token: 1, Host: h1}}
	b := tunnelled(t, frame.Spec{Dst: far.Addresses[0], TOS: 2}, frame.Tunnel{TOS: 3, Options: back})
	out := arrive(t, testrun.Uplink, b)
	t.Logf("%x", b)
	d, err := frame.Decode(out.Frame)
	if err != nil || !d.Tunnel {
		t.Fatalf("no tunnel packet came out: %s %v", d, err)
	}
	if d.OuterTOS&3 != 3 && d.Inner.TOS&3 != 3 {
		t.Errorf("the mark is lost (RFC 6040): outer ECN %d, inner ECN %d", d.OuterTOS&3, d.Inner.TOS&3)
	}
}

// TestLinkMessagesStayOnTheirLink sends an endpoint a neighbour
// advertisement through the tunnel: neighbour discovery lives at ports alone (guard.h).
func TestLinkMessagesStayOnTheirLink(t *testing.T) {
	s := frame.Spec{Kind: frame.NA, SrcMAC: gatewayMAC, DstMAC: myMAC, Src: asked.Addresses[1], Dst: me.Addresses[1],
		Tunnel: &frame.Tunnel{Src: h1, Dst: self4, VNI: vni, Options: frame.Options{Identity: &frame.Identity{}}}}
	b, err := frame.Build(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%x", b)
	out := arrive(t, testrun.Uplink, b)
	if bpf.RowVerdict(out.Record.Verdict) != bpf.RowVerdictVERDICT_DROP {
		t.Errorf("a neighbour advertisement out of the tunnel: want drop, got %s", bpf.RowVerdict(out.Record.Verdict))
	}
}
