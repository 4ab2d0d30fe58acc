// SPDX-License-Identifier: Apache-2.0

package identity_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/controlplane/identity"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
)

var start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// network is two VPCs with an endpoint for each of labels, "namespace/name key=value
// …", on one host, which is an endpoint itself; a name that begins with "blue" is in
// the other VPC.
func network(endpoints ...string) object.Draft {
	d := object.Draft{
		Hosts: []object.Host{{
			Meta: object.Meta{Name: "h1"}, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")},
			Endpoint: &object.HostEndpoint{Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.2")}},
		}},
		VPCs: []object.VPC{{Meta: object.Meta{Name: "red"}, VNI: 7, Default: true}, {Meta: object.Meta{Name: "blue"}, VNI: 8}},
		Subnets: []object.Subnet{
			{Meta: object.Meta{Name: "red"}, VPC: "red", CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}},
			{Meta: object.Meta{Name: "blue"}, VPC: "blue", CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}},
		},
	}
	for i, text := range endpoints {
		words := strings.Fields(text)
		ns, name, _ := strings.Cut(words[0], "/")
		e := object.Endpoint{
			Meta:   object.Meta{Namespace: ns, Name: name, Labels: map[string]string{}},
			Subnet: "red", Host: "h1", Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(10 + i)})},
		}
		if strings.HasPrefix(name, "blue") {
			e.Subnet = "blue"
		}
		for _, label := range words[1:] {
			key, value, _ := strings.Cut(label, "=")
			e.Labels[key] = value
		}
		d.Endpoints = append(d.Endpoints, e)
	}
	return d
}

// looking is a policy that looks at labels of endpoints and, after "ns:", of
// namespaces, and at named ports, after "port:".
func looking(name string, keys ...string) object.NetworkPolicy {
	var text strings.Builder
	for _, key := range keys {
		selector, key, _ := strings.Cut(key, ":")
		switch selector {
		case "ns":
			fmt.Fprintf(&text, "{to: [{namespaceSelector: {matchExpressions: [{key: %s, operator: Exists}]}}]}, ", key)
		case "port":
			fmt.Fprintf(&text, "{ports: [{port: %s}]}, ", key)
		default:
			fmt.Fprintf(&text, "{to: [{podSelector: {matchExpressions: [{key: %s, operator: Exists}]}}]}, ", key)
		}
	}
	d, err := object.Decode(name, []byte(fmt.Sprintf("{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: %s}, spec: {egress: [%s]}}", name, text.String())))
	if err != nil {
		panic(err)
	}
	return d.Policies[0]
}

func valid(t interface{ Fatalf(string, ...any) }, d object.Draft) object.Set {
	set, err := object.New(d)
	if err != nil {
		t.Fatalf("a network that is not valid: %v", err)
	}
	return set
}

func TestWhoIsTheSameToAllPoliciesSharesANumber(t *testing.T) {
	g := NewWithT(t)
	d := network("a/1 app=web x=1", "a/2 app=web x=2", "a/3 app=db", "b/4 app=web", "a/blue-5 app=web", "a/6 app=web", "a/7")
	d.Policies = []object.NetworkPolicy{looking("p", "pod:app", "port:http")}
	d.Endpoints[5].Ports = []object.Port{{Name: "http", Number: 80}, {Name: "other", Number: 90}}
	set := valid(t, d)
	book := identity.Fresh(set)
	of := func(key string) uint32 { return book.Numbers[key] }
	g.Expect(of("a/1")).To(Equal(of("a/2")), "nobody looks at x")
	different := map[uint32]bool{}
	for _, key := range []string{"a/1", "a/3", "b/4", "a/blue-5", "a/6", "a/7"} {
		g.Expect(of(key)).To(BeNumerically(">", state.LastReservedIdentity))
		different[of(key)] = true
	}
	g.Expect(different).To(HaveLen(6), "labels, namespaces, VPCs and ports tell them apart")
	g.Expect(book.Identities).To(HaveLen(6))
	g.Expect(book.Numbers).NotTo(HaveKey("host/h1"), "hosts have one of their own")
	g.Expect(book.Give(set).Endpoints[0].Identity).To(Equal(of("a/1")))
	for _, i := range book.Identities {
		if i.Number == of("a/6") {
			g.Expect(i.String()).To(Equal("red a pod:app=web port:http=TCP/80"))
			value, has, known := i.Value(identity.NamespaceLabel("kubernetes.io/metadata.name"))
			g.Expect([]any{value, has, known}).To(Equal([]any{"a", true, true}))
			_, has, known = i.Value(identity.Label("x"))
			g.Expect([]any{has, known}).To(Equal([]any{false, false}), "nobody looked at it")
		}
	}
}

