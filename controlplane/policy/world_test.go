// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/mizar-net/mizar/controlplane/identity"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/policy"
	"github.com/mizar-net/mizar/dataplane/state"
)

// world is a network as hosts hold it: a judge that does what the datapath does
// with the tables, and knows nothing of policies.
type world struct {
	set      object.Set
	book     *identity.Book
	compiler *policy.Compiler
	hosts    map[string]state.Policy
}

func newWorld(set object.Set) *world {
	book := identity.Fresh(set)
	w := &world{set: set, book: book, compiler: policy.Compile(set, book), hosts: map[string]state.Policy{}}
	for _, h := range set.Hosts {
		w.hosts[h.Name] = w.compiler.Host(h.Name)
	}
	return w
}

// party is one end of a flow: an endpoint, or an address of nobody's.
type party struct {
	endpoint object.Endpoint
	addr     netip.Addr
	identity uint32
}

func (w *world) party(name string, family int) party {
	if addr, err := netip.ParseAddr(name); err == nil {
		return party{addr: addr}
	}
	e, ok := w.set.Endpoint(name)
	if !ok {
		panic("no endpoint " + name)
	}
	p := party{endpoint: e, identity: w.book.Numbers[e.Key()]}
	for _, a := range e.Addresses {
		if a.Is4() == (family == 4) {
			p.addr = a
		}
	}
	return p
}

// judged is what the tables say of a flow in one direction of an endpoint.
func (w *world) judged(d state.Direction, e object.Endpoint, peer party, protocol uint8, port uint16) state.Judgement {
	ingress, egress := w.compiler.Sets(e.Key())
	name := map[state.Direction]string{state.Ingress: ingress, state.Egress: egress}[d]
	if name == "" {
		return state.Judgement{Verdict: state.Accept}
	}
	p := w.hosts[e.Host]
	at := slices.IndexFunc(p.Sets, func(s state.PolicySet) bool { return s.Name == name })
	s := p.Sets[at]
	if s.Direction != d {
		panic("a set of the other direction")
	}
	best, found := s.Default, false
	consider := func(class string) {
		if j, ok := inClass(p, class, protocol, port); ok && (!found || j.Rank < best.Rank) {
			best, found = j, true
		}
	}
	for _, one := range s.Peers {
		if one.Identity == peer.identity {
			consider(one.Class)
		}
	}
	var longest *state.PolicyPrefix
	for i, one := range s.Prefixes {
		if one.Prefix.Contains(peer.addr) && (longest == nil || one.Prefix.Bits() > longest.Prefix.Bits()) {
			longest = &s.Prefixes[i]
		}
	}
	if longest != nil {
		consider(longest.Class)
	}
	return best
}

func inClass(p state.Policy, name string, protocol uint8, port uint16) (state.Judgement, bool) {
	at := slices.IndexFunc(p.Classes, func(c state.PortClass) bool { return c.Name == name })
	if at < 0 {
		panic("no class " + name)
	}
	for _, any := range []bool{false, true} {
		for _, r := range p.Classes[at].Ranges {
			if (r.Protocol == 0) == any && (any || r.Protocol == protocol) && r.First <= port && port <= r.Last {
				return r.Judgement, true
			}
		}
	}
	return state.Judgement{}, false
}

// flow is "x/a > x/b tcp 80": who opens a flow to whom.
type flow struct {
	from, to string
	protocol uint8
	port     uint16
	family   int
}

var protocols = map[string]uint8{"icmp": 1, "tcp": 6, "udp": 17, "gre": 47, "sctp": 132}

// flowOf reads a flow; "tcp6" is over IPv6.
func flowOf(text string) flow {
	w := strings.Fields(text)
	f := flow{from: w[0], to: w[2], family: 4}
	name, six := strings.CutSuffix(w[3], "6")
	if six || strings.Contains(w[0], ":") || strings.Contains(w[2], ":") {
		f.family = 6
	}
	f.protocol = protocols[name]
	if f.protocol == 0 {
		panic("no protocol " + w[3])
	}
	if f.protocol == 1 && f.family == 6 {
		f.protocol = 58
	}
	if len(w) > 4 {
		port, err := strconv.ParseUint(w[4], 10, 16)
		if err != nil {
			panic(err)
		}
		f.port = uint16(port)
	}
	return f
}

// verdict is "accept", "audit" or "deny", and by whom.
func (w *world) verdict(f flow) (state.Verdict, string) {
	from, to := w.party(f.from, f.family), w.party(f.to, f.family)
	out, rule := state.Accept, ""
	if from.endpoint.Name != "" {
		j := w.judged(state.Egress, from.endpoint, to, f.protocol, f.port)
		out, rule = j.Verdict, j.Rule
	}
	if to.endpoint.Name != "" && out != state.Deny {
		j := w.judged(state.Ingress, to.endpoint, from, f.protocol, f.port)
		if j.Verdict != state.Accept || rule == "" {
			out, rule = j.Verdict, j.Rule
		}
	}
	return out, rule
}

// Nine pods as Cyclonus has them: a, b and c in each of x, y and z, with labels pod
// and ns, both families, on two hosts; a of x has ports by name.
func pods() object.Draft {
	d := object.Draft{
		Hosts: []object.Host{
			{Meta: object.Meta{Name: "h1"}, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}},
			{Meta: object.Meta{Name: "h2"}, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.2")}},
		},
		VPCs: []object.VPC{{Meta: object.Meta{Name: "red"}, VNI: 7}, {Meta: object.Meta{Name: "blue"}, VNI: 8}},
		Subnets: []object.Subnet{
			{Meta: object.Meta{Name: "s"}, VPC: "red", CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("fd00::/64")}},
			{Meta: object.Meta{Name: "t"}, VPC: "blue", CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("fd00::/64")}},
		},
	}
	for n, ns := range []string{"x", "y", "z"} {
		d.Namespaces = append(d.Namespaces, object.Namespace{Meta: object.Meta{Name: ns, Labels: map[string]string{"ns": ns}}})
		for i, pod := range []string{"a", "b", "c"} {
			d.Endpoints = append(d.Endpoints, object.Endpoint{
				Meta:   object.Meta{Name: pod, Namespace: ns, Labels: map[string]string{"pod": pod}},
				Subnet: "s", Host: fmt.Sprintf("h%d", 1+(n+i)%2),
				Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, byte(n + 1), byte(i + 1)}), netip.MustParseAddr(fmt.Sprintf("fd00::%d:%d", n+1, i+1))},
			})
		}
	}
	d.Endpoints[0].Ports = []object.Port{
		{Name: "http", Number: 8080, Protocol: "TCP"}, {Name: "dns", Number: 53, Protocol: "UDP"}, {Name: "dns", Number: 5353, Protocol: "TCP"},
	}
	d.Endpoints[1].Ports = []object.Port{{Name: "http", Number: 80, Protocol: "TCP"}}
	d.Endpoints[3].Ports = []object.Port{{Name: "http", Number: 8081, Protocol: "TCP"}}
	return d
}

// withPolicies are the pods with policies, "namespace/name: spec" in YAML's flow
// style.
func withPolicies(policies ...string) (object.Set, error) {
	d := pods()
	for i, p := range policies {
		name, spec, _ := strings.Cut(p, ": ")
		ns, name, _ := strings.Cut(name, "/")
		text := fmt.Sprintf("{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: %s, namespace: %s}, spec: %s}", name, ns, spec)
		more, err := object.Decode(fmt.Sprintf("policy %d", i), []byte(text))
		if err != nil {
			return object.Set{}, err
		}
		d.Add(more)
	}
	return object.New(d)
}
