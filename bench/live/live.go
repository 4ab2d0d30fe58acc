// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/bench/probe"
	"github.com/mizar-net/mizar/bench/report"
	"github.com/mizar-net/mizar/bench/sample"
	"github.com/mizar-net/mizar/bench/suite"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
)

const vni = 100

// Way is one thing to measure, beside another.
type Way struct {
	Name, What string
	// Floor is the name of the other.
	Floor string
	flows []int

	at     sink
	beside func(context.Context, suite.Key, sink) (*contender, error)
	// needs says what is missing for it; nil: it needs nothing.
	needs func() error
}

// Ways is the table.
func Ways() []Way {
	return []Way{
		{
			Name: "two-hosts", Floor: "two-hosts", flows: []int{1, probe.MaxFlows}, at: driverSink, beside: newFloor,
			What: "64 bytes to another host's endpoint, learned; flows differ by their ports; against no lookups at all",
		},
		{
			Name: "two-hosts/same-sink", Floor: "kernel-vxlan", flows: []int{1}, at: stackSink, beside: newVXLAN,
			What: "the same into the endpoint's stack, against the kernel's VXLAN and bridge on the same devices",
		},
		{
			Name: "two-hosts/netfilter", Floor: kernelNetfilter, flows: []int{1}, at: stackSink, beside: newTracked, needs: netfilter,
			What: "the same, against the kernel's VXLAN and bridge with conntrack",
		},
	}
}

// outer is the length of the outer headers, by family.
var outer = map[int]int{4: 58, 6: 78}

var gateway = state.MAC{0x02, 0x4d, 0x5a, 0, 0, vni}

// addresses of either end, by family.
func hostAddress(family, n int) netip.Addr {
	if family == 4 {
		return netip.AddrFrom4([4]byte{192, 0, 2, byte(n + 1)})
	}
	return netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", n+1))
}

func endpoint(family, n int) netip.Addr {
	if family == 4 {
		return netip.AddrFrom4([4]byte{10, 0, 0, byte(n + 10)})
	}
	return netip.MustParseAddr(fmt.Sprintf("fd00:a::%d", n+10))
}

func endpointMAC(n int) state.MAC { return state.MAC{2, 0, 0, 0, 0, byte(n + 1)} }

// states are what the two hosts hold.
func states(u underlay) [2]state.Host {
	var all [2]state.Host
	for n, name := range []string{sender, receiver} {
		all[n] = state.Host{
			Name: fmt.Sprintf("h%d", n+1), Addresses: []netip.Addr{hostAddress(u.family, n)}, MTU: u.mtu,
			Peers: []state.Peer{{Name: fmt.Sprintf("h%d", 2-n), Addresses: []netip.Addr{hostAddress(u.family, 1-n)}}},
			VPCs:  []state.VPC{{Name: "red", VNI: vni}},
			Subnets: []state.Subnet{{
				Name: "home", VNI: vni, GatewayMAC: gateway,
				CIDRs:    []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("fd00:a::/64")},
				Gateways: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00:a::1")},
			}},
			Endpoints: []state.Endpoint{{
				Name: name, VNI: vni, Subnet: "home", MAC: endpointMAC(n), MTU: u.mtu - u.overhead,
				Addresses: []netip.Addr{endpoint(4, n), endpoint(6, n)},
			}},
		}
	}
	return all
}

// frames are the flows: they differ by their ports. Programs want them sent to
// the gateway, a bridge to the receiver itself.
func frames(k suite.Key, to state.MAC) ([][]byte, error) {
	header := map[int]int{4: 14 + 20 + 8, 6: 14 + 40 + 8}[k.Family]
	all := make([][]byte, k.Flows)
	for n := range all {
		b, err := frame.Build(frame.Spec{
			Kind: frame.UDP, SrcMAC: endpointMAC(0), DstMAC: to,
			Src: endpoint(k.Family, 0), Dst: endpoint(k.Family, 1),
			SrcPort: uint16(1024 + n), DstPort: uint16(2000 + n%128), Payload: make([]byte, probe.LiveFrame-header),
		})
		if err != nil {
			return nil, err
		}
		all[n] = b
	}
	return all, nil
}

