// SPDX-License-Identifier: Apache-2.0

package encode

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/state"
)

// endpoints fills in endpoints, locals and ports.
func (e *encoder) endpoints() error {
	for _, p := range e.host.Endpoints {
		if err := e.endpoint(p); err != nil {
			return fmt.Errorf("endpoint %s: %w", p.Name, err)
		}
	}
	return nil
}

func (e *encoder) endpoint(p state.Endpoint) error {
	number := e.index.Endpoints[p.Name]
	row, err := e.endpointRow(p)
	if err != nil {
		return err
	}
	e.rows.Endpoints[number] = row
	slot := row.Door.Ifindex % bpf.PortSlots()
	if other, ok := e.rows.Ports[slot]; ok {
		return fmt.Errorf("its port's interface index %d falls on the slot of interface %d: make the link again to get another index",
			row.Door.Ifindex, other.Ifindex)
	}
	e.rows.Ports[slot] = bpf.RowPort{Ifindex: row.Door.Ifindex, Endpoint: number}
	for _, a := range p.Addresses {
		if _, ok := e.rows.Locals[Addr(p.VNI, a)]; ok {
			return fmt.Errorf("address %s in VNI %d is another endpoint's already", a, p.VNI)
		}
		e.rows.Locals[Addr(p.VNI, a)] = bpf.RowLocal{Endpoint: number, Door: row.Door, Generation: p.Generation}
	}
	return nil
}

func (e *encoder) endpointRow(p state.Endpoint) (bpf.RowEndpoint, error) {
	subnet, ok := e.subnet[p.Subnet]
	if !ok {
		return bpf.RowEndpoint{}, fmt.Errorf("the state has no subnet %s", p.Subnet)
	}
	if subnet.VNI != p.VNI {
		return bpf.RowEndpoint{}, fmt.Errorf("VNI %d, but its subnet %s has %d", p.VNI, p.Subnet, subnet.VNI)
	}
	if p.Identity > maxIdentity {
		return bpf.RowEndpoint{}, fmt.Errorf("identity %d is more than %d", p.Identity, maxIdentity)
	}
	port, ok := e.local.Ports[p.Name]
	if !ok || port == 0 {
		return bpf.RowEndpoint{}, fmt.Errorf("the interface index of its port is not known")
	}
	row := bpf.RowEndpoint{
		Vni: p.VNI, Subnet: e.index.Subnets[p.Subnet],
		Identity: p.Identity, Generation: p.Generation,
	}
	var err error
	if row.Set, err = e.setNumbers(p); err != nil {
		return bpf.RowEndpoint{}, err
	}
	row.Self, row.Keep, row.Served = flag(p.IsHost()), flag(p.KeepEstablished), flag(e.index.Served[p.VNI])
	row.Door.Ifindex = port
	row.Door.Mac.Octet = p.MAC
	row.Door.Gateway.Octet = subnet.GatewayMAC
	for _, a := range p.Addresses {
		if err := setAddress(&row, subnet, a); err != nil {
			return bpf.RowEndpoint{}, err
		}
	}
	return row, nil
}

// setAddress writes one own address and the mask of the prefix that has it.
func setAddress(row *bpf.RowEndpoint, subnet state.Subnet, addr netip.Addr) error {
	for _, p := range subnet.CIDRs {
		if !p.Contains(addr) {
			continue
		}
		if addr.Is4() {
			row.V4 = addr.As4()
			copy(row.Mask4[:], net.CIDRMask(p.Bits(), 32))
		} else {
			row.V6 = addr.As16()
			copy(row.Mask6[:], net.CIDRMask(p.Bits(), 128))
		}
		return nil
	}
	return fmt.Errorf("address %s is in no prefix of its subnet %s (%v)", addr, subnet.Name, subnet.CIDRs)
}

// Prefix is the key of a prefix inside a VPC. The VNI is matched as the first
// 32 bits, so it stands in network order.
func Prefix(vni uint32, p netip.Prefix) bpf.RowPrefixKey {
	length := 32 + p.Bits()
	if p.Addr().Is4() {
		length += 96
	}
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], vni)
	return bpf.RowPrefixKey{
		Prefixlen: uint32(length),
		Vni:       binary.NativeEndian.Uint32(b[:]),
		Addr:      p.Addr().As16(),
	}
}
