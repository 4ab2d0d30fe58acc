// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/sim/wire"
)

// Five hosts. h3 bounces subnet a, h5 bounces subnet b, h4 divides the VPC.
// Endpoints are called after their subnet and their host.
const apart = `
VPC red {vni: 7, dividers: {hosts: [h4]}}
VPC blue {vni: 8, dividers: {hosts: [h1]}}
Subnet a {vpc: red, cidrs: [10.0.0.0/24, "fd00::/64"], bouncers: {hosts: [h3]}}
Subnet b {vpc: red, cidrs: [10.0.1.0/24], bouncers: {hosts: [h5]}}
Subnet blue-a {vpc: blue, cidrs: [10.0.0.0/24], bouncers: {hosts: [h2]}}
Endpoint a1 {subnet: a, host: h1, addresses: [10.0.0.11, "fd00::11"]}
Endpoint a1-too {subnet: a, host: h1, addresses: [10.0.0.111]}
Endpoint a2 {subnet: a, host: h2, addresses: [10.0.0.12, "fd00::12"]}
Endpoint a3 {subnet: a, host: h3, addresses: [10.0.0.13]}
Endpoint a4 {subnet: a, host: h4, addresses: [10.0.0.14]}
Endpoint b1 {subnet: b, host: h1, addresses: [10.0.1.11]}
Endpoint b2 {subnet: b, host: h2, addresses: [10.0.1.12]}
Endpoint b4 {subnet: b, host: h4, addresses: [10.0.1.14]}
Endpoint b5 {subnet: b, host: h5, addresses: [10.0.1.15]}
Endpoint blue1 {subnet: blue-a, host: h1, addresses: [10.0.0.11]}
Endpoint blue5 {subnet: blue-a, host: h5, addresses: [10.0.0.12]}
`

// together has all roles of the VPC at one host, h3.
var together = strings.NewReplacer("dividers: {hosts: [h4]}", "dividers: {hosts: [h3]}", "bouncers: {hosts: [h5]}", "bouncers: {hosts: [h3]}").Replace(apart)

