// SPDX-License-Identifier: Apache-2.0

package property_test

import (
	"maps"
	"slices"

	"pgregory.net/rapid"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// conversations draws who talks with whom, by what, and what happens in between.
// What hosts have learned may be wrong for a tenth of a second after a change.
func (d *drawn) conversations(t *rapid.T) {
	d.line("steps:\n- {name: at the start, wait: 100ms}")
	for range 1 + upTo(t, "more steps", 5) {
		switch of(t, "step", "talk", "talk", "talk", "talk", "again", "relabel", "namespace", "policy", "forget") {
		case "talk":
			d.talk(t, d.anybody(t, "from"), d.somewhere(t))
		case "again":
			d.thereAndBack(t)
		case "relabel":
			d.line("- relabel: {endpoint: %s, labels: %s}\n- wait: 100ms", of(t, "endpoint", d.endpoints...), flow(labelled(t, labels)))
		case "namespace":
			d.line("- relabel: {namespace: %s, labels: %s}\n- wait: 100ms", of(t, "namespace", namespaces...), flow(labelled(t, nsLabels)))
		case "policy":
			d.line("- change: {apply: [%s]}\n- wait: 100ms", policy(t))
		case "forget":
			d.line("- forget: true")
		}
	}
}

// anybody is an endpoint, or now and then a host.
func (d *drawn) anybody(t *rapid.T, what string) string {
	if oneIn(t, "a host", 8) {
		return of(t, what, "host/h1", "host/h2")
	}
	return of(t, what, d.endpoints...)
}

// somewhere is that, or now and then an address that nobody has.
func (d *drawn) somewhere(t *rapid.T) string {
	if oneIn(t, "nobody", 12) {
		return of(t, "address", "10.0.0.99", "10.0.7.1")
	}
	return d.anybody(t, "to")
}

func (d *drawn) talk(t *rapid.T, from, to string) {
	what := "icmp"
	if proto := of(t, "proto", "tcp", "udp", "icmp"); proto != "icmp" {
		what = proto + "/" + flow(of(t, "port", ports...))
	}
	if from != to {
		d.line("- table: {ports: [%s], from: [%s], to: [%s], truth: oracle}", what, from, to)
	}
}

// thereAndBack is a conversation, and one in the other direction between the same
// ports.
func (d *drawn) thereAndBack(t *rapid.T) {
	from, to, port := of(t, "from", d.endpoints...), of(t, "to", d.endpoints...), of(t, "port", ports...)
	if from == to {
		return
	}
	proto := of(t, "proto", "tcp", "udp")
	for _, way := range []struct {
		from, to     string
		source, port int
	}{{from, to, 33333, port}, {to, from, port, 33333}} {
		d.line("- trace: {proto: %s, from: %s, to: %s, source: %d, port: %d}", proto, way.from, way.to, way.source, way.port)
	}
}
