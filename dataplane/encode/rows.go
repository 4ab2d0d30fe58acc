// SPDX-License-Identifier: Apache-2.0

// Package encode turns what one host must hold into the rows of its maps.
//
// It is pure: [Encode] depends on the state, the facts of the machine and the
// numbers given before, and on nothing else. The layout of rows is that of
// bpf/include/types.h; here is what stands in them.
package encode

import (
	"bytes"
	"cmp"
	"net/netip"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/state"
)

// Rows are all rows of one host, by map.
type Rows struct {
	Hosts     map[uint32]bpf.RowHost
	Subnets   map[uint32]bpf.RowSubnet
	VPCs      map[uint32]bpf.RowVpc
	Endpoints map[uint32]bpf.RowEndpoint
	Uplinks   map[uint32]bpf.RowUplink
	Peers     map[bpf.RowUnderlayKey]bpf.RowPeer
	PeerSlots map[uint32]bpf.RowPeerSlot
	Locals    map[bpf.RowAddrKey]bpf.RowLocal
	Ports     map[uint32]bpf.RowPort
	Directory map[bpf.RowAddrKey]bpf.RowLocation
	Routes    map[bpf.RowPrefixKey]bpf.RowRoute

	PolicySets     map[uint32]bpf.RowPolicySet
	PolicyPeers    map[bpf.RowPolicyPeerKey]bpf.RowJudgement
	PolicyPrefixes map[bpf.RowPolicyPrefixKey]bpf.RowJudgement
	PolicyPorts    map[bpf.RowPolicyPortKey]bpf.RowJudgement

	Services Kept[bpf.RowServiceKey, bpf.RowService]
	// Blocks have the rows of choices and backends, which are too many to be made as
	// long as nobody asks for them.
	Blocks Kept[string, Block]
	// Change is how services and blocks differ from those of the index before.
	Change *Change
}

// None are the rows of a host whose maps are known to be empty.
func None() Rows { return newRows(state.Host{}) }

// newRows has no rows yet, and room for those that there are many of.
func newRows(s state.Host) Rows {
	return Rows{
		Hosts:     map[uint32]bpf.RowHost{},
		Subnets:   map[uint32]bpf.RowSubnet{},
		VPCs:      map[uint32]bpf.RowVpc{},
		Endpoints: map[uint32]bpf.RowEndpoint{},
		Uplinks:   map[uint32]bpf.RowUplink{},
		Peers:     map[bpf.RowUnderlayKey]bpf.RowPeer{},
		PeerSlots: map[uint32]bpf.RowPeerSlot{},
		Locals:    make(map[bpf.RowAddrKey]bpf.RowLocal, 2*len(s.Endpoints)),
		Ports:     map[uint32]bpf.RowPort{},
		Directory: make(map[bpf.RowAddrKey]bpf.RowLocation, len(s.Directory)),
		Routes:    map[bpf.RowPrefixKey]bpf.RowRoute{},

		PolicySets:     map[uint32]bpf.RowPolicySet{},
		PolicyPeers:    map[bpf.RowPolicyPeerKey]bpf.RowJudgement{},
		PolicyPrefixes: map[bpf.RowPolicyPrefixKey]bpf.RowJudgement{},
		PolicyPorts:    map[bpf.RowPolicyPortKey]bpf.RowJudgement{},

		Services: KeptNone[bpf.RowServiceKey, bpf.RowService](),
		Blocks:   KeptNone[string, Block](),
	}
}

// CompareAddr orders keys by VNI, then address.
func CompareAddr(a, b bpf.RowAddrKey) int {
	return cmp.Or(cmp.Compare(a.Vni, b.Vni), bytes.Compare(a.Addr[:], b.Addr[:]))
}

// CompareUnderlay orders keys by address.
func CompareUnderlay(a, b bpf.RowUnderlayKey) int {
	return bytes.Compare(a.Addr[:], b.Addr[:])
}

// ComparePrefix orders keys by VNI, address and length.
func ComparePrefix(a, b bpf.RowPrefixKey) int {
	return cmp.Or(cmp.Compare(a.Vni, b.Vni), bytes.Compare(a.Addr[:], b.Addr[:]),
		cmp.Compare(a.Prefixlen, b.Prefixlen))
}

// ComparePeer orders keys by set, then identity, and those of ports before all others,
// which refer to them.
func ComparePeer(a, b bpf.RowPolicyPeerKey) int {
	return cmp.Or(cmp.Compare(b.Identity&singlePort, a.Identity&singlePort), cmp.Compare(a.Set, b.Set), cmp.Compare(a.Identity, b.Identity))
}

// ComparePolicyPrefix orders keys by set, address and length.
func ComparePolicyPrefix(a, b bpf.RowPolicyPrefixKey) int {
	return cmp.Or(cmp.Compare(a.Set, b.Set), bytes.Compare(a.Addr[:], b.Addr[:]),
		cmp.Compare(a.Prefixlen, b.Prefixlen))
}

// ComparePort orders keys by class, protocol, port and length.
func ComparePort(a, b bpf.RowPolicyPortKey) int {
	return cmp.Or(cmp.Compare(a.Class, b.Class), cmp.Compare(a.Protocol, b.Protocol),
		cmp.Compare(a.Port, b.Port), cmp.Compare(a.Prefixlen, b.Prefixlen))
}

// CompareService orders keys by VNI, address, protocol and port.
func CompareService(a, b bpf.RowServiceKey) int {
	return cmp.Or(cmp.Compare(a.Vni, b.Vni), bytes.Compare(a.Addr[:], b.Addr[:]),
		cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port))
}

// CompareFlow orders keys by VNI, protocol, addresses and ports.
func CompareFlow(a, b bpf.RowFlowKey) int {
	return cmp.Or(cmp.Compare(a.VniProtocol, b.VniProtocol),
		bytes.Compare(a.Addr[0][:], b.Addr[0][:]), bytes.Compare(a.Addr[1][:], b.Addr[1][:]),
		cmp.Compare(a.Port[0], b.Port[0]), cmp.Compare(a.Port[1], b.Port[1]))
}

// Addr is the key of an address inside a VPC; IPv4 stands as ::ffff:a.b.c.d.
func Addr(vni uint32, addr netip.Addr) bpf.RowAddrKey {
	return bpf.RowAddrKey{Vni: vni, Addr: addr.As16()}
}

// Underlay is the key of an address of the underlay.
func Underlay(addr netip.Addr) bpf.RowUnderlayKey {
	return bpf.RowUnderlayKey{Addr: addr.As16()}
}
