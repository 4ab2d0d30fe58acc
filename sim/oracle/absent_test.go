// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/sim/link"
	"github.com/mizar-net/mizar/sim/wire"
)

// sent is one packet of an endpoint, as "h1 h3 h1 no_endpoint icmp 3/1 from …".
func sent(o *Oracle, from string, p packet) string {
	e, _ := o.real.set.Endpoint(from)
	p.src, _ = ofFamily(e.Addresses, p.dst)
	if p.ttl == 0 {
		p.ttl = 64
	}
	if p.length == 0 {
		p.length = 60
	}
	became := o.send(e, p)
	way := strings.Join(became.Hosts, " ")
	switch {
	case became.Answered:
		way += " answered"
	case !became.Delivered:
		way += " " + became.Reason
	}
	if became.Refused != nil {
		way += " " + became.Refused.String()
	}
	return way
}

func to(addr string) packet { return packet{dst: netip.MustParseAddr(addr)} }

func TestWhatSendersAreTold(t *testing.T) {
	for _, c := range []struct {
		name, from string
		packet     packet
		want       string
	}{
		{"no such endpoint", "a1", to("10.0.0.99"), "h1 h3 h1 no_endpoint icmp 3/1 from 10.0.0.1"},
		{"IPv6", "a1", to("fd00::99"), "h1 h3 h1 no_endpoint icmpv6 1/3 from fd00::1"},
		{"at the port of a bouncer", "a3", to("10.0.0.99"), "h3 no_endpoint icmp 3/1 from 10.0.0.1"},
		{"no such subnet", "a1", to("10.9.0.1"), "h1 h4 h1 no_subnet icmp 3/0 from 10.0.0.1"},
		{"IPv6", "a1", to("fd00:9::1"), "h1 h4 h1 no_subnet icmpv6 1/0 from fd00::1"},
		{"TTL", "a1", packet{dst: netip.MustParseAddr("10.0.1.12"), ttl: 1}, "h1 ttl icmp 11/0 from 10.0.0.1"},
		{"TTL comes before the destination", "a1", packet{dst: netip.MustParseAddr("10.9.0.1"), ttl: 1}, "h1 ttl icmp 11/0 from 10.0.0.1"},
		{"IPv6", "a1", packet{dst: netip.MustParseAddr("fd00:9::1"), ttl: 1}, "h1 ttl icmpv6 3/0 from fd00::1"},
		{"TTL inside of a subnet", "a1", packet{dst: netip.MustParseAddr("10.0.0.12"), ttl: 1}, "h1 h3 h2"},
		{"the gateway", "a1", to("10.0.0.1"), "h1 gateway icmp 3/3 from 10.0.0.1"},
		{"IPv6", "a1", to("fd00::1"), "h1 gateway icmpv6 1/4 from fd00::1"},
		{"its echo", "a1", packet{dst: netip.MustParseAddr("10.0.0.1"), echo: true}, "h1 answered"},
		{"another subnet's gateway", "a1", packet{dst: netip.MustParseAddr("10.0.1.1"), echo: true}, "h1 h4 h5 h1 no_endpoint icmp 3/1 from 10.0.0.1"},
		{"an error is about no error", "a1", packet{dst: netip.MustParseAddr("10.0.0.99"), silent: true}, "h1 h3 h1 no_endpoint"},
		{"too big", "a1", packet{dst: netip.MustParseAddr("10.0.0.12"), length: 1415}, "h1 mtu icmp 3/4 mtu 1414 from 10.0.0.1"},
		{"IPv6", "a1", packet{dst: netip.MustParseAddr("fd00::12"), length: 1415}, "h1 mtu icmpv6 2/0 mtu 1414 from fd00::1"},
		{"just fits", "a1", packet{dst: netip.MustParseAddr("10.0.0.12"), length: 1414}, "h1 h3 h2"},
		{"a fragment in TCP's header", "a1", packet{dst: netip.MustParseAddr("10.0.0.12"), later: &later{16, 6}}, "h1 fragment"},
		{"behind it", "a1", packet{dst: netip.MustParseAddr("10.0.0.12"), later: &later{24, 6}}, "h1 h3 h2"},
		{"in SCTP's", "a1", packet{dst: netip.MustParseAddr("10.0.0.12"), later: &later{8, 132}}, "h1 fragment"},
		{"behind UDP's", "a1", packet{dst: netip.MustParseAddr("10.0.0.12"), later: &later{8, 17}}, "h1 h3 h2"},
		{"behind extension headers", "a1", packet{dst: netip.MustParseAddr("fd00::12"), later: &later{120, 60}}, "h1 fragment"},
	} {
		t.Run(c.name, func(t *testing.T) {
			NewWithT(t).Expect(sent(knowing(t, objects(t, apart)), c.from, c.packet)).To(Equal(c.want))
		})
	}
}

