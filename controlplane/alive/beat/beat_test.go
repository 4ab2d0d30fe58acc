// SPDX-License-Identifier: Apache-2.0

package beat_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/controlplane/alive"
	"github.com/mizar-net/mizar/controlplane/alive/beat"
	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
)

// hang is how long a test waits for what comes at once.
const hang = 20 * time.Second

func TestMessagesAreReadAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		m := beat.Message{
			Kind: rapid.SampledFrom([]beat.Kind{beat.Ask, beat.Answer}).Draw(t, "kind"),
			Host: rapid.StringMatching(`[a-z0-9.-]{1,63}`).Draw(t, "host"),
			Boot: rapid.Uint64().Draw(t, "boot"), Sequence: rapid.Uint64().Draw(t, "sequence"),
		}
		whole := m.Append(nil)
		g.Expect(beat.Parse(whole)).To(Equal(m))
		_, err := beat.Parse(whole[:rapid.IntRange(0, len(whole)-1).Draw(t, "cut")])
		g.Expect(err).To(HaveOccurred())
		_, err = beat.Parse(append(whole, 0))
		g.Expect(err).To(HaveOccurred())
		for i := range 8 { // the fixed part but the name's length
			broken := m.Append(nil)
			broken[i] ^= 0x80
			_, err = beat.Parse(broken)
			g.Expect(err).To(HaveOccurred(), "byte %d", i)
		}
	})
}

// One of very many hosts asks only those whose roles it uses.
func TestMessagesAreAsManyAsRolesAreUsed(t *testing.T) {
	g := NewWithT(t)
	const hosts, subnets = 200, 4
	d := object.Draft{VPCs: []object.VPC{{Meta: object.Meta{Name: "red"}, VNI: 7}}}
	for n := range subnets {
		d.Subnets = append(d.Subnets, object.Subnet{
			Meta: object.Meta{Name: fmt.Sprintf("s%d", n)}, VPC: "red",
			CIDRs: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n), 0, 0}), 16)},
		})
	}
	for i := range hosts {
		name := fmt.Sprintf("h%d", i)
		d.Hosts = append(d.Hosts, object.Host{Meta: object.Meta{Name: name}, Addresses: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)})}})
		d.Endpoints = append(d.Endpoints, object.Endpoint{
			Meta: object.Meta{Name: name, Namespace: "default"}, Subnet: fmt.Sprintf("s%d", i%subnets), Host: name,
			Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, byte(i % subnets), 1, byte(i)})},
		})
	}
	set, err := object.New(d)
	g.Expect(err).NotTo(HaveOccurred())
	total := 0
	for _, h := range compile.Hosts(set) {
		watched := beat.Watched(h)
		g.Expect(watched).NotTo(ContainElement(h.Name))
		g.Expect(len(watched)).To(BeNumerically("<=", object.DefaultRoles*(subnets+1)), "dividers watch all bouncers")
		total += len(watched)
	}
	// Every host uses two bouncers and two dividers; dividers and bouncers see
	// more.
	g.Expect(total).To(BeNumerically("<", hosts*(2*object.DefaultRoles+1)))
	g.Expect(total).To(BeNumerically(">", hosts*object.DefaultRoles))
}

// clock is one for both hosts, moved by the test.
type clock struct {
	mu  sync.Mutex
	now time.Duration
}

func (c *clock) Now() (time.Duration, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now, nil
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now += d
}

// cable is two namespaces and a veth pair between them.
type cable struct {
	spaces [2]netns.NsHandle
	links  [2]*netlink.Handle
}

var addresses = [2][]netip.Addr{
	{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")},
	{netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::2")},
}

func lay(t *testing.T) *cable {
	t.Helper()
	g := NewWithT(t)
	c := &cable{}
	for i := range c.spaces {
		in(t, netns.None(), func() {
			var err error
			c.spaces[i], err = netns.New()
			g.Expect(err).NotTo(HaveOccurred(), "root is needed")
			c.links[i], err = netlink.NewHandle()
			g.Expect(err).NotTo(HaveOccurred())
		})
		t.Cleanup(func() { c.links[i].Close(); c.spaces[i].Close() })
	}
	g.Expect(c.links[0].LinkAdd(&netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: "wire"}, PeerName: "wire", PeerNamespace: netlink.NsFd(c.spaces[1]),
	})).To(Succeed())
	for i, h := range c.links {
		g.Expect(h.LinkSetUp(c.wire(g, i))).To(Succeed())
		for _, a := range append(addresses[i], netip.AddrFrom4([4]byte{192, 0, 2, byte(10 + i)})) {
			bits := 24
			if a.Is6() {
				bits = 64
			}
			g.Expect(h.AddrAdd(c.wire(g, i), &netlink.Addr{
				IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(bits, a.BitLen())}, Flags: unix.IFA_F_NODAD,
			})).To(Succeed())
		}
	}
	return c
}

