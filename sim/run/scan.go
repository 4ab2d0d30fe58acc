// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/wire"
)

// scan lets an endpoint send a datagram to each address of a prefix, on every
// wire. The oracle is not told: nobody else may feel it.
func (r *runner) scan(ctx context.Context, s *scenario.Scan) error {
	r.events = append(r.events, "scan")
	frames, err := r.world.scan(s)
	if err != nil {
		return fmt.Errorf("scan %s: %w", s.To, err)
	}
	for _, w := range r.wires {
		f, ok := w.(wire.Flooder)
		if !ok {
			return fmt.Errorf("scan %s: the %s wire takes no floods", s.To, w.Name())
		}
		if err := f.Flood(ctx, wire.Port{Endpoint: s.From}, frames); err != nil {
			return fmt.Errorf("scan %s on the %s wire: %w", s.To, w.Name(), err)
		}
	}
	return nil
}

// scan builds the frames.
func (w world) scan(s *scenario.Scan) ([][]byte, error) {
	from := w.endpoints[s.From]
	src, ok := address(from, familyOf(s.To.Addr()))
	if !ok {
		return nil, fmt.Errorf("endpoint %s has no address of that family", scenario.Short(s.From))
	}
	spec := frame.Spec{Kind: frame.UDP, SrcMAC: state.MAC(from.MAC), DstMAC: w.gateways[from.Subnet], Src: src, SrcPort: 40000, DstPort: 7}
	var all [][]byte
	for spec.Dst = s.To.Addr(); s.To.Contains(spec.Dst); spec.Dst = spec.Dst.Next() {
		b, err := frame.Build(spec)
		if err != nil {
			return nil, err
		}
		all = append(all, b)
		if spec.Dst == last(s.To) {
			break
		}
	}
	return all, nil
}

// last is the last address of a prefix.
func last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// learned holds how many rows the hosts of a wire have learned of each VPC
// against the scenario.
func (r *runner) learned(ctx context.Context, a *scenario.Assert, w wire.Wire) (Check, error) {
	f, ok := w.(wire.Flooder)
	if !ok {
		return Check{}, fmt.Errorf("assert learned: the %s wire tells no rows", w.Name())
	}
	all, err := f.Learned(ctx)
	if err != nil {
		return Check{}, fmt.Errorf("ask the %s wire what is learned: %w", w.Name(), err)
	}
	c := Check{Name: "learned rows", Wire: w.Name(), Cell: Cell{Proto: "learned", Wire: w.Name()}}
	for _, host := range slices.Sorted(maps.Keys(a.Learned)) {
		for _, vpc := range slices.Sorted(maps.Keys(a.Learned[host])) {
			got := all[host][r.world.vnis[vpc]]
			c.Seen += fmt.Sprintf("%s has %d rows of %s ", host, got, vpc)
			within(func(field, got, want string) {
				c.Failures = append(c.Failures, Failure{Field: field, Who: w.Name(), Got: got, Against: "the scenario", Want: want})
			}, fmt.Sprintf("rows of %s that %s has learned", vpc, host), got, a.Learned[host][vpc])
		}
	}
	return c, nil
}
