// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/e2e/kernel/order"
)

// genevePort is the tunnel's.
const genevePort = 6081

// addGeneve makes the device. The netlink module leaves the attributes for
// checksums of UDP over IPv6 out, hence the message by hand: there are none in the
// tunnel (RFC 6935), which the device has to be told.
func addGeneve(f order.Foreign) error {
	request := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK)
	request.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	request.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(geneveDevice)))
	request.AddData(nl.NewRtAttr(unix.IFLA_ADDRESS, f.InnerMAC[:]))
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("geneve"))
	data := info.AddRtAttr(nl.IFLA_INFO_DATA, nil)
	data.AddRtAttr(nl.IFLA_GENEVE_PORT, binary.BigEndian.AppendUint16(nil, genevePort))
	data.AddRtAttr(nl.IFLA_GENEVE_UDP_ZERO_CSUM6_TX, nl.Uint8Attr(1))
	data.AddRtAttr(nl.IFLA_GENEVE_UDP_ZERO_CSUM6_RX, nl.Uint8Attr(1))
	if f.Option != nil {
		data.AddRtAttr(nl.IFLA_GENEVE_COLLECT_METADATA, nil)
	} else {
		data.AddRtAttr(nl.IFLA_GENEVE_ID, nl.Uint32Attr(f.VNI))
		kind := nl.IFLA_GENEVE_REMOTE
		if f.Remote.Is6() {
			kind = nl.IFLA_GENEVE_REMOTE6
		}
		data.AddRtAttr(kind, f.Remote.AsSlice())
	}
	request.AddData(info)
	_, err := request.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

// encap is how a route puts packets into a tunnel: `encap ip id … dst …
// geneve_opts …` of ip-route(8).
type encap struct {
	vni    uint32
	remote netip.Addr
	option order.Option
}

var _ netlink.Encap = (*encap)(nil)

// The numbers of linux/lwtunnel.h; those of both families are the same.
const (
	encapIP4, encapIP6                                  = 2, 4
	tunnelID, tunnelDst, tunnelTTL, tunnelOptions       = 1, 2, 4, 8
	optionsGeneve                                       = 1
	optionClass, optionType, optionData                 = 1, 2, 3
	outerTTL                                      uint8 = 64
)

// Type is that of the underlay's family.
func (e *encap) Type() int {
	if e.remote.Is4() {
		return encapIP4
	}
	return encapIP6
}

// Encode writes the attributes.
func (e *encap) Encode() ([]byte, error) {
	option := nl.NewRtAttr(optionsGeneve|unix.NLA_F_NESTED, nil)
	option.AddRtAttr(optionClass, binary.BigEndian.AppendUint16(nil, e.option.Class))
	option.AddRtAttr(optionType, []byte{e.option.Type})
	option.AddRtAttr(optionData, e.option.Data)
	options := nl.NewRtAttr(tunnelOptions|unix.NLA_F_NESTED, nil)
	options.AddChild(option)
	var all []byte
	for _, a := range []*nl.RtAttr{
		nl.NewRtAttr(tunnelID, binary.BigEndian.AppendUint64(nil, uint64(e.vni))),
		nl.NewRtAttr(tunnelDst, e.remote.AsSlice()),
		nl.NewRtAttr(tunnelTTL, []byte{outerTTL}),
		options,
	} {
		all = append(all, a.Serialize()...)
	}
	return all, nil
}

// Decode is not needed: nobody reads these routes.
func (e *encap) Decode([]byte) error { return fmt.Errorf("read a route into a tunnel: not supported") }

// String is the tunnel as people see it.
func (e *encap) String() string { return fmt.Sprintf("geneve vni %d to %s", e.vni, e.remote) }

// Equal says that two are the same tunnel.
func (e *encap) Equal(other netlink.Encap) bool {
	o, ok := other.(*encap)
	return ok && o.String() == e.String()
}
