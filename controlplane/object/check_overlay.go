// SPDX-License-Identifier: Apache-2.0

package object

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"net"
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/controlplane/object/strict"
)

func (c *checker) checkSubnets() {
	for i := range c.set.Subnets {
		s := &c.set.Subnets[i]
		if _, ok := c.vpcs[s.VPC]; !ok {
			c.fail(KindSubnet, s.Meta, "spec.vpc", strict.Quote(s.VPC), "the name of a VPC")
		}
		c.checkCIDRs(s)
		c.checkGateways(s)
		s.Bouncers = c.placement(KindSubnet, s.Meta, "spec.bouncers", s.Bouncers)
	}
	c.checkOverlap()
}

func (c *checker) checkCIDRs(s *Subnet) {
	fail := func(field, got, want string) { c.fail(KindSubnet, s.Meta, field, got, want) }
	if len(s.CIDRs) == 0 || len(s.CIDRs) > 2 {
		fail("spec.cidrs", fmt.Sprintf("%d prefixes", len(s.CIDRs)), "one or two, one a family")
	}
	for i, cidr := range s.CIDRs {
		field := fmt.Sprintf("spec.cidrs[%d]", i)
		switch {
		case !cidr.IsValid() || cidr.Addr().Is4In6() || cidr != cidr.Masked():
			fail(field, cidr.String(), "an IPv4 or IPv6 prefix without host bits")
		case cidr.Bits() > cidr.Addr().BitLen()-2:
			fail(field, cidr.String(), fmt.Sprintf("room for endpoints beside network and gateway: at most /%d", cidr.Addr().BitLen()-2))
		case !Carried(cidr):
			fail(field, cidr.String(), "unicast addresses that can be routed")
		}
	}
	if len(s.CIDRs) == 2 && s.CIDRs[0].Addr().Is4() == s.CIDRs[1].Addr().Is4() {
		fail("spec.cidrs[1]", s.CIDRs[1].String()+", a second prefix of one family", "one prefix a family")
	}
}

// checkGateways puts the gateways in the order of the prefixes, or fills them
// in.
func (c *checker) checkGateways(s *Subnet) {
	fail := func(field, got, want string) { c.fail(KindSubnet, s.Meta, field, got, want) }
	if len(s.Gateways) == 0 {
		for _, cidr := range s.CIDRs {
			s.Gateways = append(s.Gateways, cidr.Addr().Next())
		}
		return
	}
	if len(s.Gateways) != len(s.CIDRs) {
		fail("spec.gateways", fmt.Sprintf("%d for %d prefixes", len(s.Gateways), len(s.CIDRs)), "one for each prefix, or none at all")
		return
	}
	ordered := make([]netip.Addr, len(s.CIDRs))
	for i, gateway := range s.Gateways {
		at := slices.IndexFunc(s.CIDRs, func(p netip.Prefix) bool { return p.Contains(gateway) })
		field := fmt.Sprintf("spec.gateways[%d]", i)
		switch {
		case at < 0:
			fail(field, gateway.String(), fmt.Sprintf("an address inside of %v", s.CIDRs))
		case reserved(s.CIDRs[at], gateway):
			fail(field, gateway.String(), fmt.Sprintf("neither the network's nor the broadcast address of %s", s.CIDRs[at]))
		case ordered[at].IsValid():
			fail(field, gateway.String(), fmt.Sprintf("one gateway in %s", s.CIDRs[at]))
		default:
			ordered[at] = gateway
		}
	}
	s.Gateways = ordered
}

// written is a prefix and where it was written.
type written struct {
	cidr  netip.Prefix
	of    *Subnet
	index int // in CIDRs
	order int // of the subnet
}

// checkOverlap finds subnets of one VPC that have addresses in common. Sorted
// by address and then length, a prefix that overlaps any before it overlaps
// the last one that overlapped none.
func (c *checker) checkOverlap() {
	byVPC := map[string][]written{}
	for i := range c.set.Subnets {
		s := &c.set.Subnets[i]
		for j, cidr := range s.CIDRs {
			if cidr.IsValid() {
				byVPC[s.VPC] = append(byVPC[s.VPC], written{cidr, s, j, i})
			}
		}
	}
	for _, vpc := range slices.Sorted(maps.Keys(byVPC)) {
		all := byVPC[vpc]
		slices.SortFunc(all, func(a, b written) int {
			return cmp.Or(a.cidr.Addr().Compare(b.cidr.Addr()), cmp.Compare(a.cidr.Bits(), b.cidr.Bits()), cmp.Compare(a.order, b.order))
		})
		last := all[0]
		for _, p := range all[1:] {
			if !p.cidr.Overlaps(last.cidr) || p.of == last.of {
				last = p
				continue
			}
			c.failOverlap(last, p)
		}
	}
}

// failOverlap blames the subnet that was written later.
func (c *checker) failOverlap(first, second written) {
	if first.order > second.order {
		first, second = second, first
	}
	c.fail(KindSubnet, second.of.Meta, fmt.Sprintf("spec.cidrs[%d]", second.index),
		fmt.Sprintf("%s, which overlaps %s of subnet %s%s", second.cidr, first.cidr, first.of.Name, writtenAt(first.of.Meta)),
		"no two subnets of VPC "+second.of.VPC+" with addresses in common")
}