// job is one figure to measure.
type job struct {
	Way
	key suite.Key
}

// figure is a job's, not measured yet.
func (j job) figure() report.Figure {
	return report.Figure{
		Name: j.Name, What: j.What, Instrument: report.Live, Form: string(probe.XDP),
		Family: j.key.Family, Flows: j.key.Flows, Floor: j.Floor,
	}
}

// jobs are the figures that a filter asks for, and those that can't be measured.
func jobs(f suite.Filter) ([]job, []report.Omission) {
	var all []job
	var omitted omissions
	for _, w := range Ways() {
		for _, family := range f.Families {
			for _, flows := range w.flows {
				j := job{w, suite.Key{Family: family, Flows: flows}}
				if f.Wants(j.figure()) && !omitted.add(w.Name, w.needs) {
					all = append(all, j)
				}
			}
		}
	}
	return all, omitted
}

// omissions are what can't be measured, each once.
type omissions []report.Omission

// add says whether something is missing for cases, and remembers it.
func (o *omissions) add(cases string, needs func() error) bool {
	if needs == nil {
		return false
	}
	missing := needs()
	if missing == nil {
		return false
	}
	if line := (report.Omission{Cases: cases, Why: missing.Error()}); !slices.Contains(*o, line) {
		*o = append(*o, line)
	}
	return true
}

// Run measures the ways that a filter selects, on one CPU, and says which of
// them it could not.
func Run(ctx context.Context, f suite.Filter, cpu int, p suite.Plan) ([]report.Figure, []report.Omission, error) {
	all, omitted := jobs(f)
	figures := make([]report.Figure, len(all))
	for i, j := range all {
		figures[i] = j.figure()
		figures[i].Rounds = p.Rounds
	}
	done := 0
	for range p.Loads {
		for i, j := range all {
			l, note, err := j.load(ctx, cpu, p, func() {
				done++
				if p.Progress != nil {
					p.Progress(done, p.Loads*len(all)*p.Rounds)
				}
			})
			if err != nil {
				return nil, nil, fmt.Errorf("%s, IPv%d, %d flows: %w", j.Name, j.key.Family, j.key.Flows, err)
			}
			figures[i].Note = note
			figures[i].Loads = append(figures[i].Loads, l)
		}
	}
	return figures, omitted, nil
}

// load measures once, with everything built and loaded afresh. The note is what
// has to be known of the contender beside the programs.
func (j job) load(ctx context.Context, cpu int, p suite.Plan, round func()) (l report.Load, note string, err error) {
	program, err := newMizar(ctx, j.key, j.at)
	if err != nil {
		return l, "", err
	}
	defer func() { err = errors.Join(err, program.close()) }()
	floor, err := j.beside(ctx, j.key, j.at)
	if err != nil {
		return l, "", err
	}
	defer func() { err = errors.Join(err, floor.close()) }()
	if err := measure(ctx, []*contender{floor, program}, cpu, p, round); err != nil {
		return l, "", err
	}
	return report.Load{
		Program: sample.Of(program.samples), Floor: sample.Of(floor.samples),
		Delivered: min(program.delivered, floor.delivered),
	}, floor.note, nil
}

// measure lets contenders take turns.
func measure(ctx context.Context, turns []*contender, cpu int, p suite.Plan, round func()) error {
	for _, c := range turns {
		gross, err := c.sample(cpu, 1)
		if err != nil {
			return err
		}
		if err := c.checked(); err != nil {
			return err
		}
		c.repetitions = int(float64(p.Sample.Nanoseconds()) / gross)
		c.delivered = 1
	}
	for range p.Rounds {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, c := range turns {
			gross, err := c.sample(cpu, c.repetitions)
			if err != nil {
				return err
			}
			c.samples = append(c.samples, gross)
		}
		round()
	}
	return nil
}
