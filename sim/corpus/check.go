// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/kernel"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/capture"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// trial is one frame that has gone one way.
type trial struct {
	way  Way
	in   prepared
	out  testrun.Result
	head head
}

// actions say what a program returns with each verdict that it may give.
var actions = map[testrun.Program]map[bpf.RowVerdict]kernel.Action{
	testrun.Endpoint: {
		bpf.RowVerdictVERDICT_DROP:    kernel.Drop,
		bpf.RowVerdictVERDICT_ANSWER:  kernel.Transmit,
		bpf.RowVerdictVERDICT_DELIVER: kernel.Redirect,
		bpf.RowVerdictVERDICT_SEND:    kernel.Redirect,
		bpf.RowVerdictVERDICT_ASK:     kernel.Redirect,
		bpf.RowVerdictVERDICT_REFUSE:  kernel.Transmit,
	},
	testrun.Uplink: {
		bpf.RowVerdictVERDICT_DROP:      kernel.Drop,
		bpf.RowVerdictVERDICT_PASS:      kernel.Pass,
		bpf.RowVerdictVERDICT_DELIVER:   kernel.Redirect,
		bpf.RowVerdictVERDICT_RELAY:     kernel.Transmit,
		bpf.RowVerdictVERDICT_SEND_BACK: kernel.Transmit,
		bpf.RowVerdictVERDICT_RESEND:    kernel.Transmit,
		bpf.RowVerdictVERDICT_NOT_HERE:  kernel.Transmit,
		bpf.RowVerdictVERDICT_REFUSE:    kernel.Transmit,
	},
}

// verdict is what the program recorded.
func (t trial) verdict() bpf.RowVerdict { return bpf.RowVerdict(t.out.Record.Verdict) }

// reason is the recorded drop reason.
func (t trial) reason() bpf.RowDropReason { return bpf.RowDropReason(t.out.Record.Reason) }

// broken is the first promise that the program broke; "" when it kept all.
func (t trial) broken() string {
	action, known := actions[t.way.Program][t.verdict()]
	if !known {
		return fmt.Sprintf("the %s program gave the verdict %s", t.way.Program, t.verdict())
	}
	if t.out.Action != action {
		return fmt.Sprintf("verdict %s with action %s, want %s", t.verdict(), t.out.Action, action)
	}
	dropped := t.verdict() == bpf.RowVerdictVERDICT_DROP
	lost := dropped || t.verdict() == bpf.RowVerdictVERDICT_REFUSE
	if lost != (t.reason() != bpf.RowDropReasonDROP_NONE) || t.reason() >= bpf.RowDropReasonDROP_MAX {
		return fmt.Sprintf("verdict %s with reason %s", t.verdict(), t.reason())
	}
	if t.way.Program == testrun.Uplink {
		if forUs := forTunnel(t.in.frame); forUs == (t.verdict() == bpf.RowVerdictVERDICT_PASS) {
			return fmt.Sprintf("verdict %s on a packet that is for the tunnel: %t", t.verdict(), forUs)
		}
	}
	if dropped {
		return t.dropped()
	}
	return t.passed()
}

// dropped holds the reason to what the simulator's own decoder says.
func (t trial) dropped() string {
	if ifindex := t.out.Record.Ifindex; ifindex != 0 {
		return fmt.Sprintf("dropped, but out of port %d", ifindex)
	}
	switch t.reason() {
	case bpf.RowDropReasonDROP_TRUNCATED, bpf.RowDropReasonDROP_IP_HEADER:
		if d, err := frame.Decode(t.in.frame); err == nil && !d.Inner.Fragment {
			return fmt.Sprintf("dropped as %s, but every header can be read: %s", t.reason(), d)
		}
	}
	return ""
}

// passed holds what came out to what went in.
func (t trial) passed() string {
	if t.verdict() == bpf.RowVerdictVERDICT_PASS {
		return different(t.in.frame, t.out.Frame)
	}
	if d, err := frame.Decode(t.in.inner); err != nil && !d.Tunnel && !d.Inner.Src.IsValid() {
		return fmt.Sprintf("verdict %s on a packet whose headers cannot be read: %v", t.verdict(), err)
	}
	if t.way.Program == testrun.Endpoint {
		if said := t.guarded(); said != "" {
			return said
		}
	}
	switch t.verdict() {
	case bpf.RowVerdictVERDICT_ANSWER:
		return t.answered()
	case bpf.RowVerdictVERDICT_DELIVER:
		return t.delivered()
	case bpf.RowVerdictVERDICT_REFUSE:
		if t.way.Program == testrun.Endpoint {
			return t.refused()
		}
	}
	if ifindex := t.out.Record.Ifindex; ifindex != uplinkPort {
		return fmt.Sprintf("verdict %s, but out of port %d, want the uplink, %d", t.verdict(), ifindex, uplinkPort)
	}
	inner, said := t.outer()
	if said != "" {
		return said
	}
	var c change
	if t.way.Program == testrun.Endpoint {
		c.routed = t.routed()
	}
	return c.between(t.in.inner, inner)
}

