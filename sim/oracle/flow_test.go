// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/sim/wire"
)

// guarded has endpoints of the namespace x, and of others. h3 bounces the subnet.
const guarded = `
VPC red {vni: 7, default: true, dividers: {hosts: [h4]}}
Subnet a {vpc: red, cidrs: [10.0.0.0/24], bouncers: {hosts: [h3]}}
Endpoint x/a1 {subnet: a, host: h1, addresses: [10.0.0.11]}
Endpoint x/a2 {subnet: a, host: h2, addresses: [10.0.0.12]}
Endpoint x/a1-too {subnet: a, host: h1, addresses: [10.0.0.111]}
Endpoint y/b1 {subnet: a, host: h1, addresses: [10.0.0.21]}
Endpoint y/b2 {subnet: a, host: h2, addresses: [10.0.0.22]}
Endpoint y/b3 {subnet: a, host: h3, addresses: [10.0.0.23]}
`

const (
	noIngress = "NetworkPolicy x/no-ingress {podSelector: {}}\n"
	noEgress  = "NetworkPolicy x/no-egress {podSelector: {}, policyTypes: [Egress]}\n"
	toY       = "NetworkPolicy x/to-y {podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: y}}}], ports: [{port: 80}]}]}\n"
	toBlock   = "NetworkPolicy x/to-block {podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.22/32}}]}]}\n"
)

// tcp is a segment between two ports: "80-1000 syn ack".
func tcp(dst, words string) packet {
	ports, rest, _ := strings.Cut(words, " ")
	p := ported(dst, ports, 6)
	has := func(flag string) bool { return strings.Contains(rest, flag) }
	p.flow.tcp = flags{syn: has("syn"), ack: has("ack"), fin: has("fin"), rst: has("rst")}
	return p
}

func udp(dst, ports string) packet { return ported(dst, ports, 17) }

func ported(dst, ports string, protocol uint8) packet {
	p := to(dst)
	number := func(text string) (n uint16) {
		for _, digit := range text {
			n = n*10 + uint16(digit-'0')
		}
		return n
	}
	from, to, _ := strings.Cut(ports, "-")
	p.flow = tuple{protocol: protocol, from: number(from), to: number(to)}
	return p
}

// addresses of the endpoints in guarded.
const (
	a1, a2, a1too = "10.0.0.11", "10.0.0.12", "10.0.0.111"
	b1, b2, b3    = "10.0.0.21", "10.0.0.22", "10.0.0.23"
)

func TestRepliesPassAndWhatIsNewIsJudged(t *testing.T) {
	for _, c := range []struct {
		name  string
		reply packet
		want  string
	}{
		{"the answer", tcp(a1, "80-1000 syn ack"), "h2 h1"},
		{"any segment of the connection", tcp(a1, "80-1000 ack"), "h2 h1"},
		{"a connection of its own, from the same port", tcp(a1, "80-1000 syn"), "h2 h1 policy_ingress"},
		{"from another port", tcp(a1, "81-1000 ack"), "h2 h1 policy_ingress"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			o := knowing(t, objects(t, guarded+noIngress))
			g.Expect(sent(o, "x/a1", tcp(b2, "1000-80 syn"))).To(Equal("h1 h3 h2"))
			g.Expect(sent(o, "y/b2", c.reply)).To(Equal(c.want))
		})
	}
}

func TestAReplyComesInTimeOrIsNew(t *testing.T) {
	g := NewWithT(t)
	o := knowing(t, objects(t, guarded+noIngress))
	sent(o, "x/a1", udp(b2, "1000-53"))
	o.Advance(idle[opening])
	g.Expect(sent(o, "y/b2", udp(a1, "53-1000"))).To(Equal("h2 h1"))
	o.Advance(idle[established])
	g.Expect(sent(o, "y/b2", udp(a1, "53-1000"))).To(Equal("h2 h1"))
	o.Advance(idle[established] + time.Second)
	g.Expect(sent(o, "y/b2", udp(a1, "53-1000"))).To(HaveSuffix("policy_ingress"))
}

func TestARefusedPacketOpensNothing(t *testing.T) {
	g := NewWithT(t)
	o := knowing(t, objects(t, guarded+noIngress))
	g.Expect(sent(o, "y/b1", udp(a1, "53-1000"))).To(Equal("h1 policy_ingress"))
	g.Expect(o.nodes["h1"].flows).To(BeEmpty())
	g.Expect(sent(o, "y/b1", udp(a1, "53-1000"))).To(Equal("h1 policy_ingress"))
	g.Expect(sent(o, "x/a1", udp(b1, "1000-53"))).To(Equal("h1"))
	g.Expect(sent(o, "y/b1", udp(a1, "53-1000"))).To(Equal("h1"), "it is a reply by now")
}

