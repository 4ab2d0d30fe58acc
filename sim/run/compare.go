// SPDX-License-Identifier: Apache-2.0

package run

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/wire"
)

// differences holds what one party says against another: what became of each
// packet, and its way.
func differences(a, b answer) []Failure {
	if slices.ContainsFunc(a.requests, isDoubtful) || slices.ContainsFunc(b.requests, isDoubtful) {
		return nil
	}
	way := certain
	if a.timed || b.timed {
		way = roughly
	}
	var all []Failure
	for _, of := range []struct {
		field string
		a, b  []wire.Packet
		say   func(wire.Packet) string
	}{
		{"requests", a.requests, b.requests, fate},
		{"way of the requests", a.requests, b.requests, way},
		{"replies", a.replies, b.replies, fate},
		{"way of the replies", a.replies, b.replies, way},
	} {
		got, want := say(of.a, of.say), say(of.b, of.say)
		if got != want {
			all = append(all, Failure{Field: of.field, Who: a.who, Got: got, Against: b.who, Want: want})
		}
	}
	if a.timed || b.timed {
		return all // real sockets do not tell at which port they were reached
	}
	if got, want := backendsOf(a.requests), backendsOf(b.requests); got != want {
		all = append(all, Failure{Field: "backends of the requests", Who: a.who, Got: got, Against: b.who, Want: want})
	}
	return all
}

// backendsOf are those that got packets, as far as that is told.
func backendsOf(packets []wire.Packet) string {
	var all []string
	for _, p := range packets {
		if p.At.IsValid() {
			all = append(all, p.At.String())
		}
	}
	return join(all)
}

// fate is what became of a packet in words.
func fate(p wire.Packet) string {
	switch {
	case p.Vain && !p.Delivered:
		return "refused, or asked for in vain"
	case p.Delivered:
		return "delivered to " + scenario.Short(p.To)
	case p.Answered:
		return "answered by the gateway"
	case p.Refused != nil:
		return fmt.Sprintf("refused by %s (%s), told %s", p.Dropper, p.Reason, p.Refused)
	case p.Reason != "":
		return fmt.Sprintf("dropped by %s (%s)", p.Dropper, p.Reason)
	}
	return "lost without a reason"
}

// way is the hosts that a packet met.
func way(p wire.Packet) string {
	s := strings.Join(p.Hosts, " → ")
	if s == "" {
		s = "nowhere"
	}
	if p.Hops != max(len(p.Hosts)-1, 0) {
		s += fmt.Sprintf(" (but %d hops)", p.Hops)
	}
	if ways := scattered(p); p.Delivered && len(ways) > 1 {
		s += " (its fragments: " + strings.Join(ways, ", or ") + ")"
	}
	return s
}

// certain is way, where the oracle knows it.
func certain(p wire.Packet) string {
	if p.Outdated {
		return "as outdated as what was learned"
	}
	if p.Vain {
		return "asked for in vain, or not"
	}
	return way(p)
}

// roughly is certain, where one packet may take another than its like did a moment ago.
func roughly(p wire.Packet) string {
	if p.Aged {
		return "as old as what was learned"
	}
	return certain(p)
}

func isDoubtful(p wire.Packet) bool { return p.Doubtful }

// age marks the packets of a wire's answer that the oracle says are [wire.Packet.Aged],
// [wire.Packet.Outdated] or [wire.Packet.Vain].
func (a answer) age(oracle answer) {
	for _, of := range []struct{ got, want []wire.Packet }{{a.requests, oracle.requests}, {a.replies, oracle.replies}} {
		for i := range min(len(of.got), len(of.want)) {
			of.got[i].Aged, of.got[i].Outdated, of.got[i].Vain = of.want[i].Aged, of.want[i].Outdated, of.want[i].Vain
		}
	}
}

// isTimed says whether real time passes on a wire: then nobody can tell what its
// programs would do with a packet a moment later.
func isTimed(w wire.Wire) bool {
	_, ok := w.(wire.RowReader)
	return !ok
}

// say puts packets in words; equal neighbours are counted.
func say(packets []wire.Packet, words func(wire.Packet) string) string {
	texts := make([]string, len(packets))
	for i, p := range packets {
		texts[i] = words(p)
	}
	return join(texts)
}