func TestLookedAreSelectorsAndPortsOfEgress(t *testing.T) {
	d, err := object.Decode("p", []byte(`{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p}, spec: {
		podSelector: {matchLabels: {a: x}, matchExpressions: [{key: b, operator: Exists}]},
		ingress: [{from: [{podSelector: {matchLabels: {c: x}}, namespaceSelector: {matchLabels: {d: x, kubernetes.io/metadata.name: x}}}, {ipBlock: {cidr: 1.0.0.0/8}}], ports: [{port: in}]}],
		egress: [{to: [{podSelector: {matchLabels: {e: x}}}], ports: [{port: out}, {port: 80}, {}]}]}}`))
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(identity.Looked(d.Policies)).To(Equal([]identity.Attribute{"ns:d", "pod:a", "pod:b", "pod:c", "pod:e", "port:out"}))
}

// step is one step of a ledger, whose text must be as good as itself.
func step(t interface{ Fatalf(string, ...any) }, l identity.Ledger, set object.Set, now time.Time) (identity.Book, identity.Ledger) {
	g := NewGomega(func(message string, _ ...int) { t.Fatalf("%s", message) })
	text, err := json.Marshal(l)
	g.Expect(err).NotTo(HaveOccurred())
	var read identity.Ledger
	g.Expect(json.Unmarshal(text, &read)).To(Succeed())
	book, next, err := l.Step(set, now)
	g.Expect(err).NotTo(HaveOccurred())
	again, _, err := read.Step(set, now)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again.Numbers).To(Equal(book.Numbers), "a ledger that was stored")
	g.Expect(slices.EqualFunc(again.Identities, book.Identities, identity.Identity.Equal)).To(BeTrue())
	return book, next
}

func numbersOf(b identity.Book) (all []uint32) {
	for _, i := range b.Identities {
		all = append(all, i.Number)
	}
	return all
}

// A label that a policy begins to look at is learned without another number where
// all who have one agree, and by new numbers where they do not; the old one keeps
// its rows, and says nothing that is not true of all who have it.
func TestRenumberingIsHitless(t *testing.T) {
	g := NewWithT(t)
	d := network("a/1 app=web x=1", "a/2 app=web x=2", "a/3 app=db x=1", "a/4 app=db x=1")
	d.Policies = []object.NetworkPolicy{looking("p", "pod:app")}
	before, l := step(t, identity.Ledger{}, valid(t, d), start)
	g.Expect(before.Identities).To(HaveLen(2))

	d.Policies = append(d.Policies, looking("q", "pod:x"))
	after, l := step(t, l, valid(t, d), start.Add(time.Second))
	g.Expect(after.Numbers["a/3"]).To(Equal(before.Numbers["a/3"]), "all that have it agree")
	g.Expect(after.Numbers["a/4"]).To(Equal(before.Numbers["a/4"]))
	old := before.Numbers["a/1"]
	g.Expect([]uint32{after.Numbers["a/1"], after.Numbers["a/2"]}).NotTo(ContainElement(old))
	g.Expect(after.Numbers["a/1"]).NotTo(Equal(after.Numbers["a/2"]))
	g.Expect(numbersOf(after)).To(ContainElement(old), "hosts may still meet it")
	for _, i := range after.Identities {
		if i.Number == old {
			_, _, known := i.Value(identity.Label("x"))
			g.Expect(known).To(BeFalse(), "some have 1, some 2")
		}
	}

	later, l := step(t, l, valid(t, d), start.Add(time.Second+identity.Linger))
	g.Expect(numbersOf(later)).To(ContainElement(old))
	later, l = step(t, l, valid(t, d), start.Add(2*time.Second+identity.Linger))
	g.Expect(numbersOf(later)).NotTo(ContainElement(old), "every host has heard of the new ones")
	g.Expect(later.Numbers).To(Equal(after.Numbers))

	// What nobody looks at any more is remembered for a while, then forgotten: one
	// number keeps serving where one is left, and new ones are given where several
	// have become the same.
	d.Policies = d.Policies[:1]
	now := start.Add(time.Minute + identity.Linger)
	still, l := step(t, l, valid(t, d), now)
	g.Expect(still.Numbers).To(Equal(after.Numbers))
	merged, l := step(t, l, valid(t, d), now.Add(time.Second+identity.Rest))
	g.Expect(merged.Numbers["a/1"]).To(Equal(merged.Numbers["a/2"]))
	g.Expect(merged.Numbers["a/1"]).NotTo(BeElementOf(old, after.Numbers["a/1"], after.Numbers["a/2"]))
	g.Expect(merged.Numbers["a/3"]).To(Equal(before.Numbers["a/3"]))
	g.Expect(numbersOf(merged)).To(ContainElements(after.Numbers["a/1"], after.Numbers["a/2"]))
	_, l = step(t, l, valid(t, d), now.Add(time.Minute+2*identity.Rest))
	text, err := json.Marshal(l)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(text)).NotTo(ContainSubstring("pod:x"), "all of it has rested")
}

