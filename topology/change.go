// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"reflect"
)

// Change is what to plug and unplug to get from one topology to another. It is
// done in the order of its fields.
type Change struct {
	// Unplug are endpoints that go, RemoveHosts hosts that go; none of the
	// latter has endpoints by then.
	Unplug      []Endpoint
	RemoveHosts []Host
	AddHosts    []Host
	// Move are endpoints that keep all they are but their host.
	Move []Move
	Plug []Endpoint
}

// Move is an endpoint as it is after it went to another host.
type Move struct {
	Endpoint Endpoint
	// From is the name of the host that it was behind.
	From string
}

// Compare says what changes from before to after. A host or an endpoint that
// differs is removed and added again, an endpoint that differs by its host
// alone is moved. The form of a program and the mode of XDP are no difference:
// they can be switched where a device is. Endpoints behind a host that is removed or replaced are
// unplugged, even if they appear again behind it or another.
func Compare(before, after Topology) Change {
	var c Change
	was, is := byName(before.Hosts, hostName), byName(after.Hosts, hostName)
	for _, h := range before.Hosts {
		if now, ok := is[h.Name]; !ok || differs(h, now) {
			c.RemoveHosts = append(c.RemoveHosts, h)
		}
	}
	for _, h := range after.Hosts {
		if old, ok := was[h.Name]; !ok || differs(h, old) {
			c.AddHosts = append(c.AddHosts, h)
		}
	}
	c.endpoints(before.Endpoints, after.Endpoints)
	return c
}

// differs says that one host can't become the other where it is.
func differs(a, b Host) bool {
	a.XDP = b.XDP
	return !reflect.DeepEqual(a, b)
}

// endpoints adds what becomes of endpoints.
func (c *Change) endpoints(before, after []Endpoint) {
	was, is := byName(before, endpointName), byName(after, endpointName)
	gone := byName(c.RemoveHosts, hostName)
	stays := func(name string) bool {
		old, had := was[name]
		now, has := is[name]
		_, off := gone[old.Host]
		now.Host, now.Form, now.XDP = old.Host, old.Form, old.XDP
		return had && has && !off && reflect.DeepEqual(old, now)
	}
	for _, e := range before {
		if !stays(e.Name) {
			c.Unplug = append(c.Unplug, e)
		}
	}
	for _, e := range after {
		switch {
		case !stays(e.Name):
			c.Plug = append(c.Plug, e)
		case was[e.Name].Host != e.Host:
			c.Move = append(c.Move, Move{Endpoint: e, From: was[e.Name].Host})
		}
	}
}

// Empty says that there is nothing to do.
func (c Change) Empty() bool {
	return len(c.Unplug)+len(c.RemoveHosts)+len(c.AddHosts)+len(c.Move)+len(c.Plug) == 0
}

func hostName(h Host) string         { return h.Name }
func endpointName(e Endpoint) string { return e.Name }

// byName indexes things by their names.
func byName[T any](all []T, name func(T) string) map[string]T {
	m := make(map[string]T, len(all))
	for _, t := range all {
		m[name(t)] = t
	}
	return m
}