func TestEgressIsJudgedBeforeThePacketArrives(t *testing.T) {
	for _, c := range []struct {
		name, policy, from string
		packet             packet
		want               string
	}{
		{"nobody at all: at once", noEgress, "x/a1", tcp(b2, "1-80 syn"), "h1 policy_egress"},
		{"by who it is: when that is known", toY, "x/a1", tcp(b2, "1-80 syn"), "h1 h3 h1 h2"},
		{"and refused there", toY, "x/a1", tcp(a2, "1-80 syn"), "h1 h3 h1 policy_egress"},
		{"by its port", toY, "x/a1", tcp(b2, "1-81 syn"), "h1 h3 h1 policy_egress"},
		{"the bouncer sends back what is for itself", toY, "x/a1", tcp(b3, "1-80 syn"), "h1 h3 h1 h3"},
		{"on the same host at once", toY, "x/a1", tcp(a1too, "1-80 syn"), "h1 policy_egress"},
		{"by its address: at once", toBlock, "x/a1", tcp(b2, "1-80 syn"), "h1 h3 h2"},
		{"and refused", toBlock, "x/a1", tcp(b3, "1-80 syn"), "h1 policy_egress"},
		{"nobody there", toY, "x/a1", tcp("10.0.0.99", "1-80 syn"), "h1 h3 h1 no_endpoint icmp 3/1 from 10.0.0.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			NewWithT(t).Expect(sent(knowing(t, objects(t, guarded+c.policy)), c.from, c.packet)).To(Equal(c.want))
		})
	}
}

func TestWhoIsKnownIsJudgedAtOnce(t *testing.T) {
	g := NewWithT(t)
	o := knowing(t, objects(t, guarded+toY))
	sent(o, "x/a1", tcp(a2, "1-80 syn"))
	g.Expect(sent(o, "x/a1", tcp(a2, "2-80 syn"))).To(Equal("h1 policy_egress"))
	sent(o, "x/a1", tcp(b2, "1-80 syn"))
	g.Expect(sent(o, "x/a1", tcp(b2, "2-80 syn"))).To(Equal("h1 h2"))
}

func TestAChangeOfPolicyCutsAndHeals(t *testing.T) {
	g := NewWithT(t)
	o := knowing(t, objects(t, guarded))
	there, back := tcp(a1, "1000-80 ack"), tcp(b2, "80-1000 ack")
	sent(o, "y/b2", tcp(a1, "1000-80 syn"))
	sent(o, "x/a1", tcp(b2, "80-1000 syn ack"))
	g.Expect(sent(o, "y/b2", there)).To(Equal("h2 h1"))
	g.Expect(o.Apply(objects(t, guarded+noIngress))).To(Succeed())
	g.Expect(sent(o, "y/b2", there)).To(Equal("h2 h1 policy_ingress"))
	g.Expect(sent(o, "x/a1", back)).To(Equal("h1 policy_ingress"), "nor does it answer")
	g.Expect(o.Apply(objects(t, guarded+noEgress))).To(Succeed())
	g.Expect(sent(o, "x/a1", back)).To(Equal("h1 h2"), "of a policy for the other direction replies are not judged")
	g.Expect(sent(o, "y/b2", there)).To(Equal("h2 h1"))
}

func TestWhatIsEstablishedMayBeKept(t *testing.T) {
	g := NewWithT(t)
	keeping := func(policies string) object.Set {
		set := objects(t, guarded+policies)
		draft := set.Draft()
		draft.Namespaces = append(draft.Namespaces, object.Namespace{Meta: object.Meta{
			Name: "x", Annotations: map[string]string{object.AnnotationKeepEstablished: "true"},
		}})
		set, err := object.New(draft)
		g.Expect(err).NotTo(HaveOccurred())
		return set
	}
	o := knowing(t, keeping(""))
	sent(o, "y/b2", udp(a1, "1000-80"))
	sent(o, "y/b2", udp(a1, "1001-80"))
	sent(o, "x/a1", udp(b2, "80-1000"))
	g.Expect(o.Apply(keeping(noIngress))).To(Succeed())
	g.Expect(sent(o, "y/b2", udp(a1, "1000-80"))).To(Equal("h2 h1"))
	g.Expect(sent(o, "y/b2", udp(a1, "1001-80"))).To(Equal("h2 h1 policy_ingress"), "nobody has answered that one")
}

func TestAHostReachesItsOwnEndpoints(t *testing.T) {
	g := NewWithT(t)
	set := objects(t, guarded+noIngress+noEgress)
	draft := set.Draft()
	for i, addr := range []string{"10.0.0.101", "10.0.0.102"} {
		draft.Hosts[i].Endpoint = &object.HostEndpoint{Addresses: []netip.Addr{netip.MustParseAddr(addr)}}
	}
	set, err := object.New(draft)
	g.Expect(err).NotTo(HaveOccurred())
	o := knowing(t, set)
	g.Expect(sent(o, "host/h1", tcp(a1, "1-80 syn"))).To(Equal("h1"))
	g.Expect(sent(o, "host/h2", tcp(a1, "1-80 syn"))).To(Equal("h2 h3 h1 policy_ingress"))
	g.Expect(sent(o, "x/a1", tcp("10.0.0.101", "2-80 syn"))).To(Equal("h1"))
	g.Expect(sent(o, "x/a1", tcp("10.0.0.102", "2-80 syn"))).To(Equal("h1 policy_egress"))
}

