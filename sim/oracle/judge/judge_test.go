// SPDX-License-Identifier: Apache-2.0

package judge_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"go.yaml.in/yaml/v3"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/oracle/judge"
)

// decode reads a policy as the API server would, without its defaults.
func decode(t *testing.T, text string) judge.Policy {
	t.Helper()
	var raw map[string]any
	if err := yaml.Unmarshal([]byte(text), &raw); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	b, err := json.Marshal(raw)
	if err != nil {
		t.Fatal(err)
	}
	p := judge.Policy{Namespace: "x", Name: "p"}
	if err := json.Unmarshal(b, &p.Spec); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return p
}

// place is an endpoint of the world of these tests, and its address.
type place struct {
	judge.Party
	addr netip.Addr
}

// places are three endpoints in each of three namespaces, "x/a" to "z/c", and a
// host. The namespace x has no labels of its own. Each endpoint has a port "serve",
// 80, and another one that only TCP of x/a and UDP of y/b have.
func places() map[string]place {
	all := map[string]place{"host": {judge.Party{Namespace: "host", Host: true}, netip.MustParseAddr("10.0.9.1")}}
	for i, namespace := range []string{"x", "y", "z"} {
		labels := map[string]string{"ns": namespace}
		if namespace == "x" {
			labels = nil
		}
		for j, pod := range []string{"a", "b", "c"} {
			p := judge.Party{
				Namespace: namespace, Labels: map[string]string{"pod": pod}, NamespaceLabels: labels,
				Ports: []judge.Port{{Name: "serve", Number: uint16(80 + j), Protocol: judge.TCP}},
			}
			all[namespace+"/"+pod] = place{p, netip.MustParseAddr(fmt.Sprintf("10.0.%d.%d", i, j+2))}
		}
	}
	a := all["x/a"]
	a.Ports = append(a.Ports, judge.Port{Name: "other", Number: 81, Protocol: judge.UDP})
	all["x/a"] = a
	return all
}

// ask is what policies say of the other end of x/a: "y/b tcp/80", "1.2.3.4 icmp".
func ask(t *testing.T, d state.Direction, words string, policies ...judge.Policy) judge.Answer {
	t.Helper()
	peer, what, _ := strings.Cut(words, " ")
	q := judge.Question{Subject: places()["x/a"].Party, Direction: d}
	if p, ok := places()[peer]; ok {
		q.Peer, q.Addr = &p.Party, p.addr
	} else {
		q.Addr = netip.MustParseAddr(peer)
	}
	protocol, port, _ := strings.Cut(what, "/")
	q.Protocol = map[string]uint8{"icmp": 1, "gre": 47, "tcp": judge.TCP, "udp": judge.UDP, "sctp": judge.SCTP}[protocol]
	if q.Protocol == 0 {
		t.Fatalf("no protocol in %q", words)
	}
	_, _ = fmt.Sscan(port, &q.Port)
	return judge.Judge(policies, q)
}

