// SPDX-License-Identifier: Apache-2.0

package topology

import (
	"reflect"
	"slices"

	"github.com/mizar-net/mizar/dataplane/state"
)

// Change is what to plug and unplug to get from one topology to another. It is
// done in the order of its fields.
type Change struct {
	// Unplug are endpoints that go, RemoveHosts hosts that go; none of the
	// latter has endpoints by then.
	Unplug         []Endpoint
	RemoveHosts    []Host
	RemoveRouters  []Router
	RemoveSegments []Segment
	AddSegments    []Segment
	AddRouters     []Router
	// ChangeRouters are routers that only have other MACs or MTUs.
	ChangeRouters []Router
	AddHosts      []Host
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
	c.segments(before, after)
	c.routers(before, after)
	c.endpoints(before.Endpoints, after.Endpoints)
	return c
}

// segments adds what becomes of segments; all but their names is their routers'
// and hosts'.
func (c *Change) segments(before, after Topology) {
	was, is := byName(before.Segments, segmentName), byName(after.Segments, segmentName)
	for _, s := range before.Segments {
		if _, ok := is[s.Name]; !ok {
			c.RemoveSegments = append(c.RemoveSegments, s)
		}
	}
	for _, s := range after.Segments {
		if _, ok := was[s.Name]; !ok {
			c.AddSegments = append(c.AddSegments, s)
		}
	}
}

// routers adds what becomes of routers. One that another route leads over is
// made anew.
func (c *Change) routers(before, after Topology) {
	was, is := byName(before.Routers, routerName), byName(after.Routers, routerName)
	routes := func(t Topology, name string) []Route {
		return Underlay{Segments: t.Segments, Routers: t.Routers}.RoutesOf(name)
	}
	stays := func(name string) bool {
		old, had := was[name]
		now, has := is[name]
		return had && has && reflect.DeepEqual(old.plugs(), now.plugs()) && reflect.DeepEqual(routes(before, name), routes(after, name))
	}
	for _, r := range before.Routers {
		if !stays(r.Name) {
			c.RemoveRouters = append(c.RemoveRouters, r)
		}
	}
	for _, r := range after.Routers {
		switch {
		case !stays(r.Name):
			c.AddRouters = append(c.AddRouters, r)
		case !reflect.DeepEqual(r, was[r.Name]):
			c.ChangeRouters = append(c.ChangeRouters, r)
		}
	}
}

// plugs are a router's ports without what can change where they are.
func (r Router) plugs() []RouterPort {
	ports := slices.Clone(r.Ports)
	for i := range ports {
		ports[i].MAC, ports[i].MTU = state.MAC{}, 0
	}
	return ports
}

// differs says that one host can't become the other where it is.
func differs(a, b Host) bool {
	a.Form, a.XDP = b.Form, b.XDP
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
	return len(c.Unplug)+len(c.RemoveHosts)+len(c.AddHosts)+len(c.Move)+len(c.Plug)+
		len(c.RemoveRouters)+len(c.RemoveSegments)+len(c.AddSegments)+len(c.AddRouters)+len(c.ChangeRouters) == 0
}

func segmentName(s Segment) string   { return s.Name }
func routerName(r Router) string     { return r.Name }
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