// The number of an endpoint that went is not another's until it has rested, and is
// the same one's when it comes back.
func TestNumbersRest(t *testing.T) {
	g := NewWithT(t)
	policies := []object.NetworkPolicy{looking("p", "pod:app")}
	with := func(endpoints ...string) object.Set {
		d := network(endpoints...)
		d.Policies = policies
		return valid(t, d)
	}
	first, l := step(t, identity.Ledger{}, with("a/1 app=web"), start)
	_, l = step(t, l, with(), start.Add(time.Minute))
	other, l := step(t, l, with("a/1 app=db"), start.Add(2*time.Minute))
	g.Expect(other.Numbers["a/1"]).NotTo(Equal(first.Numbers["a/1"]))
	back, l := step(t, l, with("a/9 app=web"), start.Add(time.Hour))
	g.Expect(back.Numbers["a/9"]).To(Equal(first.Numbers["a/1"]))
	_, l = step(t, l, with(), start.Add(time.Hour))
	gone, _ := step(t, l, with("a/9 app=web"), start.Add(3*time.Hour))
	g.Expect(gone.Numbers["a/9"]).NotTo(Equal(first.Numbers["a/1"]), "forgotten, and numbers go on")
}

func TestWhoHasEndedIsNobody(t *testing.T) {
	g := NewWithT(t)
	d := network("a/1 app=web", "a/2 app=db")
	d.Endpoints[0].Phase = object.Failed
	book := identity.Fresh(valid(t, d))
	g.Expect(book.Numbers).To(HaveLen(1))
	g.Expect(book.Numbers).To(HaveKey("a/2"))
}

// meaning is what an endpoint has of an attribute.
func meaning(set object.Set, e object.Endpoint, a identity.Attribute) (string, bool) {
	kind, name, _ := strings.Cut(string(a), ":")
	of := e.Labels
	switch kind {
	case "ns":
		of = set.Namespace(e.Namespace).Labels
	case "port":
		value := identity.Ports(e.Ports, name)
		return value, value != ""
	}
	value, has := of[name]
	return value, has
}

func draw(t *rapid.T) object.Draft {
	var names []string
	for n := range rapid.IntRange(1, 5).Draw(t, "endpoints") {
		name := fmt.Sprintf("%s/%d", rapid.SampledFrom([]string{"a", "b"}).Draw(t, "namespace"), n)
		for _, key := range []string{"x", "y"} {
			if value := rapid.IntRange(0, 2).Draw(t, key); value > 0 {
				name += fmt.Sprintf(" %s=%d", key, value)
			}
		}
		names = append(names, name)
	}
	d := network(names...)
	for i := range d.Endpoints {
		if n := rapid.IntRange(0, 2).Draw(t, "http"); n > 0 {
			d.Endpoints[i].Ports = []object.Port{{Name: "http", Number: uint16(n)}}
		}
	}
	d.Namespaces = []object.Namespace{{Meta: object.Meta{Name: "a", Labels: map[string]string{"team": rapid.SampledFrom([]string{"p", "q"}).Draw(t, "team")}}}}
	for i, keys := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"pod:x", "pod:y", "ns:team", "port:http"}), 0, 3, rapid.ID[string]).Draw(t, "looked") {
		d.Policies = append(d.Policies, looking(fmt.Sprintf("p%d", i), keys))
	}
	return d
}