// Each case is a policy of namespace x for all of its endpoints, and what may reach
// x/a (or, with "egress", what x/a may reach); all else in the list may not.
func TestWhatThePolicySays(t *testing.T) {
	for _, c := range []struct {
		name, policy   string
		direction      state.Direction
		accept, refuse []string
	}{
		{"NP-05: without policyTypes it is about ingress", `{podSelector: {}}`, state.Ingress,
			nil, []string{"x/b tcp/80", "9.9.9.9 udp/53", "x/b icmp"}},
		{"NP-05: and not about egress", `{podSelector: {}}`, state.Egress,
			[]string{"x/b tcp/80", "9.9.9.9 udp/53"}, nil},
		{"NP-06: with a rule of egress it is about both", `{egress: [{}]}`, state.Ingress, nil, []string{"x/b tcp/80"}},
		{"NP-06: and egress is as the rule says", `{egress: [{to: [{podSelector: {}}]}]}`, state.Egress,
			[]string{"x/b tcp/80"}, []string{"y/b tcp/80"}},
		{"NP-07: an empty list of egress is no rule", `{egress: []}`, state.Egress, []string{"x/b tcp/80"}, nil},
		{"NP-08: rules of a direction that it is not about are nothing", `{policyTypes: [Egress], ingress: [{}]}`, state.Ingress,
			[]string{"x/b tcp/80"}, nil},
		{"NP-09: Egress alone, without rules, denies it", `{policyTypes: [Egress]}`, state.Egress, nil, []string{"x/b tcp/80", "x/b icmp"}},
		{"NP-10: both, without rules", `{policyTypes: [Ingress, Egress]}`, state.Ingress, nil, []string{"x/b tcp/80"}},
		{"NP-11: an empty rule grants all", `{ingress: [{}]}`, state.Ingress,
			[]string{"x/b tcp/80", "9.9.9.9 sctp/7", "host icmp", "x/b gre"}, nil},
		{"NP-20: no from is everybody", `{ingress: [{ports: [{port: 80}]}]}`, state.Ingress,
			[]string{"z/c tcp/80", "9.9.9.9 tcp/80"}, []string{"z/c tcp/81", "z/c udp/80", "z/c icmp"}},
		{"NP-21: all of the own namespace", `{ingress: [{from: [{podSelector: {}}]}]}`, state.Ingress,
			[]string{"x/b tcp/80", "x/b icmp"}, []string{"y/b tcp/80", "9.9.9.9 tcp/80", "host tcp/80"}},
		{"NP-22: all of all namespaces, and nobody else", `{ingress: [{from: [{namespaceSelector: {}}]}]}`, state.Ingress,
			[]string{"x/b tcp/80", "z/b udp/9"}, []string{"9.9.9.9 tcp/80", "host tcp/80"}},
		{"NP-24: both selectors of one entry", `{ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}, podSelector: {matchLabels: {pod: b}}}]}]}`, state.Ingress,
			[]string{"y/b tcp/80"}, []string{"y/a tcp/80", "x/b tcp/80", "z/b tcp/80"}},
		{"NP-24: two entries", `{ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}}, {podSelector: {matchLabels: {pod: b}}}]}]}`, state.Ingress,
			[]string{"y/b tcp/80", "y/a tcp/80", "x/b tcp/80"}, []string{"z/b tcp/80", "x/c tcp/80"}},
		{"NP-25: In", `{ingress: [{from: [{podSelector: {matchExpressions: [{key: pod, operator: In, values: [b, c]}]}}]}]}`, state.Ingress,
			[]string{"x/b tcp/80", "x/c tcp/80"}, []string{"x/a tcp/80", "y/b tcp/80"}},
		{"NP-25: NotIn is so where there is no such label", `{ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: ns, operator: NotIn, values: [y]}]}}]}]}`, state.Ingress,
			[]string{"x/b tcp/80", "z/b tcp/80"}, []string{"y/b tcp/80"}},
		{"NP-25: Exists", `{ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: ns, operator: Exists}]}}]}]}`, state.Ingress,
			[]string{"y/b tcp/80"}, []string{"x/b tcp/80"}},
		{"NP-25: DoesNotExist", `{ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: ns, operator: DoesNotExist}]}}]}]}`, state.Ingress,
			[]string{"x/b tcp/80"}, []string{"y/b tcp/80"}},
		{"NP-26: labels and expressions", `{ingress: [{from: [{podSelector: {matchLabels: {pod: b}, matchExpressions: [{key: pod, operator: NotIn, values: [b]}]}}]}]}`, state.Ingress,
			nil, []string{"x/b tcp/80"}},
		{"NP-27: a namespace by its name", `{ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: z}}}]}]}`, state.Ingress,
			[]string{"z/a tcp/80"}, []string{"x/b tcp/80"}},
		{"NP-31: all of IPv4 is none of IPv6", `{ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}`, state.Ingress,
			[]string{"9.9.9.9 tcp/80"}, []string{"2001:db8::1 tcp/80"}},
		{"NP-30: and the other way", `{ingress: [{from: [{ipBlock: {cidr: "::/0"}}]}]}`, state.Ingress,
			[]string{"2001:db8::1 tcp/80"}, []string{"9.9.9.9 tcp/80"}},
		{"NP-32: host bits do not matter", `{ingress: [{from: [{ipBlock: {cidr: 9.9.9.9/24}}]}]}`, state.Ingress,
			[]string{"9.9.9.1 tcp/80"}, []string{"9.9.8.9 tcp/80"}},
		{"NP-34: except is the whole", `{ingress: [{from: [{ipBlock: {cidr: 9.9.9.0/24, except: [9.9.9.0/24]}}]}]}`, state.Ingress,
			nil, []string{"9.9.9.1 tcp/80"}},
		{"NP-35: an exception is one of its own block alone", `{ingress: [{from: [{ipBlock: {cidr: 9.0.0.0/8, except: [9.1.0.0/16]}}, {ipBlock: {cidr: 9.1.0.0/16, except: [9.1.5.0/24]}}]}]}`, state.Ingress,
			[]string{"9.1.2.3 tcp/80", "9.2.0.0 tcp/80"}, []string{"9.1.5.1 tcp/80"}},
		{"NP-37: a block of addresses that endpoints have", `{ingress: [{from: [{ipBlock: {cidr: 10.0.1.0/24}}]}]}`, state.Ingress,
			[]string{"y/b tcp/80"}, []string{"z/b tcp/80"}},
		{"NP-38: or a host", `{ingress: [{from: [{ipBlock: {cidr: 10.0.9.0/24}}]}]}`, state.Ingress,
			[]string{"host tcp/80"}, []string{"z/b tcp/80"}},
		{"NP-44: peers and ports of one rule go together", `{ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}], ports: [{port: 80}]}, {from: [{podSelector: {matchLabels: {pod: c}}}], ports: [{port: 443}]}]}`, state.Ingress,
			[]string{"x/b tcp/80", "x/c tcp/443"}, []string{"x/b tcp/443", "x/c tcp/80"}},
		{"NP-50: the protocol is TCP unless it says otherwise", `{ingress: [{ports: [{port: 80}, {protocol: SCTP, port: 80}]}]}`, state.Ingress,
			[]string{"x/b tcp/80", "x/b sctp/80"}, []string{"x/b udp/80"}},
		{"NP-53: a protocol without a port", `{ingress: [{ports: [{protocol: UDP}]}]}`, state.Ingress,
			[]string{"x/b udp/1", "x/b udp/65535"}, []string{"x/b tcp/80", "x/b icmp"}},
		{"NP-54: a range has both ends", `{ingress: [{ports: [{port: 80, endPort: 90}]}]}`, state.Ingress,
			[]string{"x/b tcp/80", "x/b tcp/90"}, []string{"x/b tcp/79", "x/b tcp/91"}},
		{"NP-60: a named port of ingress is the subject's", `{ingress: [{ports: [{port: serve}]}]}`, state.Ingress,
			[]string{"x/b tcp/80"}, []string{"x/b tcp/81", "x/b udp/80"}},
		{"NP-61: of that protocol", `{ingress: [{ports: [{port: other, protocol: UDP}]}]}`, state.Ingress,
			[]string{"x/b udp/81"}, []string{"x/b tcp/81"}},
		{"NP-62: a name that it has not got is nothing", `{ingress: [{ports: [{port: nothing}]}]}`, state.Ingress,
			nil, []string{"x/b tcp/80", "x/b tcp/0"}},
		{"NP-63: a named port of egress is the destination's", `{policyTypes: [Egress], egress: [{ports: [{port: serve}]}]}`, state.Egress,
			[]string{"x/a tcp/80", "x/b tcp/81", "y/c tcp/82"}, []string{"x/b tcp/80", "9.9.9.9 tcp/80"}},
		{"NP-63: and an address has no names", `{policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: serve}]}]}`, state.Egress,
			nil, []string{"x/b tcp/81", "9.9.9.9 tcp/80"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			p := decode(t, c.policy)
			for _, words := range c.accept {
				g.Expect(ask(t, c.direction, words, p).Verdict).To(Equal(state.Accept), words)
			}
			for _, words := range c.refuse {
				g.Expect(ask(t, c.direction, words, p)).To(Equal(judge.Answer{
					Verdict: state.Deny, Rules: []string{"x/p isolate " + c.direction.String()},
				}), words)
			}
		})
	}
}