func (c *checker) checkEndpoints() {
	taken := map[addressOf]*Endpoint{}
	for i := range c.set.Endpoints {
		e := &c.set.Endpoints[i]
		e.Identity = 0
		fail := func(field, got, want string) { c.failEndpoint(e, field, got, want) }
		if _, ok := c.hosts[e.Host]; !ok {
			fail("spec.host", strict.Quote(e.Host), "the name of a host")
		}
		onePerFamily("spec.addresses", e.Addresses, fail)
		if e.Self && !c.inDefault(e) {
			continue
		}
		s, ok := c.subnets[e.Subnet]
		if !ok {
			fail("spec.subnet", strict.Quote(e.Subnet), "the name of a subnet")
			continue
		}
		c.checkAddresses(e, s, taken)
		if v, ok := c.vpcs[s.VPC]; ok {
			c.checkMAC(e, v)
		}
		c.checkPorts(e)
		if e.Generation == 0 {
			e.Generation = defaultGeneration(*e)
		}
	}
}

// addressOf is an address inside a VPC.
type addressOf struct {
	vpc  string
	addr netip.Addr
}

func (c *checker) checkAddresses(e *Endpoint, s *Subnet, taken map[addressOf]*Endpoint) {
	for i, addr := range e.Addresses {
		fail := func(got, want string) {
			c.failEndpoint(e, fmt.Sprintf("spec.addresses[%d]", i), got, want)
		}
		at := slices.IndexFunc(s.CIDRs, func(p netip.Prefix) bool { return p.Contains(addr) })
		key := addressOf{s.VPC, addr}
		other, double := taken[key]
		switch {
		case at < 0:
			fail(addr.String(), fmt.Sprintf("an address inside subnet %s, %v", s.Name, s.CIDRs))
		case reserved(s.CIDRs[at], addr):
			fail(addr.String(), fmt.Sprintf("neither the network's nor the broadcast address of %s", s.CIDRs[at]))
		case slices.Contains(s.Gateways, addr):
			fail(addr.String()+", the gateway's address", "another address of subnet "+s.Name)
		case e.Ended():
		case double:
			fail(fmt.Sprintf("%s, the address of endpoint %s%s", addr, other.Key(), writtenAt(other.Meta)), "an address of its own for each endpoint of VPC "+s.VPC)
		default:
			taken[key] = e
		}
	}
}

func (c *checker) checkMAC(e *Endpoint, v *VPC) {
	if e.MAC == [6]byte{} && len(e.Addresses) > 0 {
		e.MAC = defaultMAC(v.VNI, e.Addresses[0])
	}
	shown := net.HardwareAddr(e.MAC[:]).String()
	if e.MAC[0]&1 != 0 {
		c.failEndpoint(e, "spec.mac", shown, "a unicast address: the lowest bit of the first byte is 0")
	}
	if e.MAC == GatewayMAC(v.VNI) {
		c.failEndpoint(e, "spec.mac", shown+", the gateway's address", "another one")
	}
}

// GatewayMAC is the Ethernet address of every gateway in a VPC.
func GatewayMAC(vni uint32) [6]byte {
	return [6]byte{0x02, 0x4d, 0x5a, byte(vni >> 16), byte(vni >> 8), byte(vni)}
}

func defaultMAC(vni uint32, first netip.Addr) [6]byte {
	h := fnv.New32a()
	fmt.Fprintf(h, "%d/%s", vni, first)
	mac := [6]byte{0x02}
	binary.BigEndian.PutUint32(mac[2:], h.Sum32())
	return mac
}

// User names what is told apart by generations: an endpoint's name, MAC and
// labels, as one text. Where it lives is no part of it.
func (e Endpoint) User() string {
	text := fmt.Sprintf("%s %x", e.Key(), e.MAC)
	for _, key := range slices.Sorted(maps.Keys(e.Labels)) {
		text += fmt.Sprintf(" %q=%q", key, e.Labels[key])
	}
	return text
}

// defaultGeneration is 1 to 255.
func defaultGeneration(e Endpoint) uint8 {
	h := fnv.New32a()
	fmt.Fprint(h, e.User())
	return uint8(1 + h.Sum32()%math.MaxUint8)
}

// reserved says that an address of a prefix is not for endpoints: the first
// one, and in IPv4 the last.
func reserved(p netip.Prefix, addr netip.Addr) bool {
	return addr == p.Addr() || (addr.Is4() && !p.Contains(addr.Next()))
}

// notCarried are addresses that no host or endpoint can have: unspecified,
// loopback, link-local, mapped, multicast, reserved.
var notCarried = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("224.0.0.0/3"),
	netip.MustParsePrefix("::/8"), netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("ff00::/8"),
}

// Carried says that all addresses of a prefix are unicast and can be routed: that a
// host, an endpoint or a frontend can have them.
func Carried(p netip.Prefix) bool {
	return !slices.ContainsFunc(notCarried, p.Overlaps)
}
