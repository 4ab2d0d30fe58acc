// SPDX-License-Identifier: Apache-2.0

package frontend

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
)

// unsummed asks every backend for an answer by a datagram without a checksum; the answer
// has none either.
func unsummed(ctx context.Context, n *network, family int, p wire.Proto, number uint8) (wrong string, err error) {
	if p != wire.UDP || family != 4 {
		return "", errNotAsked
	}
	s, err := n.service(family, number)
	if err != nil {
		return "", err
	}
	asks, front := netip.AddrPort{}, netip.AddrPortFrom(frontend[family], port)
	for backend, source := range choosers(s, family) {
		asks = netip.AddrPortFrom(client[family], source)
		to := n.owner(backend, family, p)
		for _, d := range []datagram{{clientName, to, asks, front, asks, backend}, {to, clientName, backend, asks, front, asks}} {
			if wrong, err := n.carry(ctx, d); wrong != "" || err != nil {
				return wrong, err
			}
		}
	}
	return "", nil
}

// datagram goes from one endpoint to another, who sees other addresses than were sent.
type datagram struct {
	from, to         string
	src, dst         netip.AddrPort
	seenSrc, seenDst netip.AddrPort
}

// carry sends a datagram without a checksum, and says what is wrong with what comes out.
func (n *network) carry(ctx context.Context, d datagram) (wrong string, err error) {
	e := n.endpoint(d.from)
	b, err := frame.Build(frame.Spec{
		Kind: frame.UDP, SrcMAC: e.MAC, DstMAC: object.GatewayMAC(e.VNI), NoChecksum: true, Payload: []byte("mizar"),
		Src: d.src.Addr(), Dst: d.dst.Addr(), SrcPort: d.src.Port(), DstPort: d.dst.Port(),
	})
	if err != nil {
		return "", fmt.Errorf("build a datagram of %s: %w", d.from, err)
	}
	out, err := n.Inject(ctx, wire.Port{Endpoint: d.from}, [][]byte{b})
	if err != nil {
		return "", fmt.Errorf("send a datagram of %s: %w", d.from, err)
	}
	if len(out) == 0 || out[len(out)-1].At.Endpoint != d.to {
		return fmt.Sprintf("a datagram from %s to %s did not come out at %s", d.src, d.dst, d.to), nil
	}
	last := out[len(out)-1].Frame
	got, err := frame.Decode(last)
	if err != nil {
		return fmt.Sprintf("what came out at %s: %v", d.to, err), nil
	}
	y := got.Inner
	src, dst := netip.AddrPortFrom(y.Src, y.SrcPort), netip.AddrPortFrom(y.Dst, y.DstPort)
	if src != d.seenSrc || dst != d.seenDst {
		return fmt.Sprintf("%s got a datagram from %s to %s, want %s to %s", d.to, src, dst, d.seenSrc, d.seenDst), nil
	}
	const sum = 14 + 20 + 6 // Ethernet, IPv4, and what stands before it in UDP
	if last[sum] != 0 || last[sum+1] != 0 {
		return fmt.Sprintf("a datagram without a checksum from %s to %s has one at %s", d.src, d.dst, d.to), nil
	}
	return "", nil
}

// endpoint is the state of one.
func (n *network) endpoint(name string) state.Endpoint {
	for _, h := range n.states {
		for _, e := range h.Endpoints {
			if e.Name == name {
				return e
			}
		}
	}
	return state.Endpoint{}
}
