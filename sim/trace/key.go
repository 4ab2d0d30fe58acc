// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/sim/wire"
)

// Key is the key of a map's row as people read it. Keys of maps that it does
// not know, or of an unexpected length, are shown in hexadecimal.
func Key(table string, key []byte) string {
	if len(key) == 0 {
		return ""
	}
	switch table {
	case bpf.RowTableTABLE_LOCALS.String(), bpf.RowTableTABLE_PATHS.String(), bpf.RowTableTABLE_DIRECTORY.String():
		if len(key) >= 20 {
			return fmt.Sprintf("vni %d %s", binary.NativeEndian.Uint32(key), address(key[4:20]))
		}
	case bpf.RowTableTABLE_FLOWS.String(), bpf.RowTableTABLE_OPENINGS.String():
		if text, ok := flowKey(key); ok {
			return text
		}
	case bpf.RowTableTABLE_POLICY_PEERS.String():
		if len(key) == 8 {
			return peer(bpf.RowPolicyPeerKey{Set: binary.NativeEndian.Uint32(key), Identity: binary.NativeEndian.Uint32(key[4:])})
		}
	case bpf.RowTableTABLE_POLICY_PREFIXES.String():
		if len(key) >= 24 {
			return fmt.Sprintf("set %#x %s", binary.BigEndian.Uint32(key[4:]), address(key[8:24]))
		}
	case bpf.RowTableTABLE_POLICY_PORTS.String():
		if len(key) == 12 {
			return fmt.Sprintf("class %d protocol %d port %d", binary.BigEndian.Uint32(key[4:]), key[8], binary.BigEndian.Uint16(key[10:]))
		}
	case bpf.RowTableTABLE_PEERS.String():
		if len(key) >= 16 {
			return address(key[:16]).String()
		}
	case bpf.RowTableTABLE_ROUTES.String():
		if len(key) >= 24 {
			return prefix(key)
		}
	case bpf.RowTableTABLE_VPCS.String():
		if len(key) >= 4 {
			return fmt.Sprintf("vni %d", binary.NativeEndian.Uint32(key))
		}
	default:
		if len(key) == 4 {
			return fmt.Sprintf("row %d", binary.NativeEndian.Uint32(key))
		}
	}
	return hex.EncodeToString(key)
}

// KeyOf is [Key] with the names of what the numbers of arrays stand for.
func KeyOf(table string, key []byte, names *wire.Names) string {
	if names == nil || len(key) != 4 {
		return Key(table, key)
	}
	number := binary.NativeEndian.Uint32(key)
	switch table {
	case bpf.RowTableTABLE_HOSTS.String():
		return "host " + named(names.Hosts, number)
	case bpf.RowTableTABLE_SUBNETS.String():
		return "subnet " + named(names.Subnets, number)
	case bpf.RowTableTABLE_ENDPOINTS.String():
		return "endpoint " + named(names.Endpoints, number)
	}
	return Key(table, key)
}

// peer is a key of policy_peers: an identity in a set, or a port in a class.
func peer(key bpf.RowPolicyPeerKey) string {
	if class, protocol, port, ok := encode.IsSinglePort(key); ok {
		return fmt.Sprintf("class %d protocol %d port %d", class, protocol, port)
	}
	return fmt.Sprintf("set %#x identity %d", key.Set, key.Identity)
}

// flowKey is both ends of a flow and its protocol.
func flowKey(key []byte) (string, bool) {
	var k bpf.RowFlowKey
	if n, err := binary.Decode(key, binary.NativeEndian, &k); err != nil || n != len(key) {
		return "", false
	}
	end := func(i int) string {
		return netip.AddrPortFrom(netip.AddrFrom16(k.Addr[i]).Unmap(), port(k.Port[i])).String()
	}
	return fmt.Sprintf("vni %d protocol %d %s %s", k.VNI(), k.Protocol(), end(0), end(1)), true
}

// port is a number in network order.
func port(n uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], n)
	return binary.BigEndian.Uint16(b[:])
}

func address(b []byte) netip.Addr { return netip.AddrFrom16([16]byte(b)).Unmap() }

// prefix is a key of the map routes: length, VNI in network order, address.
func prefix(key []byte) string {
	const vni, mapped = 32, 96
	a := address(key[8:24])
	bits := int(binary.NativeEndian.Uint32(key)) - vni
	if a.Is4() {
		bits -= mapped
	}
	return fmt.Sprintf("vni %d %s/%d", binary.BigEndian.Uint32(key[4:]), a, bits)
}
