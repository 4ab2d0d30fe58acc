// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"regexp"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/object/strict"
	"github.com/mizar-net/mizar/sim/wire"
)

// stepKinds are the keys that say what a step does, one of them in each.
var stepKinds = []string{
	"probe", "table", "trace", "send", "replay", "assert",
	"change", "move", "recreate", "relabel", "roles", "underlay", "forget",
	"advance", "wait", "at", "clock", "link", "host", "agent", "traffic", "stop", "scan",
}

func (d *decoder) step(v strict.Value) Step {
	f := v.Fields(append([]string{"name", "rows", "expect"}, stepKinds...)...)
	s := Step{
		Name: f.Optional("name").Text(),
		Rows: strict.Each(f.Optional("rows"), row),
		At:   object.Position{File: v.File(), Line: v.Line()},
	}
	var kinds []string
	for _, kind := range stepKinds {
		if f.Optional(kind).Present() {
			kinds = append(kinds, kind)
		}
	}
	if len(kinds) != 1 {
		got := "nothing to do"
		if len(kinds) > 1 {
			got = strings.Join(kinds, " and ")
		}
		v.FailGot(got, "one of "+strings.Join(stepKinds, ", ")+" in each step")
		return s
	}
	expect := f.Optional("expect")
	if expect.Present() && kinds[0] != "probe" && kinds[0] != "send" {
		expect.FailGot("expect beside "+kinds[0], "expect only beside probe and send")
		return s
	}
	s.Key, d.before = kinds[0], d.failures()
	d.body(&s, kinds[0], f.Optional(kinds[0]), expect)
	if s.Name == "" {
		s.Name = s.Kind()
	}
	return s
}

// body reads what the step does.
func (d *decoder) body(s *Step, kind string, v, expect strict.Value) {
	switch kind {
	case "probe":
		d.lossy(v, kind)
		s.Probe = d.probe(v, expect)
	case "table":
		d.lossy(v, kind)
		s.Table = d.table(v)
	case "trace":
		d.lossy(v, kind)
		s.Trace = d.trace(v)
	case "send":
		d.alone(v, kind)
		s.Send = d.send(v, expect)
	case "replay":
		d.alone(v, kind)
		s.Replay = d.replay(v)
	case "assert":
		s.Assert = d.assert(v)
	case "underlay":
		s.Rebuild = d.rebuild(v)
	case "forget":
		if s.Forget = v.Bool(); !s.Forget {
			v.Fail("true, or no such step")
		}
	case "change", "move", "recreate", "relabel", "roles":
		read := map[string]func(strict.Value) *Change{
			"change": d.change, "move": d.move, "recreate": d.recreate, "relabel": d.relabel, "roles": d.roles,
		}
		s.Change = read[kind](v)
	default:
		d.timed(s, kind, v)
	}
}

// timed reads the steps that have to do with time, and with what goes wrong in it.
func (d *decoder) timed(s *Step, kind string, v strict.Value) {
	switch kind {
	case "advance", "wait":
		s.Advance = d.positive(v)
		d.passed += s.Advance
	case "at":
		s.Advance = d.until(v)
	case "clock":
		s.Clock = d.clock(v)
	case "link", "host", "agent":
		s.Fault = d.fault(kind, v)
	case "traffic":
		s.Traffic = d.traffic(v)
	case "stop":
		s.Stop = d.stop(v)
	case "scan":
		s.Scan = d.scan(v)
	}
}

// rowID is a row of ACCEPTANCE, a capital and a number, or one of its checklist of
// NetworkPolicy.
var rowID = regexp.MustCompile(`^([A-Z][0-9]+|NP-[0-9]{2})$`)

func row(v strict.Value) string {
	id := v.Text()
	if !rowID.MatchString(id) {
		v.Fail("the ID of an ACCEPTANCE row, such as A1, E16 or NP-85")
	}
	return id
}

func (d *decoder) probe(v, expect strict.Value) *Probe {
	f := v.Fields("proto", "from", "to", "family", "port", "source", "count", "size", "tos", "ttl", "whole", "flows", "fresh", "via")
	p := &Probe{
		Protos: protos(f.Required("proto", "icmp, tcp or udp, or a list of them")),
		From:   d.sender(f.Required("from", "the name of an endpoint, or of somebody outside")),
		Family: family(f.Optional("family")),
		Source: uint16(f.Optional("source").Int(1, 65535)),
		Count:  f.Optional("count").Int(1, 1000),
		Size:   f.Optional("size").Int(1, 1<<20),
		TOS:    uint8(f.Optional("tos").Int(0, 255)),
		TTL:    uint8(f.Optional("ttl").Int(1, 255)),
		Whole:  f.Optional("whole").Bool(),
		Flows:  f.Optional("flows").Int(1, 1000),
		Fresh:  f.Optional("fresh").Bool(),
	}
	p.To = d.targetOrOutsider(f.Required("to", "the name of an endpoint, a service or somebody outside, or an address"))
	p.Port = d.portTo(f.Optional("port"), p.To, p.Protos...)
	d.visit(v, f.Optional("via"), p)
	if !expect.Present() {
		v.FailGot("a probe without expect", "beside it, expect: {verdict: deliver} or {verdict: drop, reason: …}")
	}
	p.Expect = d.expect(expect, Deliver, Drop, Refuse, Answer)
	if slices.ContainsFunc(p.Protos, func(proto wire.Proto) bool { return proto != wire.TCP }) && p.Size > mostDatagram {
		f.Optional("size").Fail("at most 60000 for icmp and udp")
	}
	if p.Flows > 1 && p.Source == 0 {
		p.Source = 20000
	}
	return p
}

