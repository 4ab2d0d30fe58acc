// SPDX-License-Identifier: Apache-2.0

package run

import (
	"fmt"
	"strings"

	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
)

// proofs are the expectations beyond verdict and hops, each with the failures
// that it finds. Every frame that was seen must also have right checksums.
var proofs = []func(conversation, answer) []Failure{
	checksums, network, lookups, overhead, entropy, service, oneBackend, backends,
}

// tunnelFrames are the underlay frames of packets, decoded.
func tunnelFrames(packets []wire.Packet) []frame.Packet {
	var all []frame.Packet
	for _, p := range packets {
		for _, b := range p.Frames {
			if decoded, err := frame.Decode(b); err == nil && decoded.Tunnel {
				all = append(all, decoded)
			}
		}
	}
	return all
}

func checksums(_ conversation, a answer) []Failure {
	for _, packets := range [][]wire.Packet{a.requests, a.replies} {
		for _, p := range packets {
			for _, b := range p.Frames {
				if err := frame.VerifyChecksums(b); err != nil {
					return []Failure{{Field: "checksums on the underlay", Got: err.Error(), Want: "right ones, outer UDP zero"}}
				}
			}
		}
	}
	return nil
}

// network holds the VNI of every tunnel against that of the sender's VPC.
func network(t conversation, a answer) []Failure {
	for _, p := range append(tunnelFrames(a.requests), tunnelFrames(a.replies)...) {
		if p.VNI != t.vni {
			return []Failure{{Field: "VNI on the underlay", Got: fmt.Sprint(p.VNI), Want: fmt.Sprint(t.vni)}}
		}
	}
	return nil
}

// lookups of every program that the last request and the last reply met.
func lookups(t conversation, a answer) []Failure {
	most := t.expect.Lookups
	if most == nil {
		return nil
	}
	var all []Failure
	for _, of := range []struct {
		what    string
		packets []wire.Packet
	}{{"last request", a.requests}, {"last reply", a.replies}} {
		steps := lastSteps(of.packets)
		if len(steps) == 0 {
			all = append(all, Failure{Field: "lookups of the " + of.what, Got: "no steps", Want: "steps with lookups"})
			continue
		}
		for _, s := range steps {
			if s.HashLookups > most.Hash || s.ArrayLookups > most.Array || s.Updates > most.Updates {
				all = append(all, Failure{
					Field: fmt.Sprintf("lookups of the %s in program %s at %s", of.what, s.Program, s.Host),
					Got:   fmt.Sprintf("%d hash, %d array, %d updates", s.HashLookups, s.ArrayLookups, s.Updates),
					Want:  fmt.Sprintf("at most %d, %d, %d", most.Hash, most.Array, most.Updates),
					Note:  "maps met: " + mapsMet(s),
				})
			}
		}
	}
	return all
}

// lastSteps are those of the last packet, of tcp of one that is not the handshake's.
func lastSteps(packets []wire.Packet) []wire.Step {
	if len(packets) == 0 {
		return nil
	}
	last := packets[len(packets)-1]
	if len(last.Settled) > 0 {
		return last.Settled
	}
	return last.Steps
}

func mapsMet(s wire.Step) string {
	var names []string
	for _, stage := range s.Stages {
		if stage.Map != "" {
			names = append(names, stage.Map)
		}
	}
	return strings.Join(names, " ")
}

// overhead of the last request's last frame.
func overhead(t conversation, a answer) []Failure {
	family := 4
	if t.cell.Underlay == "v6" {
		family = 6
	}
	want, asked := t.expect.Overhead[family]
	if !asked {
		return nil
	}
	fail := func(got string) []Failure {
		return []Failure{{Field: "overhead of the last request", Got: got, Want: fmt.Sprintf("%d bytes", want)}}
	}
	if len(a.requests) == 0 || len(a.requests[len(a.requests)-1].Frames) == 0 {
		return fail("no frame on the underlay")
	}
	frames := a.requests[len(a.requests)-1].Frames
	got, ok := tunnelBytes(frames[len(frames)-1])
	if !ok {
		return fail("a frame that is no tunnel")
	}
	if got != want {
		return fail(fmt.Sprintf("%d bytes", got))
	}
	return nil
}

// tunnelBytes is what a tunnel adds to an IP packet: outer IP, UDP, Geneve and
// its options, and the inner Ethernet header.
func tunnelBytes(b []byte) (int, bool) {
	p, err := frame.Decode(b)
	if err != nil || !p.Tunnel {
		return 0, false
	}
	ethernet := 14
	if p.VLAN != 0 {
		ethernet += 4
	}
	ip := 20
	if p.OuterSrc.Is6() {
		ip = 40
	}
	geneve := ethernet + ip + 8
	if len(b) <= geneve {
		return 0, false
	}
	options := int(b[geneve]&0x3f) * 4
	return ip + 8 + 8 + options + 14, true
}

// entropy of the outer source ports of all requests.
func entropy(t conversation, a answer) []Failure {
	if t.expect.Entropy == 0 {
		return nil
	}
	seen := map[uint16]bool{}
	for _, p := range tunnelFrames(a.requests) {
		seen[p.OuterSport] = true
		if want := frame.OuterPort(p.Inner); p.OuterSport != want {
			return []Failure{{
				Field: "outer source port", Got: fmt.Sprint(p.OuterSport), Want: fmt.Sprint(want), Note: p.Inner.String(),
			}}
		}
	}
	if len(seen) < t.expect.Entropy {
		return []Failure{{
			Field: "different outer source ports", Got: fmt.Sprint(len(seen)), Want: fmt.Sprintf("at least %d", t.expect.Entropy),
		}}
	}
	return nil
}

// service holds the outer DSCP and ECN of all requests against the inner ones.
func service(t conversation, a answer) []Failure {
	if !t.expect.TOS {
		return nil
	}
	frames := tunnelFrames(a.requests)
	if len(frames) == 0 {
		return []Failure{{Field: "DSCP and ECN", Got: "no frame on the underlay", Want: "at least one"}}
	}
	for _, p := range frames {
		if want := t.flows[0].TOS; p.Inner.TOS != want || p.OuterTOS != want {
			return []Failure{{
				Field: "DSCP and ECN", Got: fmt.Sprintf("inner %#02x, outer %#02x", p.Inner.TOS, p.OuterTOS),
				Want: fmt.Sprintf("%#02x in both", want),
			}}
		}
	}
	return nil
}
