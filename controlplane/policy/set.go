// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/controlplane/identity"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
)

// set is what some statements say together in one direction of endpoints of one
// VPC.
type set struct {
	key, name, revision string
	direction           state.Direction
	vpc                 string
	statements          []*statement
	// rules are those of all statements, in the order that they are tried in.
	rules  []tiered
	orders map[*rule]int
	// ports are the subject's.
	ports []object.Port

	byDefault state.Judgement
	peers     []state.PolicyPeer
	prefixes  []state.PolicyPrefix
	classes   map[string]*shared
	// like are the names of the classes of peers that the same rules match.
	like map[string]string
	// hosts count the endpoints that have the set.
	hosts map[string]int
	users int
}

// shared is a class and how many rows of a set name it.
type shared struct {
	state.PortClass
	rows int
}

// called is the set's name; "": there is none.
func (s *set) called() string {
	if s == nil {
		return ""
	}
	return s.name
}

// acquire returns the set of what selects an endpoint in a direction, and counts
// it as one of its users.
func (c *Compiler) acquire(found *selection, d state.Direction, e *subject) *set {
	key, ports := fmt.Sprintf("%s %q %s", d, e.VPC, found.keys[d]), ""
	if d == state.Ingress {
		ports = portsOf(e.Ports, found.names)
		key += ports
	}
	s := c.sets[key]
	if s == nil {
		s = &set{
			key: key, direction: d, vpc: e.VPC, statements: found.statements[d], ports: e.Ports,
			orders: map[*rule]int{}, classes: map[string]*shared{}, like: map[string]string{}, hosts: map[string]int{},
		}
		s.christen(ports, found.keys[d])
		c.sets[key] = s
		c.fill(s)
		c.changes.Sets++
	}
	s.users++
	if s.hosts[e.Host]++; s.hosts[e.Host] == 1 {
		c.changes.Hosts[e.Host] = true
	}
	return s
}

// release lets a user of a set on a host go, and the set with the last one.
func (c *Compiler) release(s *set, host string) {
	if s.hosts[host]--; s.hosts[host] == 0 {
		delete(s.hosts, host)
		c.changes.Hosts[host] = true
	}
	if s.users--; s.users > 0 {
		return
	}
	delete(c.sets, s.key)
	for _, one := range s.statements {
		delete(one.sets, s)
	}
	c.changes.Sets++
	c.changes.Peers += len(s.peers)
	c.changes.Prefixes += len(s.prefixes)
	for _, one := range s.classes {
		c.changes.Ranges += len(one.Ranges)
	}
}

// mostNamed is how many policies the name of a set, or of what isolates, lists.
const mostNamed = 4

// christen makes the set's name and revision: of the policies and the ports by name,
// and of all that they say.
func (s *set) christen(ports, statements string) {
	var policies []string
	for _, one := range s.statements {
		policies = append(policies, one.policy)
	}
	all := sha256.Sum256([]byte(strings.Join(policies, ",")))
	listed := strings.Join(policies, ",")
	s.name = fmt.Sprintf("%s %s %s", s.vpc, s.direction, listed)
	if len(policies) > mostNamed {
		listed = fmt.Sprintf("%s and %d more", strings.Join(policies[:mostNamed], ","), len(policies)-mostNamed)
		s.name = fmt.Sprintf("%s %s %s (%s)", s.vpc, s.direction, listed, hex.EncodeToString(all[:6]))
	}
	s.name += ports
	s.revision = statements
	s.byDefault = state.Judgement{Verdict: state.Accept, Rank: rankOpen}
	if slices.ContainsFunc(s.statements, func(one *statement) bool { return one.isolates }) {
		s.byDefault = state.Judgement{Verdict: state.Deny, Rank: rankIsolation, Rule: fmt.Sprintf("%s isolate %s", listed, s.direction)}
		if s.statements[0].audit {
			s.byDefault.Verdict = state.Audit
		}
	}
}

// fill makes the set's rows.
func (c *Compiler) fill(s *set) {
	for _, one := range s.statements {
		one.sets[s] = true
		for i := range one.rules {
			s.rules = append(s.rules, tiered{&one.rules[i], one.tier})
		}
	}
	slices.SortStableFunc(s.rules, func(a, b tiered) int { return cmp.Or(cmp.Compare(a.tier, b.tier), cmp.Compare(a.rank, b.rank)) })
	for order, r := range s.rules {
		s.orders[r.rule] = order
	}
	if open, ok := s.opened(); ok {
		s.byDefault = open
		return
	}
	for _, g := range fold(s.rules) {
		s.prefixes = append(s.prefixes, state.PolicyPrefix{Prefix: g.prefix, Class: c.classOf(s, g.rules, nil)})
	}
	c.changes.Prefixes += len(s.prefixes)
	met := s.matching()
	for _, k := range sortedNumbers(met) {
		c.addPeer(s, k, met[k])
	}
}