// guarded says that a frame with others' addresses got past the guard.
func (t trial) guarded() string {
	if mac := state.MAC(t.in.inner[6:12]); mac != myMAC {
		return fmt.Sprintf("verdict %s on a frame from %s: the endpoint is %s", t.verdict(), mac, myMAC)
	}
	link := t.verdict() == bpf.RowVerdictVERDICT_ANSWER && (t.head.source.IsUnspecified() || t.head.source.IsLinkLocalUnicast())
	if !link && !slices.Contains(me.Addresses, t.head.source) {
		return fmt.Sprintf("verdict %s on a frame from %s: the endpoint is %v", t.verdict(), t.head.source, me.Addresses)
	}
	return ""
}

// delivered holds the frame to the endpoint that its destination names.
func (t trial) delivered() string {
	for port, e := range map[uint32]capture.Endpoint{myPort: me, neighbourPort: neighbour} {
		if port != t.out.Record.Ifindex {
			continue
		}
		if !slices.Contains(e.Addresses, t.head.destination) {
			return fmt.Sprintf("delivered to endpoint %s, but the destination is %s", e.Name, t.head.destination)
		}
		c := change{delivered: e.MAC, congested: t.way.tunnel != nil && t.way.tunnel.TOS&3 == 3}
		if t.way.Program == testrun.Endpoint {
			c.routed = t.routed()
		}
		return c.between(t.in.inner, t.out.Frame)
	}
	return fmt.Sprintf("delivered to port %d, where no endpoint is", t.out.Record.Ifindex)
}

// routed says that the packet goes to another subnet than the sender's.
func (t trial) routed() routing {
	for _, p := range subnetA {
		if p.Contains(t.head.destination) {
			return false
		}
	}
	return true
}

// routing says whether a packet goes from one subnet to another.
type routing bool

// change is all that may become of a frame between a program's ends.
type change struct {
	// delivered is the MAC of the endpoint that gets the frame, from the
	// gateway's; zero: both stay.
	delivered state.MAC
	// routed takes one of the TTL.
	routed routing
	// congested carries the mark of the outer header in.
	congested bool
}

// between says what else is different; every checksum that was right must be
// right, and every other as wrong as before.
func (c change) between(in, out []byte) string {
	want := append([]byte(nil), in...)
	if c.delivered != (state.MAC{}) {
		copy(want, c.delivered[:])
		copy(want[6:], gatewayMAC[:])
	}
	h := headOf(in)
	if c.congested {
		if !h.capable(in) {
			return "delivered with congestion marked outside, but it is not capable inside"
		}
		h.mark(want)
	}
	if c.routed {
		want[h.ttlAt()]--
	}
	if h.version == 4 && len(out) == len(want) {
		before, after := header4(in), header4(out)
		if before != after {
			return fmt.Sprintf("the IPv4 header's checksum was off by %#04x, now it is by %#04x", before, after)
		}
		copy(want[ethernet+10:ethernet+12], out[ethernet+10:])
	}
	if said := different(want, out); said != "" {
		return said
	}
	return sameChecksums(in, out)
}

// sameChecksums proves every layer before and after.
func sameChecksums(in, out []byte) string {
	layers := func(b []byte) (list []string) {
		for _, wrong := range badChecksums(b) {
			list = append(list, wrong.Layer)
		}
		return list
	}
	if before, after := layers(in), layers(out); !slices.Equal(before, after) {
		return fmt.Sprintf("wrong checksums: %v before, %v after", before, after)
	}
	return ""
}

// different is where two frames differ first; "" when they don't.
func different(want, got []byte) string {
	if bytes.Equal(want, got) {
		return ""
	}
	if len(want) != len(got) {
		return fmt.Sprintf("%d bytes came out, want %d", len(got), len(want))
	}
	at := 0
	for want[at] == got[at] {
		at++
	}
	return fmt.Sprintf("byte %d came out as %#02x, want %#02x", at, got[at], want[at])
}
