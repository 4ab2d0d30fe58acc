// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"testing"

	. "github.com/onsi/gomega"
)

// semantics is the checklist of NetworkPolicy: what each policy makes of flows. The
// names are those of the rows in the acceptance list.
var semantics = []struct {
	id       string
	policies []string
	accept   []string
	deny     []string
}{
	{id: "NP-01 no policy", accept: []string{"x/a > x/b tcp 80", "1.2.3.4 > x/a udp 53", "x/a > 1.2.3.4 icmp"}},
	{id: "NP-02 isolation is per pod and per direction", policies: []string{"x/p: {podSelector: {matchLabels: {pod: a}}, policyTypes: [Ingress]}"},
		accept: []string{"x/a > x/b tcp 80", "x/b > x/c tcp 80", "y/a > x/b tcp 80"}, deny: []string{"x/b > x/a tcp 80", "9.9.9.9 > x/a tcp 80"}},
	{id: "NP-03 an empty subject is its own namespace", policies: []string{"x/p: {podSelector: {}}"},
		accept: []string{"x/a > y/a tcp 80", "x/b > z/c udp 9"}, deny: []string{"y/a > x/a tcp 80", "y/a > x/b tcp 80", "y/a > x/c tcp 80"}},
	{id: "NP-03 an omitted subject is the same", policies: []string{"x/p: {ingress: []}"},
		accept: []string{"x/a > y/a tcp 80"}, deny: []string{"y/a > x/a tcp 80", "x/a > x/c tcp 80"}},
	{id: "NP-04 a policy that selects nobody", policies: []string{"x/p: {podSelector: {matchLabels: {pod: q}}}"},
		accept: []string{"y/a > x/a tcp 80"}},
	{id: "NP-05 types omitted, no egress rules", policies: []string{"x/p: {podSelector: {}}"},
		accept: []string{"x/a > y/a tcp 80"}, deny: []string{"y/a > x/a tcp 80"}},
	{id: "NP-06 types omitted, egress rules", policies: []string{"x/p: {podSelector: {}, egress: [{to: [{podSelector: {}}]}]}"},
		accept: []string{}, deny: []string{"y/a > x/a tcp 80", "x/a > y/a tcp 80", "x/a > x/b tcp 80"}},
	{id: "NP-07 types omitted, egress empty", policies: []string{"x/p: {podSelector: {}, egress: []}"},
		accept: []string{"x/a > y/a tcp 80"}, deny: []string{"y/a > x/a tcp 80"}},
	{id: "NP-08 egress with ingress rules", policies: []string{"x/p: {podSelector: {}, policyTypes: [Egress], ingress: [{ports: [{port: 1}]}]}"},
		accept: []string{"y/a > x/a tcp 80"}, deny: []string{"x/a > y/a tcp 80"}},
	{id: "NP-09 egress without rules", policies: []string{"x/p: {podSelector: {}, policyTypes: [Egress]}"},
		accept: []string{"y/a > x/a tcp 80"}, deny: []string{"x/a > y/a tcp 80", "x/a > 8.8.8.8 udp 53", "x/a > y/a icmp"}},
	{id: "NP-10 both without rules", policies: []string{"x/p: {podSelector: {}, policyTypes: [Ingress, Egress]}"},
		deny: []string{"x/a > y/a tcp 80", "y/a > x/a tcp 80"}},
	{id: "NP-11 an empty ingress rule", policies: []string{"x/p: {podSelector: {}, ingress: [{}]}"},
		accept: []string{"y/a > x/a tcp 80", "1.2.3.4 > x/a sctp 9", "2001:db8::1 > x/a icmp", "y/a > x/a gre"}},
	{id: "NP-12 an empty egress rule", policies: []string{"x/p: {podSelector: {}, policyTypes: [Egress], egress: [{}]}"},
		accept: []string{"x/a > y/a tcp 80", "x/a > 1.2.3.4 sctp 9", "x/a > 2001:db8::1 icmp"}},
	{id: "NP-13 a union", policies: []string{
		"x/p: {podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}]}",
		"x/q: {podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{podSelector: {matchLabels: {pod: c}}}]}]}"},
		accept: []string{"x/b > x/a tcp 80", "x/c > x/a tcp 80", "x/b > x/c tcp 80"}, deny: []string{"y/b > x/a tcp 80", "x/c > x/b tcp 80"}},
	{id: "NP-14 allow all beside deny all", policies: []string{"x/p: {podSelector: {}}", "x/q: {podSelector: {}, ingress: [{}]}"},
		accept: []string{"y/a > x/a tcp 80", "1.1.1.1 > x/a udp 1"}},
	{id: "NP-16 egress and ingress", policies: []string{
		"x/p: {podSelector: {matchLabels: {pod: a}}, policyTypes: [Egress], egress: [{ports: [{port: 80}, {port: 81}]}]}",
		"y/q: {podSelector: {}, ingress: [{ports: [{port: 80}, {port: 82}]}]}"},
		accept: []string{"x/a > y/a tcp 80", "x/a > z/a tcp 81", "x/b > y/a tcp 82"}, deny: []string{"x/a > y/a tcp 81", "x/a > y/a tcp 82"}},
	{id: "NP-17 isolated to an open one", policies: []string{"x/p: {podSelector: {}, policyTypes: [Egress]}"},
		accept: []string{"y/a > x/a tcp 1"}, deny: []string{"x/a > y/a tcp 1"}},

	{id: "NP-20 from is missing or empty", policies: []string{"x/p: {podSelector: {}, ingress: [{from: [], ports: [{port: 80}]}]}", "y/p: {podSelector: {}, ingress: [{ports: [{port: 80}]}]}"},
		accept: []string{"y/a > x/a tcp 80", "1.2.3.4 > x/a tcp 80", "2001:db8::1 > x/a tcp 80", "1.2.3.4 > y/a tcp 80"}, deny: []string{"y/a > x/a tcp 81", "1.2.3.4 > y/a udp 80"}},
	{id: "NP-21 all pods of the own namespace", policies: []string{"x/p: {podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}"},
		accept: []string{"x/b > x/a tcp 80"}, deny: []string{"y/b > x/a tcp 80", "1.2.3.4 > x/a tcp 80"}},
	{id: "NP-22 all namespaces", policies: []string{"x/p: {podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}"},
		accept: []string{"x/b > x/a tcp 80", "y/b > x/a tcp 80"}, deny: []string{"1.2.3.4 > x/a tcp 80"}},
	{id: "NP-23 a pod selector alone", policies: []string{"x/p: {podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}]}"},
		accept: []string{"x/b > x/a tcp 80"}, deny: []string{"y/b > x/a tcp 80", "x/c > x/a tcp 80"}},
	{id: "NP-24 and", policies: []string{"x/p: {podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {pod: b}}, namespaceSelector: {matchLabels: {ns: y}}}]}]}"},
		accept: []string{"y/b > x/a tcp 80"}, deny: []string{"x/b > x/a tcp 80", "y/a > x/a tcp 80"}},
	{id: "NP-24 or", policies: []string{"x/p: {podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}, {namespaceSelector: {matchLabels: {ns: y}}}]}]}"},
		accept: []string{"y/b > x/a tcp 80", "x/b > x/a tcp 80", "y/a > x/a tcp 80"}, deny: []string{"z/b > x/a tcp 80"}},
	{id: "NP-25 In", policies: []string{"x/p: {podSelector: {}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchExpressions: [{key: pod, operator: In, values: [b, c]}]}}]}]}"},
		accept: []string{"y/b > x/a tcp 80", "z/c > x/a tcp 80"}, deny: []string{"y/a > x/a tcp 80"}},
	{id: "NP-25 NotIn matches what has no such key", policies: []string{
		"x/p: {podSelector: {matchExpressions: [{key: tier, operator: NotIn, values: [web]}]}, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: [a]}]}, podSelector: {matchExpressions: [{key: pod, operator: NotIn, values: [c]}]}}]}]}"},
		accept: []string{"y/b > x/a tcp 80"}, deny: []string{"y/c > x/a tcp 80", "1.2.3.4 > x/a tcp 80"}},
	{id: "NP-25 Exists", policies: []string{"x/p: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: ns, operator: Exists}]}, podSelector: {matchExpressions: [{key: tier, operator: Exists}]}}]}]}"},
		deny: []string{"y/a > x/a tcp 80"}},
	{id: "NP-25 DoesNotExist", policies: []string{"x/p: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: ns, operator: Exists}]}, podSelector: {matchExpressions: [{key: tier, operator: DoesNotExist}]}}]}]}"},
		accept: []string{"y/a > x/a tcp 80"}},
	{id: "NP-26 labels and expressions", policies: []string{"x/p: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}, matchExpressions: [{key: ns, operator: NotIn, values: [z]}]}, podSelector: {matchLabels: {pod: a}, matchExpressions: [{key: pod, operator: NotIn, values: [a]}]}}, {podSelector: {matchLabels: {pod: b}, matchExpressions: [{key: pod, operator: Exists}]}}]}]}"},
		accept: []string{"x/b > x/a tcp 1"}, deny: []string{"y/a > x/a tcp 80", "y/b > x/a tcp 80"}},
	{id: "NP-27 a namespace by its name", policies: []string{"x/p: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: z}}}, {namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [z, nowhere]}]}}]}]}"},
		accept: []string{"z/a > x/a tcp 1"}, deny: []string{"y/a > x/a tcp 1", "x/a > x/b tcp 1"}},
	{id: "NP-29 both families of a pod", policies: []string{"x/p: {podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}, {ipBlock: {cidr: 'fd00::2:0/112'}}]}]}"},
		accept: []string{"x/b > x/a tcp 1", "x/b > x/a tcp6 1", "y/a > x/a tcp6 1"}, deny: []string{"y/a > x/a tcp 1", "z/a > x/a tcp6 1"}},
	{id: "NP-30 blocks of both families", policies: []string{"x/p: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 192.0.2.0/24}}, {ipBlock: {cidr: '2001:db8::/32'}}]}]}"},
		accept: []string{"192.0.2.9 > x/a tcp 1", "2001:db8::9 > x/a tcp 1"}, deny: []string{"192.0.3.9 > x/a tcp 1", "2001:db9::9 > x/a tcp 1"}},
	{id: "NP-31 all of IPv4 is not IPv6", policies: []string{"x/p: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}"},
		accept: []string{"192.0.2.9 > x/a tcp 1", "y/a > x/a tcp 1"}, deny: []string{"2001:db8::9 > x/a tcp 1", "y/a > x/a tcp6 1"}},
	{id: "NP-32 the longest, the shortest, and host bits", policies: []string{"x/p: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 192.0.2.7/32}}, {ipBlock: {cidr: 198.51.100.77/24}}]}]}", "y/p: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: '::/0'}}]}]}"},
		accept: []string{"192.0.2.7 > x/a tcp 1", "198.51.100.1 > x/a tcp 1", "2001:db8::1 > y/a tcp 1"}, deny: []string{"192.0.2.8 > x/a tcp 1", "198.51.101.77 > x/a tcp 1", "1.1.1.1 > y/a tcp 1"}},
	{id: "NP-33 an exception is of its block alone", policies: []string{"x/p: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.9.0.0/16]}}, {ipBlock: {cidr: 10.9.9.0/24}}]}]}"},
		accept: []string{"10.8.0.1 > x/a tcp 1", "10.9.9.1 > x/a tcp 1"}, deny: []string{"10.9.8.1 > x/a tcp 1", "11.0.0.1 > x/a tcp 1"}},
	{id: "NP-34 exceptions", policies: []string{
		"x/p: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.9.0.0/16, 10.8.0.1/32, 10.9.1.0/24]}}]}]}",
		"y/p: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}]}"},
		accept: []string{"10.8.0.2 > x/a tcp 1", "10.7.0.1 > x/a tcp 1"}, deny: []string{"10.8.0.1 > x/a tcp 1", "10.9.7.1 > x/a tcp 1", "10.9.1.1 > x/a tcp 1", "10.1.1.1 > y/a tcp 1", "x/a > y/a tcp 1"}},
	{id: "NP-35 an exception of one peer that another has", policies: []string{"x/p: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}, {ipBlock: {cidr: 10.1.0.0/16, except: [10.1.5.0/24]}}]}]}"},
		accept: []string{"10.1.2.3 > x/a tcp 1", "10.2.0.1 > x/a tcp 1"}, deny: []string{"10.1.5.1 > x/a tcp 1"}},
	{id: "NP-35 an excepted pod that a selector has", policies: []string{"x/p: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.2.0/24]}}, {namespaceSelector: {matchLabels: {ns: y}}, podSelector: {matchLabels: {pod: b}}}]}]}"},
		accept: []string{"y/b > x/a tcp 1", "z/a > x/a tcp 1"}, deny: []string{"y/a > x/a tcp 1"}},
	{id: "NP-36 a longer prefix inherits", policies: []string{
		"x/p: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: 80}]}, {from: [{ipBlock: {cidr: 10.9.0.0/16}}], ports: [{port: 443}]}]}",
		"x/q: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.9.9.0/24}}], ports: [{port: 22}]}]}"},
		accept: []string{"10.8.0.1 > x/a tcp 80", "10.9.0.1 > x/a tcp 80", "10.9.0.1 > x/a tcp 443", "10.9.9.1 > x/a tcp 80", "10.9.9.1 > x/a tcp 443", "10.9.9.1 > x/a tcp 22"},
		deny:   []string{"10.8.0.1 > x/a tcp 443", "10.9.8.1 > x/a tcp 22"}},
	{id: "NP-37 a block matches pods", policies: []string{"x/p: {podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{from: [{ipBlock: {cidr: 10.0.2.0/24}}]}], egress: [{to: [{ipBlock: {cidr: 10.0.3.1/32}}]}]}"},
		accept: []string{"y/a > x/a tcp 1", "x/a > z/a tcp 1"}, deny: []string{"z/a > x/a tcp 1", "x/a > z/b tcp 1"}},
	{id: "NP-38 a block matches hosts", policies: []string{"x/p: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 192.0.2.2/32}}]}]}"},
		accept: []string{"192.0.2.2 > x/a tcp 1"}, deny: []string{"192.0.2.1 > x/a tcp 1"}},
	{id: "NP-44 ports and peers are of one rule", policies: []string{"x/p: {podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}], ports: [{port: 80}]}, {from: [{podSelector: {matchLabels: {pod: c}}}], ports: [{port: 443}]}, {from: [{ipBlock: {cidr: 1.0.0.0/8}}], ports: [{port: 80}]}, {from: [{ipBlock: {cidr: 2.0.0.0/8}}], ports: [{port: 443}]}]}"},
		accept: []string{"x/b > x/a tcp 80", "x/c > x/a tcp 443", "1.1.1.1 > x/a tcp 80", "2.1.1.1 > x/a tcp 443"}, deny: []string{"x/b > x/a tcp 443", "x/c > x/a tcp 80", "1.1.1.1 > x/a tcp 443", "2.1.1.1 > x/a tcp 80"}},
	{id: "NP-45 no ports are all, several are any", policies: []string{"x/p: {podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}, {from: [{podSelector: {matchLabels: {pod: c}}}], ports: [{port: 80}, {port: 81, protocol: UDP}]}]}"},
		accept: []string{"x/b > x/a tcp 1", "x/b > x/a udp 2", "x/b > x/a sctp 3", "x/b > x/a icmp", "x/b > x/a gre", "x/c > x/a tcp 80", "x/c > x/a udp 81"}, deny: []string{"x/c > x/a tcp 81", "x/c > x/a udp 80", "x/c > x/a icmp"}},
	{id: "NP-46 the same twice", policies: []string{"x/p: {podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}, {podSelector: {matchLabels: {pod: b}}}, {ipBlock: {cidr: 1.0.0.0/8}}, {ipBlock: {cidr: 1.0.0.0/8}}], ports: [{port: 80}, {port: 80}]}, {from: [{podSelector: {matchLabels: {pod: b}}}], ports: [{port: 80}]}]}"},
		accept: []string{"x/b > x/a tcp 80", "1.1.1.1 > x/a tcp 80"}, deny: []string{"x/b > x/a tcp 81", "x/c > x/a tcp 80"}},

	{id: "NP-50 the protocol is TCP", policies: []string{"x/p: {podSelector: {}, ingress: [{ports: [{port: 80}]}]}"},
		accept: []string{"x/b > x/a tcp 80"}, deny: []string{"x/b > x/a udp 80", "x/b > x/a sctp 80"}},
	{id: "NP-51 UDP is not TCP", policies: []string{"x/p: {podSelector: {}, ingress: [{ports: [{port: 80, protocol: UDP}]}]}"},
		accept: []string{"x/b > x/a udp 80"}, deny: []string{"x/b > x/a tcp 80"}},
	{id: "NP-52 SCTP", policies: []string{"x/p: {podSelector: {}, ingress: [{ports: [{port: 80, protocol: SCTP}]}]}", "y/p: {podSelector: {}, ingress: [{ports: [{protocol: SCTP}]}]}"},
		accept: []string{"x/b > x/a sctp 80", "x/b > y/a sctp 1"}, deny: []string{"x/b > x/a sctp 81", "x/b > y/a tcp 1"}},
	{id: "NP-53 a protocol without a port", policies: []string{"x/p: {podSelector: {}, ingress: [{ports: [{protocol: UDP}]}]}", "y/p: {podSelector: {}, ingress: [{ports: [{}]}]}"},
		accept: []string{"x/b > x/a udp 1", "x/b > x/a udp 65535", "x/b > y/a tcp 65535"}, deny: []string{"x/b > x/a tcp 1", "x/b > x/a icmp", "x/b > y/a udp 1"}},
	{id: "NP-54 ranges", policies: []string{"x/p: {podSelector: {}, ingress: [{ports: [{port: 80, endPort: 90}, {port: 91, endPort: 91}, {port: 100, endPort: 110}, {port: 105}]}]}", "y/p: {podSelector: {}, ingress: [{ports: [{port: 1, endPort: 65535}]}]}"},
		accept: []string{"x/b > x/a tcp 80", "x/b > x/a tcp 85", "x/b > x/a tcp 90", "x/b > x/a tcp 91", "x/b > x/a tcp 100", "x/b > x/a tcp 105", "x/b > x/a tcp 110", "x/b > y/a tcp 1", "x/b > y/a tcp 65535"}},
	{id: "NP-56 beside ranges", policies: []string{"x/p: {podSelector: {}, ingress: [{ports: [{port: 80, endPort: 90}]}]}", "y/p: {podSelector: {}, ingress: [{ports: [{port: 65535}, {port: 1}]}]}"},
		accept: []string{"x/b > y/a tcp 1", "x/b > y/a tcp 65535"}, deny: []string{"x/b > x/a tcp 79", "x/b > x/a tcp 91", "x/b > x/a udp 85", "x/b > y/a tcp 2", "x/b > y/a tcp 65534"}},
	{id: "NP-57 ICMP", policies: []string{"x/p: {podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}, {ports: [{protocol: TCP}, {protocol: UDP}, {protocol: SCTP}]}]}"},
		accept: []string{"x/b > x/a icmp", "x/b > x/a icmp6", "x/c > x/a tcp 1"}, deny: []string{"x/c > x/a icmp", "x/c > x/a icmp6"}},
	{id: "NP-59 unknown protocols", policies: []string{"x/p: {podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}, {ports: [{protocol: TCP}]}]}"},
		accept: []string{"x/b > x/a gre"}, deny: []string{"x/c > x/a gre"}},
	{id: "NP-60 named ports of ingress are the subject's", policies: []string{"x/p: {podSelector: {}, ingress: [{ports: [{port: http}]}]}"},
		accept: []string{"y/a > x/a tcp 8080", "y/a > x/b tcp 80"}, deny: []string{"y/a > x/a tcp 80", "y/a > x/b tcp 8080", "y/a > x/a tcp 8081"}},
	{id: "NP-61 one name in two protocols", policies: []string{"x/p: {podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}], ports: [{port: dns}]}, {from: [{podSelector: {matchLabels: {pod: c}}}], ports: [{port: dns, protocol: UDP}]}]}"},
		accept: []string{"x/b > x/a tcp 5353", "x/c > x/a udp 53"}, deny: []string{"x/b > x/a udp 53", "x/b > x/a tcp 53", "x/c > x/a tcp 5353", "x/c > x/a udp 5353"}},
	{id: "NP-62 a name that the pod has not", policies: []string{"x/p: {podSelector: {}, ingress: [{ports: [{port: https}, {port: http, protocol: SCTP}]}]}"},
		deny: []string{"x/b > x/a tcp 8080", "x/b > x/c tcp 80", "x/b > x/a tcp 443", "x/b > x/a sctp 8080", "x/b > x/a tcp 0"}},
	{id: "NP-63 named ports of egress are each destination's", policies: []string{"x/p: {podSelector: {matchLabels: {pod: c}}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}, {ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: http}]}]}"},
		accept: []string{"x/c > x/a tcp 8080", "x/c > x/b tcp 80", "x/c > y/a tcp 8081"}, deny: []string{"x/c > x/a tcp 80", "x/c > y/b tcp 80", "x/c > y/a tcp 80", "x/c > 1.2.3.4 tcp 80"}},
	{id: "NP-64 a named port of egress to anyone", policies: []string{"x/p: {podSelector: {matchLabels: {pod: c}}, policyTypes: [Egress], egress: [{ports: [{port: http}, {port: 22}]}]}"},
		accept: []string{"x/c > x/a tcp 8080", "x/c > x/b tcp 80", "x/c > y/a tcp 8081", "x/c > 1.2.3.4 tcp 22", "x/c > z/c tcp 22"}, deny: []string{"x/c > x/a tcp 80", "x/c > z/c tcp 80", "x/c > 1.2.3.4 tcp 80"}},
}

func TestSemantics(t *testing.T) {
	for _, c := range semantics {
		t.Run(c.id, func(t *testing.T) {
			g := NewWithT(t)
			set, err := withPolicies(c.policies...)
			g.Expect(err).NotTo(HaveOccurred())
			w := newWorld(set)
			g.Expect(w.compiler.Conditions()).To(BeEmpty())
			for want, flows := range map[string][]string{"accept": c.accept, "deny": c.deny} {
				for _, f := range flows {
					got, rule := w.verdict(flowOf(f))
					g.Expect(got.String()).To(Equal(want), "%s (%s)", f, rule)
				}
			}
		})
	}
}
