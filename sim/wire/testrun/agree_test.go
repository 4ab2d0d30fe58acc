// SPDX-License-Identifier: Apache-2.0

package testrun_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// TestProgramsAgreeWithTheOracle holds what the programs do with every packet,
// its way from host to host and the ICMP error that its sender gets included,
// against the oracle, while the network changes and fails.
func TestProgramsAgreeWithTheOracle(t *testing.T) {
	var pool testrun.Pool
	t.Cleanup(func() { pool.Close() })
	rapid.Check(t, func(t *rapid.T) {
		b := newBench(t, &pool)
		defer b.wire.Close()
		for range rapid.IntRange(1, 16).Draw(t, "steps") {
			b.step(t)
		}
	})
}

// TestProgramsAgreeWhereNothingChanges is the same with probes alone.
func TestProgramsAgreeWhereNothingChanges(t *testing.T) {
	var pool testrun.Pool
	t.Cleanup(func() { pool.Close() })
	rapid.Check(t, func(t *rapid.T) {
		b := newBench(t, &pool)
		defer b.wire.Close()
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			b.probe(t)
		}
	})
}

// drawProbe draws a conversation to an endpoint of the same VPC or the other, to
// a gateway, or to an address that nobody has or had.
func (b *bench) drawProbe(t *rapid.T) (wire.Probe, bool) {
	set := b.set
	if len(set.Endpoints) == 0 {
		return wire.Probe{}, false
	}
	from := rapid.SampledFrom(set.Endpoints).Draw(t, "from")
	family := rapid.SampledFrom(from.Addresses).Draw(t, "family")
	to := []netip.Addr{}
	for _, a := range []string{"10.0.0.99", "10.0.2.99", "10.9.0.1", "fd00::99", "fd00:0:0:9::1"} {
		to = append(to, netip.MustParseAddr(a))
	}
	for _, s := range set.Subnets {
		to = append(to, s.Gateways...)
	}
	for _, e := range b.born {
		to = append(to, e.Addresses...)
	}
	if rapid.Bool().Draw(t, "to what changed") {
		to = append(b.changed, to[0], to[3])
	}
	var same []netip.Addr
	for _, a := range to {
		if a.Is4() == family.Is4() && a != family {
			same = append(same, a)
		}
	}
	p := wire.Probe{
		Proto: rapid.SampledFrom([]wire.Proto{wire.ICMP, wire.UDP, wire.TCP}).Draw(t, "proto"),
		From:  from.Key(),
		To:    rapid.SampledFrom(same).Draw(t, "to"),
		Port:  80, SourcePort: 40000,
		Count: rapid.IntRange(1, 4).Draw(t, "count"),
		TTL:   rapid.SampledFrom([]uint8{0, 0, 0, 1, 2, 3}).Draw(t, "ttl"),
		Size:  rapid.SampledFrom(b.sizes()).Draw(t, "size"),
	}
	p.DontFragment = rapid.IntRange(0, 3).Draw(t, "whole") == 3
	return p, true
}

// sizes are payloads, some about what just fits.
func (b *bench) sizes() []int {
	mtu := 1500
	for _, e := range b.states[0].Endpoints {
		mtu = e.MTU
	}
	return []int{0, 0, 0, 100, 1172, mtu - 49, mtu - 48, mtu - 47, mtu - 29, mtu - 28, mtu - 27, 4000}
}

// probe holds one conversation against the oracle.
func (b *bench) probe(t *rapid.T) {
	p, ok := b.drawProbe(t)
	if !ok {
		return
	}
	want, err := b.oracle.Probe(p)
	if err != nil {
		t.Fatalf("oracle: %v", err)
	}
	got, err := b.wire.Probe(b.ctx, p)
	if err != nil {
		t.Fatalf("testrun: %+v: %v\nthe oracle says %+v", p, err, want)
	}
	diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}),
		cmpopts.IgnoreFields(wire.Packet{}, "Aged", "Outdated", "Steps", "Settled", "Frames"))
	if diff != "" {
		t.Fatalf("%s\n%+v\n(-oracle +programs)\n%s\nsteps of the programs:\n%s", b.history, p, diff, told(got))
	}
	b.history += "\nprobe " + string(p.Proto) + " " + p.From + " to " + p.To.String()
}