func join(texts []string) string {
	var parts []string
	for i := 0; i < len(texts); {
		n := 1
		for i+n < len(texts) && texts[i+n] == texts[i] {
			n++
		}
		part := texts[i]
		if n > 1 {
			part = fmt.Sprintf("%d × %s", n, part)
		}
		parts = append(parts, part)
		i += n
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// delivered counts packets that reached the endpoint; "": any.
func delivered(packets []wire.Packet, to string) int {
	n := 0
	for _, p := range packets {
		if p.Delivered && (to == "" || p.To == to) {
			n++
		}
	}
	return n
}

// arrived counts requests that reached whom they were meant for.
func (t conversation) arrived(requests []wire.Packet) int {
	n := delivered(requests, t.to)
	if len(t.backends) == 0 {
		return n
	}
	n = 0
	for _, b := range t.backends {
		n += delivered(requests, b.Endpoint)
	}
	return n
}

// meant says whom the requests are meant for; "": for nobody.
func (t conversation) meant() string {
	if len(t.backends) == 0 {
		return scenario.Short(t.to)
	}
	if len(t.backends) == 1 {
		return scenario.Short(t.backends[0].Endpoint)
	}
	return fmt.Sprintf("one of %d backends", len(t.backends))
}

// hops of the successive packets, those that were not delivered as -1.
func hops(packets []wire.Packet) []int {
	all := make([]int, len(packets))
	for i, p := range packets {
		if all[i] = -1; p.Delivered {
			all[i] = p.Hops
		}
	}
	return all
}

func (a answer) hops() []int { return hops(a.requests) }

// seen is the answer in a few words, to somebody who asked in a conversation.
func (a answer) seen(t conversation) string {
	if len(a.requests) == 0 {
		return "nothing"
	}
	if n := t.arrived(a.requests); n != len(a.requests) {
		return say(a.requests, fate)
	}
	s := "delivered, hops " + counted(hops(a.requests))
	if n := delivered(a.replies, ""); n != len(a.requests) {
		return fmt.Sprintf("%s, but %d of %d replies", s, n, len(a.requests))
	}
	return s
}

// counted is hops as people read them: "2 1×9". A packet that was not delivered
// is "-".
func counted(hops []int) string {
	var parts []string
	for i, n := 0, 0; i < len(hops); i += n {
		for n = 1; i+n < len(hops) && hops[i+n] == hops[i]; n++ {
		}
		part := fmt.Sprint(hops[i])
		if hops[i] < 0 {
			part = "-"
		}
		if n > 1 {
			part += fmt.Sprintf("×%d", n)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " ")
}

// expected holds what one wire says against the scenario.
func (t conversation) expected(a answer) []Failure {
	const scenarioSays = "the scenario"
	var all []Failure
	fail := func(field, got, want string) {
		all = append(all, Failure{Field: field, Who: a.who, Got: got, Against: scenarioSays, Want: want})
	}
	if got, want, ok := t.verdict(a); !ok {
		fail("verdict", got, want)
	}
	if want := stretch(t.expect.Hops, len(a.requests)); want != nil && fmt.Sprint(want) != fmt.Sprint(hops(a.requests)) {
		fail("hops of the requests", counted(hops(a.requests)), counted(want))
	}
	if want := stretch(t.expect.ReplyHops, len(a.replies)); want != nil && fmt.Sprint(want) != fmt.Sprint(hops(a.replies)) {
		fail("hops of the replies", counted(hops(a.replies)), counted(want))
	}
	for _, p := range proofs {
		for _, f := range p(t, a) {
			f.Who, f.Against = a.who, scenarioSays
			all = append(all, f)
		}
	}
	return all
}

// verdict compares what became of the whole conversation.
func (t conversation) verdict(a answer) (got, want string, ok bool) {
	got = say(a.requests, fate)
	if t.expect.Verdict == scenario.Deliver {
		want = "all delivered to " + t.meant() + ", and answered"
		if n := t.arrived(a.requests); n == 0 || n != len(a.requests) || t.meant() == "" {
			return got, want, false
		}
		got += "; replies: " + say(a.replies, fate)
		from := t.flows[0].From
		return got, want, delivered(a.replies, from) == len(a.requests)
	}
	want = map[scenario.Verdict]string{
		scenario.Drop: "all dropped", scenario.Refuse: "all refused with an ICMP error", scenario.Answer: "all answered by the gateway",
	}[t.expect.Verdict]
	if t.expect.Reason != "" {
		want += " (" + t.expect.Reason + ")"
	}
	for _, p := range a.requests {
		if t.elsewhere && p.Delivered && p.To != t.to {
			continue
		}
		if p.Vain && !p.Delivered && t.expect.Verdict != scenario.Answer {
			continue
		}
		told := t.expect.Verdict == scenario.Refuse
		if p.Delivered || p.Answered != (t.expect.Verdict == scenario.Answer) || (told && p.Refused == nil) ||
			(t.expect.Reason != "" && p.Reason != t.expect.Reason) || !t.tells(p.Refused) {
			return got, want, false
		}
	}
	return got, want, len(a.requests) > 0
}

// tells says whether an ICMP error tells the MTU that is expected, if one is.
func (t conversation) tells(r *wire.Refusal) bool {
	for family, want := range t.expect.MTU {
		if familyName(family) == t.cell.Underlay && r.MTU != want {
			return false
		}
	}
	return true
}

// stretch repeats the last number until there are n; nil stays nil.
func stretch(numbers []int, n int) []int {
	if len(numbers) == 0 {
		return nil
	}
	all := make([]int, n)
	for i := range all {
		all[i] = numbers[min(i, len(numbers)-1)]
	}
	return all
}