func TestICMPErrorsHaveABudget(t *testing.T) {
	g := NewWithT(t)
	o := knowing(t, objects(t, apart))
	for i := range 32 {
		g.Expect(sent(o, "a1", to("10.0.0.1"))).To(ContainSubstring("icmp 3/3"), "%d", i)
	}
	g.Expect(sent(o, "a1", to("10.0.0.1"))).To(Equal("h1 gateway"))
	g.Expect(sent(o, "a1", to("10.0.0.99"))).To(Equal("h1 h3 h1 budget"), "told by another host")
	g.Expect(sent(o, "a1-too", to("10.0.0.1"))).To(ContainSubstring("icmp"), "a budget of its own")
	o.Advance(10 * time.Millisecond)
	g.Expect(sent(o, "a1", to("10.0.0.1"))).To(ContainSubstring("icmp"))
	g.Expect(sent(o, "a1", to("10.0.0.1"))).To(Equal("h1 gateway"))
}

func TestQuestionsHaveABudget(t *testing.T) {
	g := NewWithT(t)
	o := knowing(t, objects(t, apart))
	for i := range 1024 {
		sent(o, "a1", packet{dst: netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)}), silent: true})
	}
	g.Expect(sent(o, "a1", to("10.0.0.99"))).To(Equal("h1 h3 h1 refusal"), "nobody remembers the question")
	g.Expect(sent(o, "a1", to("10.0.0.12"))).To(Equal("h1 h3 h2"), "it is relayed")
	g.Expect(sent(o, "a1", to("10.0.0.12"))).To(Equal("h1 h3 h2"), "and never sent back")
	o.Advance(time.Millisecond)
	sent(o, "a1", to("10.0.0.12"))
	g.Expect(sent(o, "a1", to("10.0.0.12"))).To(Equal("h1 h3 h1 h2"))
}

// changed is a network with one of its lines changed.
func changed(t *testing.T, old, fresh string) object.Set {
	t.Helper()
	if !strings.Contains(apart, old) {
		t.Fatalf("there is no %q", old)
	}
	return objects(t, strings.Replace(apart, old, fresh, 1))
}

func TestAnotherUserOfAnAddress(t *testing.T) {
	g := NewWithT(t)
	set := objects(t, apart)
	o := knowing(t, set)
	probe(t, o, wire.Probe{Proto: wire.UDP, From: "a1", To: netip.MustParseAddr("10.0.0.12"), Count: 2})
	set = changed(t, "Endpoint a2 {subnet: a, host: h2", `Endpoint a2 {generation: 77, mac: "02:00:00:00:00:77", subnet: a, host: h2`)
	g.Expect(o.SetCondition("h3", wire.Condition{Agent: wire.Paused})).To(Succeed())
	g.Expect(o.Apply(set)).To(Succeed())
	g.Expect(sent(o, "a1", to("10.0.0.12"))).To(Equal("h1 h2 h1 h3 h2 stale"), "the bouncer is behind")
	g.Expect(o.SetCondition("h3", wire.Condition{})).To(Succeed())
	g.Expect(sent(o, "a1", to("10.0.0.12"))).To(Equal("h1 h3 h1 h2"))
	g.Expect(sent(o, "a1", to("10.0.0.12"))).To(Equal("h1 h2"))
}

func TestItMovedToTheSendersHost(t *testing.T) {
	g := NewWithT(t)
	o := knowing(t, objects(t, apart))
	probe(t, o, wire.Probe{Proto: wire.UDP, From: "a1", To: netip.MustParseAddr("10.0.0.12"), Count: 2})
	g.Expect(o.Apply(changed(t, "a2 {subnet: a, host: h2", "a2 {subnet: a, host: h1"))).To(Succeed())
	g.Expect(sent(o, "a1", to("10.0.0.12"))).To(Equal("h1"))
	g.Expect(sent(o, "a4", to("10.0.0.12"))).To(Equal("h4 h3 h1"))
}

func TestHostsThatAreDownAreAskedLast(t *testing.T) {
	g := NewWithT(t)
	two := strings.Replace(apart, "bouncers: {hosts: [h3]}", "bouncers: {hosts: [h3, h5]}", 1)
	o := knowing(t, objects(t, two))
	first := strings.Fields(sent(o, "a1", to("10.0.0.12")))[1]
	other := map[string]string{"h3": "h5", "h5": "h3"}[first]
	for _, c := range []struct {
		down []string
		want string
	}{{[]string{first}, other}, {[]string{other}, first}, {[]string{"h3", "h5"}, first}, {nil, first}} {
		o.Forget()
		o.Down("h1", c.down)
		g.Expect(o.Apply(objects(t, two))).To(Succeed())
		g.Expect(sent(o, "a1", to("10.0.0.12"))).To(Equal("h1 "+c.want+" h2"), "down: %v", c.down)
	}
	g.Expect(o.SetCondition(first, wire.Condition{Link: link.Link{Down: true}})).To(Succeed())
	o.Forget()
	g.Expect(sent(o, "a1", to("10.0.0.12"))).To(Equal("h1 "+first+" "+link.Down), "nobody has noticed yet")
}

