// SPDX-License-Identifier: Apache-2.0

package encode_test

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/encode"
)

// dump prints all rows in order of maps and keys.
func dump(r encode.Rows) string {
	var b strings.Builder
	section(&b, "hosts", r.Hosts, cmp.Compare[uint32], func(k uint32, v bpf.RowHost) string {
		return fmt.Sprintf("%d: to %s from %s, IPv%d, next hop %s, uplink %d %s, seed %#x, mtu %d, vlan %d, checksum %#04x", k,
			ip(v.Addr), ip(v.Source), v.Family, mac(v.NextHop.Octet), v.Ifindex, mac(v.Uplink.Octet), v.Seed, v.Mtu, v.Vlan, v.Checksum)
	})
	section(&b, "vpcs", r.VPCs, cmp.Compare[uint32], func(k uint32, v bpf.RowVpc) string {
		return fmt.Sprintf("%#x: divider %d, dividers %d", k, v.Divider, v.Dividers.Host[:v.Dividers.Count])
	})
	section(&b, "subnets", r.Subnets, cmp.Compare[uint32], func(k uint32, v bpf.RowSubnet) string {
		return fmt.Sprintf("%d: vni %#x, gateways %s %s, bouncer %d, bouncers %d", k, v.Vni,
			netip.AddrFrom4(v.Gateway4), ip(v.Gateway6), v.Bouncer, v.Bouncers.Host[:v.Bouncers.Count])
	})
	section(&b, "endpoints", r.Endpoints, cmp.Compare[uint32], func(k uint32, v bpf.RowEndpoint) string {
		return fmt.Sprintf("%d: vni %#x, port %d, subnet %d, identity %#x, generation %d, %s/%s %s/%s, mac %s, gateway %s", k, v.Vni,
			v.Ifindex, v.Subnet, v.Identity, v.Generation, netip.AddrFrom4(v.V4), net.IPMask(v.Mask4[:]), ip(v.V6),
			net.IPMask(v.Mask6[:]), mac(v.Mac.Octet), mac(v.Gateway.Octet))
	})
	section(&b, "uplinks", r.Uplinks, cmp.Compare[uint32], func(k uint32, v bpf.RowUplink) string {
		return fmt.Sprintf("%d: %s %s vlan %d", k, ip(v.V4), ip(v.V6), v.Vlan)
	})
	section(&b, "peer_slots", r.PeerSlots, cmp.Compare[uint32], func(k uint32, v bpf.RowPeerSlot) string {
		return fmt.Sprintf("%d: %s is host %d", k, netip.AddrFrom16(v.Addr), v.Host)
	})
	section(&b, "peers", r.Peers, encode.CompareUnderlay, func(k bpf.RowUnderlayKey, v bpf.RowPeer) string {
		return fmt.Sprintf("%s: host %d", ip(k.Addr), v.Host)
	})
	section(&b, "locals", r.Locals, encode.CompareAddr, func(k bpf.RowAddrKey, v bpf.RowLocal) string {
		return fmt.Sprintf("%#x %s: endpoint %d", k.Vni, ip(k.Addr), v.Endpoint)
	})
	section(&b, "ports", r.Ports, cmp.Compare[uint32], func(k uint32, v bpf.RowPort) string {
		return fmt.Sprintf("%d: interface %d, endpoint %d", k, v.Ifindex, v.Endpoint)
	})
	section(&b, "directory", r.Directory, encode.CompareAddr, func(k bpf.RowAddrKey, v bpf.RowLocation) string {
		return fmt.Sprintf("%#x %s: host %d, identity %#x, subnet %d, generation %d", k.Vni, ip(k.Addr), v.Host, v.Identity, v.Subnet, v.Generation)
	})
	section(&b, "routes", r.Routes, encode.ComparePrefix, func(k bpf.RowPrefixKey, v bpf.RowRoute) string {
		return fmt.Sprintf("%08x %s/%d: subnet %d", k.Vni, ip(k.Addr), k.Prefixlen, v.Subnet)
	})
	return b.String()
}

func section[K, V comparable](b *strings.Builder, name string, rows map[K]V, compare func(a, b K) int, line func(K, V) string) {
	fmt.Fprintf(b, "%s\n", name)
	for _, k := range slices.SortedFunc(maps.Keys(rows), compare) {
		fmt.Fprintf(b, "  %s\n", line(k, rows[k]))
	}
}

func ip(a [16]byte) string { return netip.AddrFrom16(a).String() }

func mac(m [6]byte) string { return net.HardwareAddr(m[:]).String() }