// objects reads one object a line: kind, name, spec.
func objects(t *testing.T, text string) object.Set {
	t.Helper()
	var doc strings.Builder
	write := func(kind, name, spec string) {
		version := object.APIVersion
		switch kind {
		case "NetworkPolicy":
			version = "networking.k8s.io/v1"
		case "Service":
			version = "v1"
		}
		namespace, name, found := strings.Cut(name, "/")
		if meta := "{name: " + name + ", namespace: " + namespace + "}"; found {
			name = meta
		} else {
			name = "{name: " + namespace + "}"
		}
		doc.WriteString("---\napiVersion: " + version + "\nkind: " + kind + "\nmetadata: " + name + "\nspec: " + spec + "\n")
	}
	for _, n := range []string{"1", "2", "3", "4", "5"} {
		write("Host", "h"+n, "{addresses: [192.0.2."+n+"]}")
	}
	for line := range strings.Lines(strings.TrimSpace(text)) {
		words := strings.SplitN(strings.TrimSpace(line), " ", 3)
		write(words[0], words[1], words[2])
	}
	draft, err := object.Decode("test.yaml", []byte(doc.String()))
	if err != nil {
		t.Fatal(err)
	}
	set, err := object.New(draft)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func knowing(t *testing.T, set object.Set) *Oracle {
	t.Helper()
	o := New()
	if err := o.Apply(set); err != nil {
		t.Fatal(err)
	}
	return o
}

func probe(t *testing.T, o *Oracle, p wire.Probe) wire.Outcome {
	t.Helper()
	out, err := o.Probe(p)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// ways shows packets as "h1 h3 h2", and what was dropped as "h1 h3 h1 no_endpoint".
func ways(packets []wire.Packet) (all []string) {
	for _, p := range packets {
		way := strings.Join(p.Hosts, " ")
		if !p.Delivered {
			way += " " + p.Reason
		}
		all = append(all, way)
	}
	return all
}

func TestConversations(t *testing.T) {
	for _, c := range []struct {
		name, set, from, to string
		requests, replies   []string
	}{
		{"one subnet: by the bouncer, then direct", apart, "a1", "10.0.0.12", []string{"h1 h3 h2", "h1 h2"}, []string{"h2 h1", "h2 h1"}},
		{"IPv6 likewise", apart, "a1", "fd00::12", []string{"h1 h3 h2", "h1 h2"}, []string{"h2 h1", "h2 h1"}},
		{"two subnets: by divider and bouncer", apart, "a1", "10.0.1.12", []string{"h1 h4 h5 h2", "h1 h2"}, []string{"h2 h1", "h2 h1"}},
		{"one host: never leaves it", apart, "a1", "10.0.0.111", []string{"h1", "h1"}, []string{"h1", "h1"}},
		{"one host, two subnets", apart, "a1", "10.0.1.11", []string{"h1", "h1"}, []string{"h1", "h1"}},
		{"to itself", apart, "a1", "10.0.0.11", []string{"h1", "h1"}, []string{"h1", "h1"}},
		{"the source's host is the bouncer", apart, "a3", "10.0.0.12", []string{"h3 h2", "h3 h2"}, []string{"h2 h3", "h2 h3"}},
		{"the destination's host is the bouncer", apart, "a1", "10.0.0.13", []string{"h1 h3", "h1 h3"}, []string{"h3 h1", "h3 h1"}},
		{"the source's host is the divider", apart, "a4", "10.0.1.12", []string{"h4 h5 h2", "h4 h2"}, []string{"h2 h4", "h2 h4"}},
		// h4 delivers, but nobody vouches for a1: the reply asks by itself,
		// and a1's next packet answers it.
		{"the destination's host is the divider", apart, "a1", "10.0.1.14", []string{"h1 h4", "h1 h4"}, []string{"h4 h3 h1", "h4 h1"}},
		{"the destination's host is its bouncer, in another subnet", apart, "a1", "10.0.1.15", []string{"h1 h4 h5", "h1 h5"}, []string{"h5 h1", "h5 h1"}},
		{"divider and bouncer are one host", together, "a1", "10.0.1.12", []string{"h1 h3 h2", "h1 h2"}, []string{"h2 h1", "h2 h1"}},
		{"all roles at the source's host", together, "a3", "10.0.1.12", []string{"h3 h2", "h3 h2"}, []string{"h2 h3", "h2 h3"}},
		{"the other tenant, equal addresses", apart, "blue1", "10.0.0.12", []string{"h1 h2 h5", "h1 h5"}, []string{"h5 h1", "h5 h1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			o := knowing(t, objects(t, c.set))
			out := probe(t, o, wire.Probe{Proto: wire.UDP, From: c.from, To: netip.MustParseAddr(c.to), Count: 2})
			g.Expect(ways(out.Requests)).To(Equal(c.requests))
			g.Expect(ways(out.Replies)).To(Equal(c.replies))
			for _, p := range append(out.Requests, out.Replies...) {
				g.Expect(p.Hops).To(Equal(len(p.Hosts) - 1))
			}
		})
	}
}

func TestDrops(t *testing.T) {
	for _, c := range []struct{ name, set, from, to, way string }{
		{"unknown in the own subnet", apart, "a1", "10.0.0.99", "h1 h3 h1 no_endpoint"},
		{"unknown, and the source's host knows", apart, "a3", "10.0.0.99", "h3 no_endpoint"},
		{"unknown in another subnet", apart, "a1", "10.0.1.99", "h1 h4 h5 h1 no_endpoint"},
		{"unknown in another subnet, from the divider", apart, "b4", "10.0.0.99", "h4 h3 h4 no_endpoint"},
		{"unknown, all roles at one host", together, "a1", "10.0.1.99", "h1 h3 h1 no_endpoint"},
		{"unknown, all roles at the source's host", together, "a3", "10.0.1.99", "h3 no_endpoint"},
		{"no such subnet", apart, "a1", "10.9.0.1", "h1 h4 h1 no_subnet"},
		{"no such subnet, from the divider", apart, "a4", "10.9.0.1", "h4 no_subnet"},
		{"the other subnet's gateway", apart, "a1", "10.0.1.1", "h1 h4 h5 h1 no_endpoint"},
		{"only the other tenant has it", apart, "blue1", "10.0.0.13", "h1 h2 h1 no_endpoint"},
		{"multicast", apart, "a1", "224.0.0.251", "h1 multicast"},
		{"broadcast", apart, "a1", "255.255.255.255", "h1 multicast"},
		{"IPv6 multicast", apart, "a1", "ff02::1", "h1 multicast"},
		{"loopback", apart, "a1", "127.0.0.1", "h1 ip_address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			o := knowing(t, objects(t, c.set))
			// The second asks to be sent back, and dies in the same place.
			out := probe(t, o, wire.Probe{Proto: wire.ICMP, From: c.from, To: netip.MustParseAddr(c.to), Count: 2})
			g.Expect(ways(out.Requests)).To(Equal([]string{c.way, c.way}))
			g.Expect(out.Replies).To(BeEmpty())
			first := out.Requests[0]
			refuser := len(first.Hosts) - 1
			if refuser > 0 {
				refuser-- // the way leads back
			}
			g.Expect(first.Dropper).To(Equal(first.Hosts[refuser]))
		})
	}
}

func TestNobodyToAsk(t *testing.T) {
	g := NewWithT(t)
	set := objects(t, apart)
	set.Subnets[0].Bouncers = object.Placement{}
	o := knowing(t, set)
	out := probe(t, o, wire.Probe{Proto: wire.TCP, From: "a1", To: netip.MustParseAddr("10.0.0.12")})
	g.Expect(ways(out.Requests)).To(Equal([]string{"h1 no_bouncer"}))
	out = probe(t, o, wire.Probe{Proto: wire.TCP, From: "b1", To: netip.MustParseAddr("10.0.0.12")})
	g.Expect(ways(out.Requests)).To(Equal([]string{"h1 h4 no_bouncer"}))
}

// Where no reply ever comes, the second packet is sent back with the location
// and the third is direct; a second later the question is asked anew.
func TestOneWayTraffic(t *testing.T) {
	for _, c := range []struct {
		name, from, to string
		wait           time.Duration
		want           []string
	}{
		{"one subnet", "a1", "10.0.0.12", 0, []string{"h1 h3 h2", "h1 h3 h1 h2", "h1 h2"}},
		{"two subnets", "a1", "10.0.1.12", 0, []string{"h1 h4 h5 h2", "h1 h4 h5 h1 h2", "h1 h2"}},
		{"slowly", "a1", "10.0.0.12", time.Second, []string{"h1 h3 h2", "h1 h3 h2", "h1 h3 h2"}},
		{"almost slowly", "a1", "10.0.0.12", time.Second - 1, []string{"h1 h3 h2", "h1 h3 h1 h2", "h1 h2"}},
		{"the bouncer is the destination's host", "a1", "10.0.0.13", 0, []string{"h1 h3", "h1 h3", "h1 h3"}},
		{"the source's host is the bouncer", "a3", "10.0.0.12", 0, []string{"h3 h2", "h3 h2", "h3 h2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := knowing(t, objects(t, apart))
			from, _ := o.real.set.Endpoint(c.from)
			var packets []wire.Packet
			for range 3 {
				packets = append(packets, o.send(from, packet{src: from.Addresses[0], dst: netip.MustParseAddr(c.to), ttl: 64, length: 60}))
				o.Advance(c.wait)
			}
			NewWithT(t).Expect(ways(packets)).To(Equal(c.want))
		})
	}
}

func TestAHandshakeTeachesBothSides(t *testing.T) {
	g := NewWithT(t)
	o := knowing(t, objects(t, apart))
	to := netip.MustParseAddr("10.0.1.14")
	out := probe(t, o, wire.Probe{Proto: wire.TCP, From: "a1", To: to, Count: 5})
	g.Expect(ways(out.Requests)).To(Equal([]string{"h1 h4"}), "tcp has one request")
	g.Expect(ways(out.Replies)).To(Equal([]string{"h4 h3 h1"}))
	out = probe(t, o, wire.Probe{Proto: wire.ICMP, From: "a1", To: to})
	g.Expect(ways(out.Replies)).To(Equal([]string{"h4 h1"}))
	g.Expect(out.Replies[0].To).To(Equal("default/a1"))

	o.Forget()
	out = probe(t, o, wire.Probe{Proto: wire.ICMP, From: "a1", To: to})
	g.Expect(ways(out.Replies)).To(Equal([]string{"h4 h3 h1"}))
}

func TestWhatMovedIsFoundAgain(t *testing.T) {
	g := NewWithT(t)
	o := knowing(t, objects(t, apart))
	ask := func(to string) []string {
		out := probe(t, o, wire.Probe{Proto: wire.UDP, From: "a1", To: netip.MustParseAddr(to)})
		return ways(out.Requests)
	}
	ask("10.0.0.12")
	ask("10.0.1.12")
	moved := strings.Replace(apart, "a2 {subnet: a, host: h2", "a2 {subnet: a, host: h5", 1)
	g.Expect(o.Apply(objects(t, moved))).To(Succeed())
	g.Expect(ask("10.0.0.12")).To(Equal([]string{"h1 h2 h1 h3 h5"}), "its host did not know")
	g.Expect(ask("10.0.1.12")).To(Equal([]string{"h1 h2"}), "did not move")

	gone := strings.Replace(apart, "Endpoint a2 {subnet: a, host: h2, addresses: [10.0.0.12, \"fd00::12\"]}\n", "", 1)
	g.Expect(o.Apply(objects(t, gone))).To(Succeed())
	g.Expect(ask("10.0.0.12")).To(Equal([]string{"h1 h5 h1 h3 h1 no_endpoint"}))
}

func TestProbesThatCannotBeSent(t *testing.T) {
	g := NewWithT(t)
	o := knowing(t, objects(t, apart))
	_, err := o.Probe(wire.Probe{From: "nobody", To: netip.MustParseAddr("10.0.0.12")})
	g.Expect(err).To(MatchError(ContainSubstring("no such endpoint")))
	_, err = o.Probe(wire.Probe{From: "a3", To: netip.MustParseAddr("fd00::12")})
	g.Expect(err).To(MatchError(ContainSubstring("no address of that family")))
}