func TestABouncerThatStillFillsAsksTheNext(t *testing.T) {
	g := NewWithT(t)
	two := strings.Replace(apart, "bouncers: {hosts: [h3]}", "bouncers: {hosts: [h3, h5]}", 1)
	o := knowing(t, objects(t, two))
	first := strings.Fields(sent(o, "a1", to("10.0.0.99")))[1]
	other := map[string]string{"h3": "h5", "h5": "h3"}[first]
	fill := func(host string, subnets ...string) {
		o.Filling(host, subnets)
		o.Forget()
		g.Expect(o.Apply(objects(t, two))).To(Succeed())
	}
	fill(first, "a")
	g.Expect(sent(o, "a1", to("10.0.0.12"))).To(Equal("h1 " + first + " " + other + " h2"))
	g.Expect(sent(o, "a1", to("10.0.0.99"))).To(HavePrefix("h1 " + first + " " + other + " h1 no_endpoint icmp"))
	fill(other, "a")
	g.Expect(sent(o, "a1", to("10.0.0.99"))).To(Equal("h1 "+first+" "+other+" no_bouncer"), "nobody knows better")
}

func TestARouterLowersAnMTUForTenMinutes(t *testing.T) {
	g := NewWithT(t)
	o := knowing(t, objects(t, apart))
	whole := packet{dst: netip.MustParseAddr("10.0.0.12"), length: 1414}
	o.TooBig("h1", "h3", 9000)
	g.Expect(sent(o, "a1", whole)).To(Equal("h1 h3 h2"), "that is no lower")
	o.Forget()
	o.TooBig("h1", "h3", 1400)
	g.Expect(sent(o, "a1", whole)).To(Equal("h1 mtu icmp 3/4 mtu 1314 from 10.0.0.1"))
	o.Advance(600*time.Second - 1)
	g.Expect(sent(o, "a1", whole)).To(ContainSubstring("mtu 1314"))
	o.Advance(1)
	o.Forget()
	g.Expect(sent(o, "a1", whole)).To(Equal("h1 h3 h2"))
	o.Forget()
	o.TooBig("h3", "h2", 1280)
	g.Expect(sent(o, "a1", whole)).To(Equal("h1 h3 h1 mtu icmp 3/4 mtu 1194 from 10.0.0.1"), "the bouncer's next link")
	whole.dst = netip.MustParseAddr("fd00::12")
	g.Expect(sent(o, "a1", whole)).To(Equal("h1 h3 h1 mtu icmpv6 2/0 mtu 1280 from fd00::1"), "never less")
}

// What comes back goes to another host than it went to at first, and may be too big
// for that way.
func TestWhatComesBackAndDoesNotFit(t *testing.T) {
	g := NewWithT(t)
	o := knowing(t, objects(t, apart))
	whole := packet{dst: netip.MustParseAddr("10.0.0.12"), length: 1414}
	o.TooBig("h1", "h2", 1400)
	g.Expect(sent(o, "a1", whole)).To(Equal("h1 h3 h2"), "the bouncer's way is as it was")
	g.Expect(sent(o, "a1", whole)).To(Equal("h1 h3 h1 mtu icmp 3/4 mtu 1314 from 10.0.0.1"), "sent back")
	g.Expect(sent(o, "a1", whole)).To(Equal("h1 mtu icmp 3/4 mtu 1314 from 10.0.0.1"), "and learned")
	small := whole
	small.length = 1314
	g.Expect(sent(o, "a1", small)).To(Equal("h1 h2"))
	o.TooBig("h2", "h1", 576)
	g.Expect(o.Apply(changed(t, "a2 {subnet: a, host: h2", "a2 {subnet: a, host: h4"))).To(Succeed())
	g.Expect(sent(o, "a1", small)).To(Equal("h1 h2 mtu"), "too big to come back")
	small.length = 490
	g.Expect(sent(o, "a1", small)).To(Equal("h1 h2 h1 h3 h4"))
}

func TestAQuestionThatDoesNotFitBackIsRelayed(t *testing.T) {
	g := NewWithT(t)
	o := knowing(t, objects(t, apart))
	whole := packet{dst: netip.MustParseAddr("10.0.0.12"), length: 1414}
	g.Expect(sent(o, "a1", whole)).To(Equal("h1 h3 h2"))
	o.TooBig("h3", "h1", 1400)
	g.Expect(sent(o, "a1", whole)).To(Equal("h1 h3 h2"))
	whole.dst = netip.MustParseAddr("10.0.0.99")
	g.Expect(sent(o, "a1", whole)).To(Equal("h1 h3 no_endpoint"), "there is no way to say so")
}
