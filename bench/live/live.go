// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/bench/probe"
	"github.com/mizar-net/mizar/bench/report"
	"github.com/mizar-net/mizar/bench/sample"
	"github.com/mizar-net/mizar/bench/suite"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
)

const vni = 100

// TwoHosts is the name of the one way that is measured, What says it in a line.
const (
	TwoHosts = "two-hosts"
	What     = "live: 64 bytes from an endpoint to another host's, the way is learned; flows differ by their ports"
)

// outer is the length of the outer headers, by family.
var outer = map[int]int{4: 58, 6: 78}

var gateway = state.MAC{0x02, 0x4d, 0x5a, 0, 0, vni}

// addresses of either end, by family.
func underlay(family, n int) netip.Addr {
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
func states(family int) [2]state.Host {
	var all [2]state.Host
	for n, name := range []string{sender, receiver} {
		all[n] = state.Host{
			Name: fmt.Sprintf("h%d", n+1), Addresses: []netip.Addr{underlay(family, n)}, MTU: 1500,
			Peers: []state.Peer{{Name: fmt.Sprintf("h%d", 2-n), Addresses: []netip.Addr{underlay(family, 1-n)}}},
			VPCs:  []state.VPC{{Name: "red", VNI: vni}},
			Subnets: []state.Subnet{{
				Name: "home", VNI: vni, GatewayMAC: gateway,
				CIDRs:    []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("fd00:a::/64")},
				Gateways: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00:a::1")},
			}},
			Endpoints: []state.Endpoint{{
				Name: name, VNI: vni, Subnet: "home", MAC: endpointMAC(n), MTU: 1300,
				Addresses: []netip.Addr{endpoint(4, n), endpoint(6, n)},
			}},
		}
	}
	return all
}