// mostDatagram is the largest payload of a datagram.
const mostDatagram = 60000

func protos(v strict.Value) []wire.Proto {
	one := func(v strict.Value) wire.Proto {
		return wire.Proto(v.Enum(string(wire.ICMP), string(wire.TCP), string(wire.UDP)))
	}
	if !v.Present() || !isList(v) {
		return []wire.Proto{one(v)}
	}
	return strict.Each(v, one)
}

func (d *decoder) expect(v strict.Value, verdicts ...Verdict) Expect {
	f := v.Fields("verdict", "reason", "rule", "mtu", "hops", "replyHops", "lookups", "overhead", "entropy", "paths", "tos", "backends")
	var words []string
	for _, w := range verdicts {
		words = append(words, string(w))
	}
	e := Expect{
		Verdict:   Verdict(f.Required("verdict", "one of "+strings.Join(words, ", ")).Enum(words...)),
		Reason:    reason(f.Optional("reason")),
		Rule:      f.Optional("rule").Text(),
		MTU:       byUnderlay(f.Optional("mtu"), 65535),
		Hops:      strict.Each(f.Optional("hops"), func(v strict.Value) int { return v.Int(0, 16) }),
		ReplyHops: strict.Each(f.Optional("replyHops"), func(v strict.Value) int { return v.Int(0, 16) }),
		Lookups:   d.lookups(f.Optional("lookups")),
		Overhead:  byUnderlay(f.Optional("overhead"), 1000),
		Entropy:   f.Optional("entropy").Int(1, 1000),
		Paths:     f.Optional("paths").Int(1, 1000),
		Backends:  f.Optional("backends").Int(1, 1000),
	}
	if tos := f.Optional("tos"); tos.Present() {
		e.TOS = tos.Enum("carried") != ""
	}
	if r := f.Optional("reason"); r.Present() && e.Verdict != Drop && e.Verdict != Refuse {
		r.FailGot("a reason with verdict "+string(e.Verdict), "a reason only with verdict drop or refuse")
	}
	if b := f.Optional("backends"); b.Present() && e.Verdict != Deliver {
		b.FailGot("backends with verdict "+string(e.Verdict), "backends only with verdict deliver")
	}
	if m := f.Optional("mtu"); m.Present() && e.Verdict != Refuse {
		m.FailGot("an MTU with verdict "+string(e.Verdict), "one only with verdict refuse")
	}
	return e
}

func (d *decoder) lookups(v strict.Value) *Lookups {
	if !v.Present() {
		return nil
	}
	if slices.Contains(d.wires, "veth") {
		v.FailGot("lookups on the veth wire", "wires: [testrun], because only that wire counts lookups")
	}
	f := v.Fields("hash", "array", "updates")
	return &Lookups{
		Hash:    f.Required("hash", "the most lookups in hash, LRU and LPM maps").Int(0, 1000),
		Array:   f.Required("array", "the most lookups in arrays").Int(0, 1000),
		Updates: f.Required("updates", "the most updates").Int(0, 1000),
	}
}

// byUnderlay reads bytes by family of the underlay: {v4: 58, v6: 78}.
func byUnderlay(v strict.Value, most int) map[int]int {
	if !v.Present() {
		return nil
	}
	f := v.Fields("v4", "v6")
	out := map[int]int{}
	for name, family := range map[string]int{"v4": 4, "v6": 6} {
		if n := f.Optional(name); n.Present() {
			out[family] = n.Int(0, most)
		}
	}
	return out
}

// number reads one, or {least: …, most: …}.
func (d *decoder) number(v strict.Value) Bounds[int] {
	if isMap(v) || d.shape != nil {
		if b := bounds(v, count); b != nil && d.shape == nil {
			return *b
		}
	}
	n := count(v)
	return Bounds[int]{Least: &n, Most: &n}
}

func (d *decoder) assert(v strict.Value) *Assert {
	f := v.Fields("drops", "underlayFrames", "only", "xdp", "down", "learned", "written")
	a := &Assert{
		Only: f.Optional("only").Bool(), XDP: d.asked(f.Optional("xdp")), Down: d.down(f.Optional("down")),
		Learned: d.learned(f.Optional("learned")), Written: d.rowsWritten(f.Optional("written")),
	}
	if n := f.Optional("underlayFrames"); n.Present() {
		frames := n.Int(0, 1<<30)
		a.UnderlayFrames = &frames
	}
	drops := f.Optional("drops")
	if !drops.Present() && a.UnderlayFrames == nil && !f.Optional("xdp").Present() && a.Down == nil && a.Learned == nil && a.Written == nil {
		v.FailGot("nothing to compare", "drops, underlayFrames, xdp, down, learned or written")
	}
	for _, host := range drops.Entries() {
		d.hostKey(host)
		if a.Drops == nil {
			a.Drops = map[string]map[string]Bounds[int]{}
		}
		a.Drops[host.Key] = map[string]Bounds[int]{}
		for _, r := range host.Value.Entries() {
			if !slices.Contains(allReasons(), r.Key) {
				unknown(r.Value, "drop reason", r.Key, allReasons())
			}
			a.Drops[host.Key][r.Key] = d.number(r.Value)
		}
	}
	return a
}