func (c *cable) wire(g Gomega, i int) netlink.Link {
	l, err := c.links[i].LinkByName("wire")
	g.Expect(err).NotTo(HaveOccurred())
	return l
}

// in runs do in a namespace, or anywhere where it may make one.
func in(t *testing.T, space netns.NsHandle, do func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	defer home.Close()
	if space.IsOpen() {
		NewWithT(t).Expect(netns.Set(space)).To(Succeed())
	}
	do()
	NewWithT(t).Expect(netns.Set(home)).To(Succeed())
}

// side is one host at the cable.
type side struct {
	*beat.Beat
	ticks chan time.Time
	stop  context.CancelCauseFunc
	ended chan error

	mu   sync.Mutex
	told [][]string
}

var errStopped = errors.New("the test stops it")

func (c *cable) host(t *testing.T, i int, clock beat.Clock, family func(netip.Addr) bool) *side {
	t.Helper()
	g := NewWithT(t)
	s := &side{ticks: make(chan time.Time), ended: make(chan error, 1)}
	config := beat.Config{Host: fmt.Sprintf("h%d", i+1), Boot: uint64(i + 77), Detector: alive.Default(), Clock: clock}
	for _, a := range addresses[i] {
		if family(a) {
			config.Addresses = append(config.Addresses, a)
		}
	}
	in(t, c.spaces[i], func() {
		var err error
		s.Beat, err = beat.Listen(config)
		g.Expect(err).NotTo(HaveOccurred())
	})
	other := state.Peer{Name: fmt.Sprintf("h%d", 2-i), Addresses: addresses[1-i]}
	s.Watch([]state.Peer{other}, []string{other.Name})
	ctx, stop := context.WithCancelCause(context.Background())
	s.stop = stop
	go func() {
		s.ended <- s.Run(ctx, s.ticks, func(dead []string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.told = append(s.told, dead)
		})
	}()
	t.Cleanup(func() { s.end(t) })
	return s
}

func (s *side) end(t *testing.T) {
	t.Helper()
	if s.stop == nil {
		return
	}
	s.stop(errStopped)
	s.stop = nil
	NewWithT(t).Expect(<-s.ended).To(MatchError(errStopped))
}

// says are all changes it has told so far.
func (s *side) says() [][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([][]string{}, s.told...)
}

// beats lets one interval pass at a host and waits for the answer.
func (s *side) beats(t *testing.T, c *clock) {
	t.Helper()
	heard := s.Counts().Heard
	c.pass(alive.Default().Interval)
	s.ticks <- time.Time{}
	NewWithT(t).Eventually(func() uint64 { return s.Counts().Heard }, hang, time.Millisecond).Should(Equal(heard + 1))
}

// misses lets one interval pass in which nobody answers.
func (s *side) misses(c *clock) {
	c.pass(alive.Default().Interval)
	s.ticks <- time.Time{}
}

// settle waits until the last tick has been worked off: the next one is taken only
// then, and no time passes.
func (s *side) settle() { s.ticks <- time.Time{} }

func both(netip.Addr) bool { return true }

// A host that stops is dead to the other within a second by the clock, over either
// family.
func TestTheDeathOfAHostIsToldWithinASecond(t *testing.T) {
	for name, family := range map[string]func(netip.Addr) bool{"v4": netip.Addr.Is4, "v6": netip.Addr.Is6, "both": both} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			c, now := lay(t), &clock{now: time.Hour}
			one, two := c.host(t, 0, now, family), c.host(t, 1, now, family)
			for range 10 {
				one.beats(t, now)
			}
			g.Expect(two.Counts()).To(And(HaveField("Answered", BeEquivalentTo(10)), HaveField("Asked", BeZero())), "who answers sends nothing else")
			g.Expect(one.says()).To(BeEmpty())

			two.end(t)
			last := now.now
			for len(one.says()) == 0 {
				g.Expect(now.now-last).To(BeNumerically("<", time.Second), "it is not told")
				one.misses(now)
				if now.now-last >= alive.Default().DeadAfter {
					g.Eventually(one.says, hang, time.Millisecond).ShouldNot(BeEmpty())
				}
			}
			g.Expect(now.now - last).To(BeNumerically("<=", time.Second))
			g.Expect(one.says()).To(Equal([][]string{{"h2"}}))
		})
	}
}

