// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"
	"slices"
	"time"

	"github.com/mizar-net/mizar/controlplane/object"
)

// What a tunnel adds to an IP packet, in bytes: the outer IP header, UDP, Geneve,
// the identity, the inner Ethernet header and, if there is one, another option.
const (
	header4      = 20
	header6      = 40
	tunnelHeader = 8 + 8 + 8 + 14
	otherOption  = 28
)

// The least that an MTU is lowered to, and for how long, in seconds.
const (
	least4  = 576
	least6  = 1280
	lowFor  = 600
	second  = time.Second
	fresh   = time.Second // how long a question stays open before it is asked anew
	relayed = 4           // how often a question may be relayed
)

// lowered is an underlay MTU to one host that a router has said.
type lowered struct {
	mtu int
	// since is in whole seconds.
	since time.Duration
}

// TooBig makes a host hear from a router of the underlay that its tunnel packets
// to another one may have at most mtu bytes.
func (o *Oracle) TooBig(host, peer string, mtu int) {
	n := o.nodes[host]
	if n == nil || !n.knows(peer) {
		return
	}
	mtu = max(mtu, map[int]int{header4: least4, header6: least6}[n.outer(peer)])
	if mtu < n.mtu(peer) {
		n.lowered[peer] = lowered{mtu, o.now(host) / second}
	}
}

// mtu is the largest outer IP packet that gets from here to another host.
func (n *node) mtu(peer string) int {
	own, _ := n.set.Host(n.name)
	if low, ok := n.lowered[peer]; ok {
		return min(low.mtu, own.MTU)
	}
	return own.MTU
}

// outer is the size of the outer IP header to another host: of the first of this
// host's addresses whose family the other one has.
func (n *node) outer(peer string) int {
	own, _ := n.set.Host(n.name)
	its, _ := n.set.Host(peer)
	for _, a := range own.Addresses {
		if slices.ContainsFunc(its.Addresses, func(b netip.Addr) bool { return a.Is4() == b.Is4() }) && a.Is4() {
			return header4
		} else if slices.ContainsFunc(its.Addresses, netip.Addr.Is6) && a.Is6() {
			return header6
		}
	}
	return header4
}

// fits says whether a packet of so many bytes fits into a tunnel to another host
// with every option, and what does. A lowered MTU is forgotten after ten minutes,
// by the first packet that it would stop.
func (o *Oracle) fits(n *node, peer string, length int) (most int, ok bool) {
	need := length + n.outer(peer) + tunnelHeader + otherOption
	low, is := n.lowered[peer]
	if need > n.mtu(peer) && is && o.now(n.name)/second-low.since >= lowFor {
		delete(n.lowered, peer)
	}
	return n.mtu(peer) - n.outer(peer) - tunnelHeader - otherOption, need <= n.mtu(peer)
}

// endpointMTU is the largest IP packet that an endpoint may send: it fits through
// the smallest underlay with every option.
func endpointMTU(set object.Set) int {
	least, outer := 65535, header4
	for _, h := range set.Hosts {
		least = min(least, h.MTU)
		if slices.ContainsFunc(h.Addresses, netip.Addr.Is6) {
			outer = header6
		}
	}
	return least - outer - tunnelHeader - otherOption
}
