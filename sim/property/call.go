// SPDX-License-Identifier: Apache-2.0

package property

import (
	"slices"
	"strings"
)

// client is who talks to a service: somebody of its VPC, hardly ever anybody.
func (d *Drawn) client(t Dice, s served) string {
	if all := d.in(s.vpc); len(all) > 0 && !oneIn(t, "anybody", 10) {
		return of(t, "client", all...)
	}
	return d.anybody(t, "client")
}

// call draws who asks a service for what.
func (d *Drawn) call(t Dice) {
	s := of(t, "of services", d.services...)
	by := of(t, "port of", s.ports...).talk()
	if oneIn(t, "another port", 6) {
		by = what(t)
	}
	to := "Service/" + s.key
	if oneIn(t, "by address", 4) {
		to = `"` + of(t, "frontend", s.frontends...) + `"`
	}
	from := d.client(t, s)
	if oneIn(t, "all of them", 3) {
		from = strings.Join(append([]string{from}, slices.DeleteFunc(d.in(s.vpc), func(name string) bool { return name == from })...), ", ")
	}
	d.line("- table: {ports: [%s], from: [%s], to: [%s], truth: oracle}", by, from, to)
}

// called is the port that flows to frontends come from that go on. No other conversation
// has it: what a backend says of its own accord in such a flow seems to come from somebody
// else, and probes of it would not know that.
const called = 44444

// keepOn draws packets of one flow to a frontend, which was there before or was not, or may
// be there no more; now and then what stands behind it changes between two of them.
func (d *Drawn) keepOn(t Dice) {
	d.calls = slices.DeleteFunc(d.calls, func(was talk) bool { return !slices.Contains(d.endpoints, was.from) })
	now, ok := d.anyCall(t)
	if !ok {
		return
	}
	d.packets(t, now)
	i := slices.IndexFunc(d.services, func(s served) bool { return slices.Contains(s.frontends, now.to) })
	if i < 0 || oneIn(t, "nothing happens", 2) {
		return
	}
	d.line("- change: {apply: [%s]}", d.slice(t, d.services[i], of(t, "slice of", 4, 6)))
	d.line("- wait: 100ms")
	d.packets(t, now)
}

// packets draws some of a flow to a frontend, or of one that would seem to be the same
// behind it.
func (d *Drawn) packets(t Dice, now talk) {
	if oneIn(t, "past the frontend", 6) {
		now.to, now.port = of(t, "to", d.in(d.vpcs[now.from])...), of(t, "backend port", 80, 81, 8080)
	}
	if now.to == now.from {
		return
	}
	d.line("- trace: {proto: %s, from: %s, to: \"%s\", source: %d, port: %d, count: %d, size: %d}",
		now.proto, now.from, now.to, now.source, now.port, 1+upTo(t, "more packets", 2), of(t, "size", 32, 32, 32, 3000))
}

// anyCall is one that was there, or a new one; false: there is nobody to call.
func (d *Drawn) anyCall(t Dice) (talk, bool) {
	if len(d.calls) > 0 && (len(d.services) == 0 || !oneIn(t, "new", 3)) {
		return of(t, "call", d.calls...), true
	}
	if len(d.services) == 0 {
		return talk{}, false
	}
	s := of(t, "of services", d.services...)
	all := d.in(s.vpc)
	if len(all) == 0 {
		return talk{}, false
	}
	by := of(t, "port of", s.ports...)
	now := talk{strings.ToLower(by.protocol), of(t, "client", all...), of(t, "frontend", s.frontends...), called, by.number}
	d.calls = append(d.calls, now)
	return now, true
}
