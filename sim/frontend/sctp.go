// SPDX-License-Identifier: Apache-2.0

package frontend

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/wire"
)

// sctp is IP's number of it, and what evidence calls it.
const (
	sctp      = 132
	protoSCTP = wire.Proto("sctp")
)

// chunks are the payloads of packets, in bytes: the shortest, odd ones, and one that fills
// a frame. The checksum's change depends on how far from the end the ports are.
var chunks = []int{4, 5, 255, 1300}

// SCTP gives evidence of associations through a service, whose checksum (CRC32c; RFC 9260,
// appendix A) is right wherever they are seen. It sends frames, since not every kernel has
// sockets of SCTP. plant may break the wire.
func SCTP(ctx context.Context, plant func(wire.Wire) wire.Wire) []run.Evidence {
	n, err := open(ctx, few, plant)
	var all []run.Evidence
	for _, family := range []int{4, 6} {
		for host, placement := range []string{"same-host", "two-hosts"} {
			e := run.Evidence{Test: fmt.Sprintf("SCTP to backends at host %d", host), Rows: []string{SCTPRow}, Cell: run.Cell{
				Family: fmt.Sprintf("v%d", family), Proto: string(protoSCTP), Placement: placement, Path: "service", Wire: "testrun", Verdict: "deliver",
			}}
			if err == nil {
				e.Failure, err = n.associations(ctx, family, host)
			}
			all = append(all, unproved(e, err))
		}
	}
	return n.proved(all)
}

// errNobody says that a service leads nowhere that is asked for.
var errNobody = errors.New("no backend is there")

// associations has one with each backend at a host, of packets of all lengths there and
// back.
func (n *network) associations(ctx context.Context, family, host int) (wrong string, err error) {
	s, err := n.service(family, sctp)
	if err != nil {
		return "", err
	}
	asked := 0
	for backend, source := range choosers(s, family) {
		to := n.owner(backend, family, wire.UDP) // whose backends are the same
		if _, at := n.place(to); at != host {
			continue
		}
		asked++
		own, front := netip.AddrPortFrom(client[family], source), netip.AddrPortFrom(frontend[family], port)
		for _, length := range chunks {
			what := frame.Spec{Kind: frame.SCTP, Tag: uint32(source), Payload: make([]byte, length)}
			what.Payload[length-1] = byte(length)
			for _, p := range []packet{{clientName, to, own, front, own, backend, what}, {to, clientName, backend, own, front, own, what}} {
				if _, wrong, err := n.carry(ctx, p); wrong != "" || err != nil {
					return wrong, err
				}
			}
		}
	}
	if asked == 0 {
		return "", fmt.Errorf("IPv%d and host %d: %w", family, host, errNobody)
	}
	return "", nil
}