func TestFlowsMoveWithTheirEndpoint(t *testing.T) {
	g := NewWithT(t)
	o := knowing(t, objects(t, guarded+noIngress))
	sent(o, "x/a1", tcp(b2, "1000-80 syn"))
	g.Expect(o.Apply(objects(t, strings.Replace(guarded, "x/a1 {subnet: a, host: h1", "x/a1 {subnet: a, host: h5", 1)+noIngress))).To(Succeed())
	g.Expect(sent(o, "y/b2", tcp(a1, "80-1000 syn ack"))).To(HaveSuffix(" h5"))
	g.Expect(o.nodes["h1"].flows).To(BeEmpty())
}

// An endpoint that is relabelled keeps its flows; who gets its address does not.
func TestFlowsAreAnEndpointsOwn(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(e *object.Endpoint)
		want   string
	}{
		{"relabelled", func(e *object.Endpoint) { e.Labels, e.Generation = map[string]string{"app": "else"}, e.Generation+1 }, "h2"},
		{"made anew", func(e *object.Endpoint) { e.MAC[5], e.Generation = e.MAC[5]+1, e.Generation+1 }, "policy_ingress"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			o := knowing(t, objects(t, guarded))
			sent(o, "y/b2", udp(a1, "1000-53"))
			set := objects(t, guarded+"NetworkPolicy y/none {podSelector: {}}\n")
			at := slices.IndexFunc(set.Endpoints, func(e object.Endpoint) bool { return e.Key() == "y/b2" })
			c.change(&set.Endpoints[at])
			g.Expect(o.Apply(set)).To(Succeed())
			g.Expect(sent(o, "x/a1", udp(b2, "53-1000"))).To(HaveSuffix(c.want))
		})
	}
}

// What is cut is cut both ways, however long it was silent before; its time is up when
// an agent looks.
func TestACutFlowIsCutUntilTimePasses(t *testing.T) {
	g := NewWithT(t)
	o := knowing(t, objects(t, guarded))
	g.Expect(sent(o, "y/b1", udp(a1, "1000-53"))).To(Equal("h1"))
	g.Expect(sent(o, "x/a1", udp(b1, "53-1000"))).To(Equal("h1"))
	g.Expect(o.Apply(objects(t, guarded+"NetworkPolicy y/none {podSelector: {}, policyTypes: [Egress]}\n"))).To(Succeed())
	o.Advance(4 * time.Minute)
	g.Expect(sent(o, "y/b1", udp(a1, "1000-53"))).To(Equal("h1 policy_egress"))
	g.Expect(sent(o, "x/a1", udp(b1, "53-1000"))).To(Equal("h1 policy_egress"))
	o.Advance(time.Second)
	g.Expect(sent(o, "x/a1", udp(b1, "53-1000"))).To(Equal("h1"), "a conversation of its own")
}

func TestRulesAreNamed(t *testing.T) {
	g := NewWithT(t)
	o := knowing(t, objects(t, guarded+noIngress+toY))
	out := probe(t, o, wire.Probe{Proto: wire.TCP, From: "x/a1", To: netip.MustParseAddr(b2), Port: 80})
	g.Expect(out.Requests[0].Rules).To(Equal([]string{"x/to-y egress[0]"}))
	out = probe(t, o, wire.Probe{Proto: wire.TCP, From: "y/b2", To: netip.MustParseAddr(a1), Port: 80})
	g.Expect(out.Requests[0].Reason).To(Equal(policyIngress))
	g.Expect(out.Requests[0].Rules).To(Equal([]string{"x/no-ingress isolate ingress"}))
}

// Who comes to the host of whom he talks with: what that host knows of the other stays.
func TestFlowsJoinWhereTheirEndsMeet(t *testing.T) {
	g := NewWithT(t)
	const open = "NetworkPolicy x/open {podSelector: {}, ingress: [{}]}\n"
	o := knowing(t, objects(t, guarded+open))
	sent(o, "y/b2", udp(a1, "1000-53"))
	sent(o, "x/a1", udp(b2, "53-1000"))
	g.Expect(o.Apply(objects(t, strings.Replace(guarded, "y/b2 {subnet: a, host: h2", "y/b2 {subnet: a, host: h1", 1)+open))).To(Succeed())
	g.Expect(o.nodes["h1"].flows).To(HaveLen(1))
	for _, f := range o.nodes["h1"].flows {
		g.Expect([]string{f.ends[0].here.Key(), f.ends[1].here.Key()}).To(Equal([]string{"y/b2", "x/a1"}))
		g.Expect(f.rules).To(Equal([2][]string{nil, {"x/open ingress[0]"}}))
		g.Expect(f.ends[1].known).To(BeTrue())
	}
}
