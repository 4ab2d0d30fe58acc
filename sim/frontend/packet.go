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

// packet goes from one endpoint to another, who sees other addresses than were sent.
type packet struct {
	from, to         string
	src, dst         netip.AddrPort
	seenSrc, seenDst netip.AddrPort
	// what it is beside that.
	what frame.Spec
}

// carry sends a packet and returns the frame that comes out of it; wrong says what is
// wrong with that, or with a checksum on the way.
func (n *network) carry(ctx context.Context, p packet) (got []byte, wrong string, err error) {
	e, spec := n.endpoint(p.from), p.what
	spec.SrcMAC, spec.DstMAC = e.MAC, object.GatewayMAC(e.VNI)
	spec.Src, spec.Dst, spec.SrcPort, spec.DstPort = p.src.Addr(), p.dst.Addr(), p.src.Port(), p.dst.Port()
	b, err := frame.Build(spec)
	if err != nil {
		return nil, "", fmt.Errorf("build a %s packet of %s: %w", spec.Kind, p.from, err)
	}
	out, err := n.Inject(ctx, wire.Port{Endpoint: p.from}, [][]byte{b})
	if err != nil {
		return nil, "", fmt.Errorf("send a %s packet of %s: %w", spec.Kind, p.from, err)
	}
	if len(out) == 0 || out[len(out)-1].At.Endpoint != p.to {
		return nil, fmt.Sprintf("a %s packet from %s to %s did not come out at %s", spec.Kind, p.src, p.dst, p.to), nil
	}
	for _, o := range out {
		if err := frame.VerifyChecksums(o.Frame); err != nil {
			return nil, fmt.Sprintf("a %s packet from %s to %s: %v", spec.Kind, p.src, p.dst, err), nil
		}
	}
	got = out[len(out)-1].Frame
	seen, err := frame.Decode(got)
	if err != nil {
		return nil, fmt.Sprintf("what came out at %s: %v", p.to, err), nil
	}
	y := seen.Inner
	src, dst := netip.AddrPortFrom(y.Src, y.SrcPort), netip.AddrPortFrom(y.Dst, y.DstPort)
	if src != p.seenSrc || dst != p.seenDst {
		return nil, fmt.Sprintf("%s got a packet from %s to %s, want %s to %s", p.to, src, dst, p.seenSrc, p.seenDst), nil
	}
	return got, "", nil
}

// endpoint is the state of one.
func (n *network) endpoint(name string) state.Endpoint {
	e, _ := n.place(name)
	return e
}

// place is the state of an endpoint, and the number of its host.
func (n *network) place(name string) (state.Endpoint, int) {
	for i, h := range n.states {
		for _, e := range h.Endpoints {
			if e.Name == name {
				return e, i
			}
		}
	}
	return state.Endpoint{}, 0
}