// opened is the rule that accepts everything of everyone, where no other denies
// anything: then no row says anything else.
func (s *set) opened() (state.Judgement, bool) {
	if slices.ContainsFunc(s.rules, func(r tiered) bool { return r.action != accept }) {
		return state.Judgement{}, false
	}
	for _, r := range s.rules {
		if r.anyone && r.allPorts() {
			return state.Judgement{Verdict: state.Accept, Rank: r.rank, Rule: r.name}, true
		}
	}
	return state.Judgement{}, false
}

// addPeer gives an identity the row that the rules of these orders make. Rules may
// match it and grant nothing, such as by the name of a port that it has not.
func (c *Compiler) addPeer(s *set, k *known, orders []int) {
	if _, open := s.opened(); open || !s.means(orders, k) {
		return
	}
	class := c.classOf(s, orders, k)
	if len(s.classes[class].Ranges) == 0 {
		c.unclass(s, class)
		return
	}
	at, _ := slices.BinarySearchFunc(s.peers, k.Number, byIdentity)
	s.peers = slices.Insert(s.peers, at, state.PolicyPeer{Identity: k.Number, Class: class})
	c.changes.Peers++
	c.touch(s)
}

// means says whether some rule of these orders has more for an identity than for an
// address: a rule of anyone has, for who has a port that it names, and any other that
// has a port for the identity. Of ingress, ports that are named are the subject's.
func (s *set) means(orders []int, k *known) bool {
	has := func(p ports) bool { return p.name != "" && s.named(k)(p.name, p.protocol) != 0 }
	return slices.ContainsFunc(orders, func(o int) bool {
		r := s.rules[o]
		if r.anyone {
			return slices.ContainsFunc(r.ports, has)
		}
		return s.direction == state.Ingress || len(r.ports) == 0 ||
			slices.ContainsFunc(r.ports, func(p ports) bool { return p.name == "" || has(p) })
	})
}

func (c *Compiler) removePeer(s *set, number uint32) {
	at, there := slices.BinarySearchFunc(s.peers, number, byIdentity)
	if !there {
		return
	}
	c.unclass(s, s.peers[at].Class)
	s.peers = slices.Delete(s.peers, at, at+1)
	c.changes.Peers++
	c.touch(s)
}

func byIdentity(p state.PolicyPeer, number uint32) int { return cmp.Compare(p.Identity, number) }

func (c *Compiler) touch(s *set) {
	for host := range s.hosts {
		c.changes.Hosts[host] = true
	}
}

// classOf is the name of the class that rules of a set make for a peer; nil: for
// an address. It counts the row that will name it.
func (c *Compiler) classOf(s *set, orders []int, k *known) string {
	var like strings.Builder
	rules := make([]tiered, len(orders))
	for i, o := range orders {
		rules[i] = s.rules[o]
		fmt.Fprintf(&like, "%d ", o)
		for _, p := range rules[i].ports {
			if p.name != "" && k != nil && s.direction == state.Egress {
				value, _, _ := k.Value(identity.Port(p.name))
				fmt.Fprintf(&like, "%q", value)
			}
		}
	}
	if name, ok := s.like[like.String()]; ok && s.classes[name] != nil {
		s.classes[name].rows++
		return name
	}
	one := class(flatten(rules, s.named(k), s.byDefault))
	s.like[like.String()] = one.Name
	if s.classes[one.Name] == nil {
		s.classes[one.Name] = &shared{PortClass: one}
		c.changes.Ranges += len(one.Ranges)
	}
	s.classes[one.Name].rows++
	return one.Name
}

func (c *Compiler) unclass(s *set, name string) {
	one := s.classes[name]
	if one.rows--; one.rows == 0 {
		delete(s.classes, name)
		c.changes.Ranges += len(one.Ranges)
	}
}

// named finds ports by name: of ingress the subject's, of egress the peer's, and
// of an address none.
func (s *set) named(k *known) named {
	switch {
	case s.direction == state.Ingress:
		return func(name string, protocol uint8) uint16 {
			return identity.PortOf(identity.Ports(s.ports, name), protocolName(protocol))
		}
	case k == nil:
		return func(string, uint8) uint16 { return 0 }
	}
	return of(k.Identity)
}

// state is the set as hosts hold it.
func (s *set) state() state.PolicySet {
	return state.PolicySet{
		Name: s.name, Direction: s.direction, Revision: s.revision,
		Peers: copied(s.peers), Prefixes: copied(s.prefixes), Default: s.byDefault,
	}
}

// copied is nil when there is nothing, so that equal states are deeply equal.
func copied[T any](all []T) []T {
	if len(all) == 0 {
		return nil
	}
	return slices.Clone(all)
}
