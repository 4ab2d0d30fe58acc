// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"
	"reflect"
	"slices"
	"time"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/overlay"
	"github.com/mizar-net/mizar/sim/oracle/judge"
)

// place is an address inside a VPC.
type place struct {
	vpc  string
	addr netip.Addr
}

// path is what a host knows of the way to an address.
type path struct {
	state pathState
	// host is the one that the address was learned to be behind.
	host       string
	generation uint8
	// party is whose address it is, number that of his identity.
	party  *judge.Party
	number uint32
	token  token
	// tell says that the next packet there quotes the token, so that the
	// other side learns too.
	tell  bool
	since time.Duration
	// vain says that hosts may not have asked at all, or asked otherwise; see
	// [wire.Packet.Vain] and [wire.Packet.Outdated].
	vain bool
}

// token is what an answer must quote: one pair of addresses has one at a time.
// The zero token is that of a question that nobody remembers.
type token struct {
	pair overlay.Pair
	at   time.Duration
	real bool
}

type pathState int

const (
	unknown pathState = iota
	asked
	learned
	local
	beyond // outside of all VPCs
)

// view is what a host is told of the network.
type view struct {
	world
	// down are the hosts that it takes to be down; filling the subnets that it
	// bounces and whose directory it has not got yet.
	down, filling []string
}

// node is one host as it knows the network.
type node struct {
	name string
	view
	paths   map[place]path
	lowered map[string]lowered // by peer
	flows   map[flowKey]*flow
	views   map[flowKey]*face
	clients map[client]kept
	// collected is when flows were last looked at for their time.
	collected time.Duration
	// former are who endpoints were: their numbers keep their rows for a while.
	former []former
	// errors, questions and openings are the budgets of its endpoints.
	errors, questions, openings map[string]time.Duration
}

// former is who an endpoint of a VPC was, until when.
type former struct {
	vpc   string
	party judge.Party
	until time.Duration
}

// linger is how long a host keeps the rows of who nobody is any more.
const linger = 10 * time.Minute

// leave notes who is not there any more in a world that is about to be held.
func (n *node) leave(next world, now time.Duration) {
	n.former = slices.DeleteFunc(n.former, func(g former) bool { return now-g.until > linger })
	for _, e := range n.set.Endpoints {
		same, ok := next.set.Endpoint(e.Key())
		if was := n.party(e); !ok || !reflect.DeepEqual(next.party(same), was) {
			n.former = append(n.former, former{n.vpcOf(e), was, now})
		}
	}
}

func newNode(name string) *node {
	return &node{
		name: name, view: view{world: newWorld(object.Set{}, nil)},
		paths: map[place]path{}, lowered: map[string]lowered{}, flows: map[flowKey]*flow{}, views: map[flowKey]*face{}, clients: map[client]kept{},
		errors: map[string]time.Duration{}, questions: map[string]time.Duration{}, openings: map[string]time.Duration{},
	}
}

// hold takes a view over, and forgets what it contradicts: what lives here or in
// a VPC that the host no longer serves, and what the own directory knows better.
func (n *node) hold(v view) {
	n.view = v
	n.forsake()
	for at, known := range n.paths {
		_, here := n.behind(n.name, at)
		wrong := !n.serves(n.name, at.vpc) || here != (known.state == local)
		if known.state == learned {
			location, found := n.directory(at)
			subnet, some := n.subnet(at)
			wrong = wrong || (found && (location.Host != known.host || generation(location) != known.generation)) || !n.knows(known.host) ||
				(!found && some && n.bounces(n.name, subnet.Name) && !slices.Contains(n.filling, subnet.Name))
		}
		if known.state == beyond {
			vpc, _ := n.set.VPC(at.vpc)
			subnet, some := n.subnet(at)
			wrong = wrong || !vpc.Masquerade || some && n.bounces(n.name, subnet.Name) && !slices.Contains(n.filling, subnet.Name)
		}
		if wrong {
			delete(n.paths, at)
		}
	}
}

// knows says whether a name is that of another host.
func (n *node) knows(host string) bool {
	_, ok := n.set.Host(host)
	return ok && host != n.name
}

// directory is what a bouncer knows: every endpoint of its subnets.
func (n *node) directory(at place) (object.Endpoint, bool) {
	e, ok := n.endpoints[at]
	if !ok || !n.bounces(n.name, e.Subnet) || slices.Contains(n.filling, e.Subnet) {
		return object.Endpoint{}, false
	}
	return e, true
}

// choose is whom a pair of addresses asks: the best that is up, and if none is,
// the best.
func (n *node) choose(candidates []string, pair overlay.Pair) string {
	up := slices.DeleteFunc(slices.Clone(candidates), n.isDown)
	if len(up) > 0 {
		candidates = up
	}
	return overlay.Choose(candidates, pair)
}

// after is the next one behind this host in the same order that is up.
func (n *node) after(candidates []string, pair overlay.Pair) string {
	rest := slices.Clone(candidates)
	for passed := false; len(rest) > 0; {
		best := overlay.Choose(rest, pair)
		if passed && !n.isDown(best) {
			return best
		}
		passed = passed || best == n.name
		rest = slices.DeleteFunc(rest, func(host string) bool { return host == best })
	}
	return ""
}

func (n *node) isDown(host string) bool { return slices.Contains(n.down, host) }

// whom says who is asked for the way to an address in a subnet that this host
// bounces or divides for: the endpoint's own host if it is located, a bouncer,
// or nobody, for a reason.
func (n *node) whom(s object.Subnet, w *walk) (next string, e object.Endpoint, reason string) {
	if e, ok := n.directory(w.to()); ok {
		if e.Host == n.name {
			return "", e, stale // here, but no endpoint of ours (any more)
		}
		return e.Host, e, ""
	}
	bouncers := n.bouncers[s.Name]
	switch {
	case !n.bounces(n.name, s.Name):
		next = n.choose(bouncers, w.pair())
	case !slices.Contains(n.filling, s.Name):
		return "", e, noEndpoint
	default:
		next = n.after(bouncers, w.pair())
	}
	if next == "" {
		return "", e, noBouncer
	}
	return next, object.Endpoint{}, ""
}
