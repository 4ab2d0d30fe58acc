// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"net/netip"

	"github.com/mizar-net/mizar/controlplane/identity"
	"github.com/mizar-net/mizar/dataplane/state"
)

// The ranks of NetworkPolicy. Tiers before and after it have room for their
// priorities: lower ranks go first.
const (
	// rankPolicy is that of all rules of NetworkPolicy: they are a union.
	rankPolicy = 1 << 20
	// rankIsolation is that of what an isolated endpoint is denied by.
	rankIsolation = rankPolicy + 1
	// rankOpen is that of what no policy says anything of.
	rankOpen = 1 << 22
)

// action is what a rule does with what it matches.
type action uint8

const (
	accept action = iota + 1
	deny
	// pass leaves it to the next tier.
	pass
)

// statement is what one policy says in one direction, whatever its API: the form
// that all of them are compiled from.
type statement struct {
	// policy is the key that people know it by.
	policy    string
	namespace string
	direction state.Direction
	// tier is lower for what is judged first; a pass leads to the next.
	tier int
	// subject selects endpoints of the namespace.
	subject selector
	// isolates says that what no rule of the tier accepts is denied; without it,
	// later tiers are asked.
	isolates bool
	// audit says that it changes no verdict.
	audit bool
	// rules are in order of their ranks.
	rules []rule
	// names are the named ports that the rules ask of the subject, sorted.
	names []string
	// digest stands for all of it but the subject.
	digest string
	// sets are those that it is part of.
	sets map[*set]bool
}

// rule is a line of a policy: whoever is one of the peers, to one of the ports.
type rule struct {
	// name is how people are told of it.
	name   string
	rank   uint32
	action action
	// anyone says that every address matches; who has one need not be a peer too.
	anyone bool
	peers  []peer
	blocks []block
	ports  []ports
	// selectors are those of peers.
	selectors []*peerSelector
}

// peer selects endpoints by what they are.
type peer struct {
	// own is the one namespace that the endpoints are in; "": any that
	// namespaces selects.
	own        string
	namespaces selector
	pods       selector
}

// block selects addresses: those of a prefix, without some.
type block struct {
	prefix netip.Prefix
	except []netip.Prefix
}

// ports are some ports of one protocol, or all of all.
type ports struct {
	// protocol is IP's number; 0: any, and then all ports.
	protocol    uint8
	first, last uint16
	// name, when set, is that of a port of the destination, in place of numbers.
	name string
}

// everything is all ports of all protocols.
var everything = ports{last: 65535}

// allPorts says that the rule holds for whatever protocol and port.
func (r rule) allPorts() bool {
	for _, p := range r.ports {
		if p == everything {
			return true
		}
	}
	return false
}

// named are the ports that a peer or a subject has by name; nil: none.
type named func(name string, protocol uint8) uint16

// of are the named ports of an identity.
func of(i identity.Identity) named {
	return func(name string, protocol uint8) uint16 {
		value, _, _ := i.Value(identity.Port(name))
		return identity.PortOf(value, protocolName(protocol))
	}
}