// What a number says is true of all who have it, and was of all who had it; and who
// is the same as before keeps its own unless it must be told from others.
func TestNumbersNeverLie(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		var l identity.Ledger
		now := start
		var before object.Set
		var had identity.Book
		seen := map[uint32]time.Time{} // when last in a book
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(1, 3000).Draw(t, "seconds")) * time.Second)
			set := valid(t, draw(t))
			book, next := step(t, l, set, now)
			says := map[uint32]identity.Identity{}
			for _, i := range book.Identities {
				says[i.Number] = i
			}
			looked := identity.Looked(set.Policies)
			truth := func(of object.Set, e object.Endpoint, number uint32, a identity.Attribute) {
				value, has, known := says[number].Value(a)
				want, wantHas := meaning(of, e, a)
				if known {
					g.Expect([]any{value, has}).To(Equal([]any{want, wantHas}), "%d says of %s's %s", number, e.Key(), a)
				}
			}
			for _, e := range set.Endpoints {
				if e.Self {
					continue
				}
				number := book.Numbers[e.Key()]
				g.Expect(number).To(BeNumerically(">", state.LastReservedIdentity))
				for _, a := range looked {
					_, _, known := says[number].Value(a)
					g.Expect(known).To(BeTrue(), "a policy looks at %s", a)
					truth(set, e, number, a)
				}
				g.Expect(says[number].Namespace).To(Equal(e.Namespace))
			}
			for _, e := range before.Endpoints {
				if e.Self {
					continue
				}
				number := had.Numbers[e.Key()]
				_, held := says[number]
				g.Expect(held || now.Sub(seen[number]) > identity.Linger).To(BeTrue(), "%d of %s is still on its way", number, e.Key())
				same, ok := set.Endpoint(e.Key())
				if !held || !ok || !maps.Equal(same.Labels, e.Labels) || !slices.Equal(same.Ports, e.Ports) || set.Namespace(e.Namespace).Labels["team"] != before.Namespace(e.Namespace).Labels["team"] {
					continue
				}
				for _, a := range []identity.Attribute{"pod:x", "pod:y", "ns:team", "port:http"} {
					truth(before, e, number, a)
				}
				if slices.Equal(looked, identity.Looked(before.Policies)) {
					g.Expect(book.Numbers[e.Key()]).To(Equal(number), "nothing has changed for %s", e.Key())
				}
			}
			for number := range says {
				at, was := seen[number]
				g.Expect(was && now.Sub(at) > identity.Rest).To(BeFalse(), "a number that has rested is not given while there are others")
				seen[number] = now
			}
			before, had, l = set, book, next
		}
	})
}

// Numbers given one by one are those that a step gives, and a step keeps them.
func TestAGiverGivesAsAStepDoes(t *testing.T) {
	g := NewWithT(t)
	policies := []object.NetworkPolicy{looking("p", "pod:app", "ns:team")}
	few := network("a/1 app=web", "a/2 app=db")
	few.Policies = policies
	_, l := step(t, identity.Ledger{}, valid(t, few), start)
	giver := l.Giver()
	more := network("a/1 app=web", "a/2 app=db", "a/3 app=web", "b/4 app=web x=1", "b/5 app=web x=2")
	more.Policies, more.Namespaces = policies, []object.Namespace{{Meta: object.Meta{Name: "b", Labels: map[string]string{"team": "t"}}}}
	set := valid(t, more)
	one := map[string]uint32{}
	var news []string
	for i := range set.Endpoints {
		e := &set.Endpoints[i]
		if e.Self {
			continue
		}
		given, fresh, err := giver.Give("red", e, set.Namespace(e.Namespace).Labels)
		g.Expect(err).NotTo(HaveOccurred())
		if one[e.Key()] = given.Number; fresh {
			news = append(news, e.Key())
		}
	}
	g.Expect(news).To(Equal([]string{"b/4"}))
	once, _ := step(t, l, set, start.Add(time.Second))
	after, _ := step(t, giver.Ledger(), set, start.Add(time.Second))
	g.Expect(once.Numbers).To(Equal(one))
	g.Expect(after.Numbers).To(Equal(one))
}
