// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"slices"

	"github.com/mizar-net/mizar/controlplane/object"
)

// RoleKind is what a host with a role does.
type RoleKind string

// The kinds of roles.
const (
	// Bouncer is the role of knowing where every endpoint of a subnet is.
	Bouncer RoleKind = "bouncer"
	// Divider is the role of knowing the bouncers of every subnet of a VPC.
	Divider RoleKind = "divider"
)

// Role is one that hosts can have.
type Role struct {
	Kind RoleKind
	// Of is the name of the subnet, or the VPC.
	Of string
}

// Holders are the hosts that have to do with a role just now, each list in order
// of names. All of them hold what the role needs to know, and answer. One that is
// Former may be Joining again.
//
//	            holds all         all hosts know
//	Joining ──────────────► Asked ──────────────► Former ──► none
//	                  (wanted)   (not wanted)  (not asked)
type Holders struct {
	// Asked are those that other hosts ask.
	Asked []string
	// Joining are to be asked once they hold everything.
	Joining []string
	// Former are not asked any more, but may still be by hosts that do not
	// know it yet.
	Former []string
}

// All are the names of all holders, in order of names.
func (h Holders) All() []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(h.Asked, h.Joining, h.Former))))
}

// Roles says who holds each role of a network. It is a value: Next returns
// another one.
type Roles map[Role]Holders

// Progress is how far hosts have come. Both are names.
type Progress struct {
	// Live are the hosts that the control plane believes to be alive.
	Live []string
	// Applied are the hosts whose kernel holds the state of the roles as they
	// are.
	Applied []string
}

// Place returns the roles as they are to be in the end: nobody joins, nobody has
// left. live are the names of all hosts that can have one.
func Place(set object.Set, live []string) Roles {
	roles := Roles{}
	for _, v := range set.VPCs {
		roles[Role{Divider, v.Name}] = Holders{Asked: Dividers(v, live)}
	}
	for _, s := range set.Subnets {
		roles[Role{Bouncer, s.Name}] = Holders{Asked: Bouncers(s, live)}
	}
	return roles
}

// Next returns the roles one step nearer to where they are to be, so that whoever
// is asked at any moment can answer: newcomers hold everything before anybody asks
// them, and those who leave answer until everybody knows. The zero Roles come to
// their end at once, and so does a role of which no holder is alive.
func (r Roles) Next(set object.Set, p Progress) Roles {
	next := Place(set, p.Live)
	for role, end := range next {
		if now, placed := r[role]; placed {
			next[role] = now.next(end.Asked, p)
		}
	}
	return next
}

// Settled says that no host is joining or leaving.
func (r Roles) Settled() bool {
	for _, h := range r {
		if len(h.Joining)+len(h.Former) > 0 {
			return false
		}
	}
	return true
}

func (h Holders) next(wanted []string, p Progress) Holders {
	missing := without(wanted, h.Asked)
	ready := func(host string) bool {
		return slices.Contains(h.Former, host) || slices.Contains(h.Joining, host) && slices.Contains(p.Applied, host)
	}
	answered := slices.ContainsFunc(h.Asked, func(host string) bool { return slices.Contains(p.Live, host) })
	known := len(without(p.Live, p.Applied)) == 0
	n := Holders{Asked: wanted, Former: without(h.Asked, wanted)}
	if answered && slices.ContainsFunc(missing, func(host string) bool { return !ready(host) }) {
		n = Holders{Asked: h.Asked, Joining: missing}
	}
	if !known {
		n.Former = slices.Compact(slices.Sorted(slices.Values(slices.Concat(n.Former, without(h.Former, n.Asked)))))
	}
	return n
}

// without returns the names that are not among others.
func without(names, others []string) (rest []string) {
	for _, name := range names {
		if !slices.Contains(others, name) {
			rest = append(rest, name)
		}
	}
	return rest
}
