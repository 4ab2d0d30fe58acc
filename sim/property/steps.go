// SPDX-License-Identifier: Apache-2.0

package property

import (
	"maps"
	"slices"
	"strings"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Silence is the end of a scenario in which nothing happens.
func (d *Drawn) Silence() { d.line("steps: [{forget: true}]") }

// Converse draws who talks with whom, by what, and what happens in between.
// What hosts have learned may be wrong for a tenth of a second after a change.
func (d *Drawn) Converse(t Dice) {
	d.line("steps:\n- {name: at the start, wait: 100ms}")
	for range 1 + upTo(t, "more steps", 11) {
		kinds := []string{"talk", "talk", "again", "again", "again", "everybody", "change", "change", "change", "forget", "wait"}
		if len(d.services) > 0 { // dice of tests like what comes first
			kinds = append([]string{"keep on", "service", "call", "keep on", "service", "keep on"}, kinds...)
		}
		switch of(t, "step", kinds...) {
		case "talk":
			d.ask(t, d.anybody(t, "from"), d.somewhere(t))
		case "again":
			d.again(t)
		case "everybody":
			d.everybody(t)
		case "keep on":
			d.keepOn(t)
		case "call":
			d.call(t)
		case "service":
			d.changeService(t)
			d.line("- wait: 100ms")
		case "change":
			d.change(t)
			d.line("- wait: 100ms")
		case "forget":
			d.line("- forget: true")
		case "wait":
			d.line("- wait: %s", of(t, "time", "1s", "35s", "35s", "4m", "11m"))
		}
	}
}

// change draws what happens to objects.
func (d *Drawn) change(t Dice) {
	kinds := []string{"relabel", "relabel namespace", "namespace", "policy", "policy", "new endpoint"}
	if len(d.policies) > 0 {
		kinds = append(kinds, "another policy", "no policy")
	}
	if len(d.declared) > 0 {
		kinds = append(kinds, "no namespace")
	}
	if len(d.endpoints) > 2 {
		kinds = append(kinds, "move", "no endpoint")
	}
	switch of(t, "change", kinds...) {
	case "relabel":
		d.line("- relabel: {endpoint: %s, labels: %s}", of(t, "endpoint", d.endpoints...), flow(labelled(t, labels)))
	case "relabel namespace":
		name := of(t, "namespace", namespaces...)
		if !slices.Contains(d.declared, name) {
			d.declared = append(d.declared, name)
		}
		d.line("- relabel: {namespace: %s, labels: %s}", name, flow(labelled(t, nsLabels)))
	case "namespace":
		d.line("- change: {apply: [%s]}", d.namespace(t, of(t, "namespace", namespaces...)))
	case "no namespace":
		d.line("- change: {delete: [Namespace/%s]}", gone(t, &d.declared))
	case "policy":
		key := policyName(t)
		if !slices.Contains(d.policies, key) {
			d.policies = append(d.policies, key)
		}
		d.line("- change: {apply: [%s]}", policy(t, key))
	case "another policy":
		d.line("- change: {apply: [%s]}", policy(t, of(t, "policy", d.policies...)))
	case "no policy":
		d.line("- change: {delete: [NetworkPolicy/%s]}", gone(t, &d.policies))
	case "new endpoint":
		d.line("- change: {apply: [%s]}", d.endpoint(t))
	case "no endpoint":
		d.line("- change: {delete: [Endpoint/%s]}", gone(t, &d.endpoints))
	case "move":
		d.line("- move: {endpoint: %s, to: h%d}", of(t, "endpoint", d.endpoints...), of(t, "host", 1, 2, 3))
	}
}

// gone draws which one of some goes.
func gone(t Dice, from *[]string) string {
	at := upTo(t, "which", len(*from)-1)
	name := (*from)[at]
	*from = slices.Delete(*from, at, at+1)
	return name
}

// anybody is an endpoint, or now and then a host.
func (d *Drawn) anybody(t Dice, what string) string {
	if oneIn(t, "a host", 8) {
		return of(t, what, "host/h1", "host/h2")
	}
	return of(t, what, d.endpoints...)
}

// somewhere is that, or now and then an address that nobody has.
func (d *Drawn) somewhere(t Dice) string {
	if oneIn(t, "nobody", 12) {
		return of(t, "address", "10.0.0.99", "10.0.7.1")
	}
	return d.anybody(t, "to")
}

func (d *Drawn) ask(t Dice, from, to string) {
	if by := what(t); from != to {
		d.line("- table: {ports: [%s], from: [%s], to: [%s], truth: oracle}", by, from, to)
	}
}

// what draws what is spoken, as tables have it.
func what(t Dice) string {
	if proto := of(t, "proto", "tcp", "udp", "icmp"); proto != "icmp" {
		return proto + "/" + flow(of(t, "to port", slices.Concat(ports, []int{78, 83, 8081, 65535})...))
	}
	return "icmp"
}

// everybody talks with everybody, by one port.
func (d *Drawn) everybody(t Dice) {
	all := strings.Join(d.endpoints, ", ")
	d.line("- table: {ports: [%s], from: [%s], to: [%s], truth: oracle}", what(t), all, all)
}

// talk is a conversation that has its ports.
type talk struct {
	proto, from, to string
	source, port    int
}

// again is a conversation, or one that was there before, or the other way round: a
// flow that goes on, as far as it may.
func (d *Drawn) again(t Dice) {
	now := talk{of(t, "proto", "tcp", "udp"), of(t, "from", d.endpoints...), of(t, "to", d.endpoints...), 33333, of(t, "port", ports[:3]...)}
	d.talks = slices.DeleteFunc(d.talks, func(was talk) bool {
		return !slices.Contains(d.endpoints, was.from) || !slices.Contains(d.endpoints, was.to)
	})
	if len(d.talks) > 0 && !oneIn(t, "new", 3) {
		now = of(t, "talk", d.talks...)
	} else if now.from == now.to {
		return
	} else {
		d.talks = append(d.talks, now)
	}
	if oneIn(t, "back", 2) {
		now = talk{now.proto, now.to, now.from, now.port, now.source}
	}
	d.line("- trace: {proto: %s, from: %s, to: %s, source: %d, port: %d}", now.proto, now.from, now.to, now.source, now.port)
}