// frames are the flows: they differ by their ports.
func frames(k suite.Key) ([][]byte, error) {
	header := map[int]int{4: 14 + 20 + 8, 6: 14 + 40 + 8}[k.Family]
	all := make([][]byte, k.Flows)
	for n := range all {
		b, err := frame.Build(frame.Spec{
			Kind: frame.UDP, SrcMAC: endpointMAC(0), DstMAC: gateway,
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

// contender is a rig with its programs.
type contender struct {
	*rig
	name        string
	closers     []func() error
	repetitions int
	samples     []float64
	// delivered is the least part that arrived.
	delivered float64
}

func (c *contender) close() error {
	errs := []error{c.rig.close()}
	for _, f := range c.closers {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// newMizar is the way through the programs, learned.
func newMizar(ctx context.Context, k suite.Key, sent [][]byte) (*contender, error) {
	r, err := build(ctx, states(k.Family), sent)
	if err != nil {
		return nil, err
	}
	c := &contender{rig: r, name: "programs", delivered: 1}
	var paths [2]*dataplane.Datapath
	for n, h := range r.hosts {
		d, err := dataplane.Load(dataplane.Options{TokenSecret: 1})
		if err != nil {
			return nil, errors.Join(err, c.close())
		}
		paths[n], c.closers = d, append(c.closers, d.Close)
		if _, err := d.Apply(h.state, h.local); err != nil {
			return nil, errors.Join(err, c.close())
		}
	}
	err = errors.Join(
		paths[0].Learn(vni, endpoint(k.Family, 1), r.hosts[1].state.Name),
		r.attach(paths[0].Endpoint(), paths[0].Uplink(), paths[1].Uplink()),
	)
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// newFloor is the least that two hosts can do: no lookups.
func newFloor(ctx context.Context, k suite.Key, sent [][]byte) (*contender, error) {
	r, err := build(ctx, states(k.Family), sent)
	if err != nil {
		return nil, err
	}
	c := &contender{rig: r, name: "floor", delivered: 1}
	load := func(name string, o probe.LiveOptions) *ebpf.Program {
		p, e := probe.LoadForwarder(name, o)
		if err = errors.Join(err, e); e == nil {
			c.closers = append(c.closers, p.Close)
		}
		return p
	}
	in := load("encapsulate_out", probe.LiveOptions{Out: r.hosts[0].wire, Outer: outer[k.Family]})
	near := load("decapsulate_out", probe.LiveOptions{Out: r.hosts[0].port, Outer: outer[k.Family]})
	far := load("decapsulate_out", probe.LiveOptions{Out: r.hosts[1].port, Outer: outer[k.Family]})
	if err == nil {
		err = r.attach(in, near, far)
	}
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

const (
	// patience bounds the wait for the last frames.
	patience = 50 * time.Millisecond
	tick     = time.Millisecond
)

// settle waits for the last frames of a run.
func (r *rig) settle(f *probe.Flight) error {
	for end := time.Now().Add(patience); f.Arrived+f.Spoiled < f.Sent && time.Now().Before(end); time.Sleep(tick) {
		if err := r.generator.Count(f); err != nil {
			return err
		}
	}
	return nil
}

// sample is nanoseconds for a frame that arrived.
func (c *contender) sample(cpu, repetitions int) (float64, error) {
	f, err := c.run(cpu, repetitions)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", c.name, err)
	}
	if f.Spoiled > 0 {
		return 0, fmt.Errorf("%s: of %d frames %d arrived with a wrong length", c.name, f.Sent, f.Spoiled)
	}
	delivered := float64(f.Arrived) / float64(f.Sent)
	if delivered < 0.1 {
		return 0, fmt.Errorf("%s: of %d frames only %d arrived", c.name, f.Sent, f.Arrived)
	}
	c.delivered = min(c.delivered, delivered)
	return f.Gross / delivered, nil
}

// figure is the way between two hosts, not measured yet.
func figure(k suite.Key) report.Figure {
	return report.Figure{
		Name: TwoHosts, What: What,
		Instrument: report.Live, Form: string(probe.XDP), Family: k.Family, Flows: k.Flows, Floor: TwoHosts,
	}
}

// Keys are the figures that a filter asks for.
func Keys(f suite.Filter) []suite.Key {
	var all []suite.Key
	for _, family := range f.Families {
		for _, flows := range []int{1, probe.MaxFlows} {
			if k := (suite.Key{Family: family, Flows: flows}); f.Wants(figure(k)) {
				all = append(all, k)
			}
		}
	}
	return all
}

// Run measures the way between two hosts beside the least that it can cost.
func Run(ctx context.Context, keys []suite.Key, cpu int, p suite.Plan) ([]report.Figure, error) {
	figures := make([]report.Figure, len(keys))
	for i, k := range keys {
		figures[i] = figure(k)
		figures[i].Rounds = p.Rounds
	}
	done := 0
	for range p.Loads {
		for i, k := range keys {
			l, err := load(ctx, k, cpu, p, func() {
				done++
				if p.Progress != nil {
					p.Progress(done, p.Loads*len(keys)*p.Rounds)
				}
			})
			if err != nil {
				return nil, fmt.Errorf("%s, IPv%d, %d flows: %w", TwoHosts, k.Family, k.Flows, err)
			}
			figures[i].Loads = append(figures[i].Loads, l)
		}
	}
	return figures, nil
}

// load measures one key once, with everything built and loaded afresh.
func load(ctx context.Context, k suite.Key, cpu int, p suite.Plan, round func()) (l report.Load, err error) {
	sent, err := frames(k)
	if err != nil {
		return l, err
	}
	program, err := newMizar(ctx, k, sent)
	if err != nil {
		return l, err
	}
	defer func() { err = errors.Join(err, program.close()) }()
	floor, err := newFloor(ctx, k, sent)
	if err != nil {
		return l, err
	}
	defer func() { err = errors.Join(err, floor.close()) }()
	turns := []*contender{floor, program}
	if err := measure(ctx, turns, cpu, p, round); err != nil {
		return l, err
	}
	return report.Load{
		Program: sample.Of(program.samples), Floor: sample.Of(floor.samples),
		Delivered: min(program.delivered, floor.delivered),
	}, nil
}

// measure lets contenders take turns.
func measure(ctx context.Context, turns []*contender, cpu int, p suite.Plan, round func()) error {
	for _, c := range turns {
		gross, err := c.sample(cpu, 1)
		if err != nil {
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