func TestPoliciesOfOneEndpointAreAUnion(t *testing.T) {
	g := NewWithT(t)
	none, all := decode(t, `{}`), decode(t, `{ingress: [{}]}`)
	none.Name, all.Name = "none", "all"
	g.Expect(ask(t, state.Ingress, "x/b tcp/80", none, all)).To(Equal(judge.Answer{Verdict: state.Accept, Rules: []string{"x/all ingress[0]"}}))
	g.Expect(ask(t, state.Ingress, "x/b tcp/80", all, none).Verdict).To(Equal(state.Accept))
	g.Expect(ask(t, state.Ingress, "x/b tcp/80")).To(Equal(judge.Answer{Verdict: state.Accept}))
	elsewhere := none
	elsewhere.Namespace = "y"
	g.Expect(ask(t, state.Ingress, "x/b tcp/80", elsewhere)).To(Equal(judge.Answer{Verdict: state.Accept}))
	others := decode(t, `{podSelector: {matchLabels: {pod: b}}}`)
	g.Expect(ask(t, state.Ingress, "x/b tcp/80", others)).To(Equal(judge.Answer{Verdict: state.Accept}))
}

func TestAuditCountsAndDoesNotEnforce(t *testing.T) {
	g := NewWithT(t)
	none, all := decode(t, `{}`), decode(t, `{ingress: [{}]}`)
	none.Name, none.Audit = "none", true
	g.Expect(ask(t, state.Ingress, "x/b tcp/80", none)).To(Equal(judge.Answer{Verdict: state.Audit, Rules: []string{"x/none isolate ingress"}}))
	all.Name = "all"
	g.Expect(ask(t, state.Ingress, "x/b tcp/80", none, all).Verdict).To(Equal(state.Accept))
	enforced := decode(t, `{}`)
	all.Audit = true
	g.Expect(ask(t, state.Ingress, "x/b tcp/80", enforced, all).Verdict).To(Equal(state.Deny), "what is not enforced grants nothing either")
}

func TestNoPolicySelectsAHost(t *testing.T) {
	g := NewWithT(t)
	p := decode(t, `{}`)
	p.Namespace = "host"
	q := judge.Question{Subject: places()["host"].Party, Direction: state.Ingress, Addr: netip.MustParseAddr("10.0.0.2"), Protocol: judge.TCP, Port: 80}
	g.Expect(judge.Judge([]judge.Policy{p}, q)).To(Equal(judge.Answer{Verdict: state.Accept}))
}
