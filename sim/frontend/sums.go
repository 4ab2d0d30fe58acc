// SPDX-License-Identifier: Apache-2.0

package frontend

import (
	"context"
	"fmt"
	"net/netip"

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
		what := frame.Spec{Kind: frame.UDP, NoChecksum: true, Payload: []byte("mizar")}
		for _, p := range []packet{{clientName, to, asks, front, asks, backend, what}, {to, clientName, backend, asks, front, asks, what}} {
			got, wrong, err := n.carry(ctx, p)
			if wrong != "" || err != nil {
				return wrong, err
			}
			const sum = 14 + 20 + 6 // Ethernet, IPv4, and what stands before it in UDP
			if got[sum] != 0 || got[sum+1] != 0 {
				return fmt.Sprintf("a datagram without a checksum from %s to %s has one at %s", p.src, p.dst, p.to), nil
			}
		}
	}
	return "", nil
}
