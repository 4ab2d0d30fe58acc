// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"encoding/binary"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/sim/wire"
)

// somebody is an endpoint that nobody sends to.
const somebody = "default/somebody-else"

// lose says that a packet was dropped on its way.
func lose(p *wire.Packet) {
	if p.Delivered {
		p.Delivered, p.To, p.Reason, p.Dropper = false, "", "no_endpoint", p.Hosts[len(p.Hosts)-1]
	}
}

// loseLocal loses what did not meet the underlay.
func loseLocal(p *wire.Packet) {
	if p.Delivered && p.Hops == 0 {
		lose(p)
	}
}

// silence swallows what is said by ICMP in the name of gateways.
func silence(p *wire.Packet) { p.Answered, p.Refused = false, nil }

// loseLarge loses what takes nearly all of a frame of 1500 bytes, or more.
func loseLarge(p *wire.Packet) {
	const large = 1400
	if slices.ContainsFunc(p.Frames, func(b []byte) bool { return len(b) > large }) || p.Reason == wire.StackMTU {
		lose(p)
		p.Reason, p.Dropper = "mtu", p.Hosts[0]
	}
}

// loseReturned loses what came back to its sender's host on the way.
func loseReturned(p *wire.Packet) {
	if len(p.Hosts) > 1 && slices.Contains(p.Hosts[1:], p.Hosts[0]) {
		lose(p)
		p.Refused = nil
	}
}

// refuseReturned refuses at its sender's host what went on when it had come back there.
func refuseReturned(p *wire.Packet) {
	if p.Delivered && slices.Contains(p.Hosts[1:], p.Hosts[0]) {
		lose(p)
		p.Reason, p.Dropper = "policy_ingress", p.Hosts[0]
	}
}

// straighten lets the fragments of a packet behind the first take one hop.
func straighten(p *wire.Packet) {
	for i := 1; i < len(p.Parts); i++ {
		part := &p.Parts[i]
		if last := len(part.Hosts) - 1; last > 1 {
			part.Hosts, part.Hops, part.Frames = []string{part.Hosts[0], part.Hosts[last]}, 1, part.Frames[last-1:]
		}
	}
}

// loseToHosts loses what a host should get at its own endpoint.
func loseToHosts(p *wire.Packet) {
	if strings.HasPrefix(p.To, object.HostNamespace+"/") {
		lose(p)
	}
}

// leak delivers to somebody else, whatever became of the packet.
func leak(p *wire.Packet) {
	p.Delivered, p.To, p.Reason, p.Dropper = true, somebody, "", ""
}

// detour adds a hop.
func detour(p *wire.Packet) {
	p.Hops++
	p.Hosts = append(p.Hosts, "detour")
}

// moreLookups counts one hash-type lookup and one update more in each program.
func moreLookups(p *wire.Packet) {
	for i := range p.Steps {
		p.Steps[i].HashLookups++
		p.Steps[i].Updates++
	}
}

// blind tells every row as one of zeros.
func blind(p *wire.Packet) {
	for i := range p.Steps {
		stages := slices.Clone(p.Steps[i].Stages)
		for j := range stages {
			stages[j].Row, stages[j].Before = make([]byte, len(stages[j].Row)), nil
		}
		p.Steps[i].Stages = stages
	}
}

// muteSender swallows what comes back out of the port that frames entered.
func muteSender(at wire.Port, _ [][]byte, out []wire.Emission) []wire.Emission {
	var kept []wire.Emission
	for _, e := range out {
		if e.At != at {
			kept = append(kept, e)
		}
	}
	return kept
}

// flood puts each frame that enters a port on the underlay too.
func flood(_ wire.Port, frames [][]byte, out []wire.Emission) []wire.Emission {
	for i, frame := range frames {
		out = append(out, wire.Emission{At: wire.Port{Uplink: "flooding"}, Frame: frame, Input: i})
	}
	return out
}

// deliverForged lets each frame out at some endpoint.
func deliverForged(_ wire.Port, frames [][]byte, out []wire.Emission) []wire.Emission {
	for i, frame := range frames {
		out = append(out, wire.Emission{At: wire.Port{Endpoint: somebody}, Frame: frame, Input: i})
	}
	return out
}

// forgetGuard forgets what the guard has dropped.
func forgetGuard(drops wire.Drops) {
	forget(drops, func(reason string) bool { return strings.HasPrefix(reason, "guard_") })
}

// forgetForged forgets what tunnels said in vain.
func forgetForged(drops wire.Drops) {
	vain := []string{"tunnel_source", "send_back", "not_here", "refusal"}
	forget(drops, func(reason string) bool { return slices.Contains(vain, reason) })
}

// forgetFragments forgets what was dropped for where it begins or ends.
func forgetFragments(drops wire.Drops) {
	forget(drops, func(reason string) bool { return reason == "fragment" || reason == "truncated" })
}

// rememberAll adds a row for every third address of a /15.
func rememberAll(byVNI map[string]map[uint32]int) {
	for _, rows := range byVNI {
		for vni := range rows {
			rows[vni] += 1 << 17 / 3
		}
	}
}

// scatter gives each tunnel packet an outer source port by all of its bytes.
func scatter(_ wire.Port, _ [][]byte, out []wire.Emission) []wire.Emission {
	for i := range out {
		t, ok := locate(out[i].Frame)
		if !ok {
			continue
		}
		b := slices.Clone(out[i].Frame)
		h := fnv.New32a()
		h.Write(b) // a hash.Hash never fails
		binary.BigEndian.PutUint16(b[t.udp:], uint16(h.Sum32())|0xc000)
		out[i].Frame = b
	}
	return out
}

func forget(drops wire.Drops, what func(reason string) bool) {
	for _, reasons := range drops {
		maps.DeleteFunc(reasons, func(reason string, _ uint64) bool { return what(reason) })
	}
}

// alterPassed flips the last byte of each frame that a stack gets.
func alterPassed(at wire.Port, in [][]byte, out []wire.Emission) []wire.Emission {
	for i := range out {
		if out[i].At.Stack != "" {
			alterFrames(at, in, out[i:i+1])
		}
	}
	return out
}

// alterFrames flips the last byte of each frame that comes out.
func alterFrames(_ wire.Port, _ [][]byte, out []wire.Emission) []wire.Emission {
	for i := range out {
		altered := append([]byte(nil), out[i].Frame...)
		altered[len(altered)-1] ^= 0xff
		out[i].Frame = altered
	}
	return out
}