// Lost heartbeats and a link that flaps change nothing; what is dead comes back
// with the second heartbeat in a row.
func TestFlappingDoesNotCount(t *testing.T) {
	g := NewWithT(t)
	c, now := lay(t), &clock{now: time.Hour}
	one, two := c.host(t, 0, now, netip.Addr.Is4), c.host(t, 1, now, netip.Addr.Is4)
	// Two does not answer while it does not know one.
	down := func() { two.Watch(nil, nil) }
	up := func() { two.Watch([]state.Peer{{Name: "h1", Addresses: addresses[0]}}, nil) }
	lost := func() {
		rejected := two.Counts().Rejected
		one.misses(now)
		g.Eventually(func() uint64 { return two.Counts().Rejected }, hang, time.Millisecond).Should(Equal(rejected + 1))
	}
	for range 5 {
		one.beats(t, now)
		down()
		lost()
		lost()
		up()
		one.beats(t, now)
	}
	g.Expect(one.says()).To(BeEmpty())

	down()
	for range 6 {
		lost()
	}
	g.Expect(one.says()).To(Equal([][]string{{"h2"}}))
	up()
	one.beats(t, now)
	one.beats(t, now) // by now the first is judged
	g.Expect(one.says()).To(HaveLen(1), "one is not enough")
	one.beats(t, now)
	g.Eventually(one.says, hang, time.Millisecond).Should(Equal([][]string{{"h2"}, nil}))
}

// What is not from a host of ours, in its own name and in answer to a question,
// counts for nothing and is not answered.
func TestForgedHeartbeatsCountForNothing(t *testing.T) {
	g := NewWithT(t)
	c, now := lay(t), &clock{now: time.Hour}
	one := c.host(t, 0, now, netip.Addr.Is4)
	one.misses(now)
	one.settle()
	socket := func(from string) (s *net.UDPConn) {
		in(t, c.spaces[1], func() {
			var err error
			s, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(from)))
			g.Expect(err).NotTo(HaveOccurred())
			t.Cleanup(func() { s.Close() })
		})
		return s
	}
	peer, stranger, port := socket("192.0.2.2:6082"), socket("192.0.2.11:6082"), socket("192.0.2.2:7000")
	question := beat.Message{Kind: beat.Ask, Host: "h2", Boot: 1, Sequence: 1}
	answer := beat.Message{Kind: beat.Answer, Host: "h2", Boot: 77, Sequence: 1}
	other := func(m beat.Message, change func(*beat.Message)) beat.Message { change(&m); return m }
	to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(addresses[0][0], beat.Port))
	for i, forged := range []struct {
		name string
		from *net.UDPConn
		data []byte
	}{
		{"a question of a stranger", stranger, question.Append(nil)},
		{"a question from another port", port, question.Append(nil)},
		{"a question in another's name", peer, other(question, func(m *beat.Message) { m.Host = "h3" }).Append(nil)},
		{"garbage", peer, []byte("mzhb and something else that is long enough")},
		{"an answer of a stranger", stranger, answer.Append(nil)},
		{"an answer to another process", peer, other(answer, func(m *beat.Message) { m.Boot = 78 }).Append(nil)},
		{"an answer to a question to come", peer, other(answer, func(m *beat.Message) { m.Sequence = 9 }).Append(nil)},
		{"an answer to none", peer, other(answer, func(m *beat.Message) { m.Sequence = 0 }).Append(nil)},
	} {
		_, err := forged.from.WriteToUDP(forged.data, to)
		g.Expect(err).NotTo(HaveOccurred())
		g.Eventually(func() uint64 { return one.Counts().Rejected }, hang, time.Millisecond).Should(BeEquivalentTo(i+1), forged.name)
	}
	g.Expect(one.Counts()).To(And(HaveField("Heard", BeZero()), HaveField("Answered", BeZero())))

	for range 2 { // the second time it is a copy
		_, err := peer.WriteToUDP(answer.Append(nil), to)
		g.Expect(err).NotTo(HaveOccurred())
	}
	g.Eventually(one.Counts, hang, time.Millisecond).Should(And(HaveField("Heard", BeEquivalentTo(1)), HaveField("Rejected", BeEquivalentTo(9))))
}

func TestListeningWithoutAnAddressSaysSo(t *testing.T) {
	_, err := beat.Listen(beat.Config{Host: "h1", Detector: alive.Default()})
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("host h1: it has no underlay address")))
	_, err = beat.Listen(beat.Config{Host: "h1", Detector: alive.Default(), Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.250")}})
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("listen for heartbeats of host h1")))
}
