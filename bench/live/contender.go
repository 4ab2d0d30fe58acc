// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/bench/probe"
	"github.com/mizar-net/mizar/bench/suite"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/state"
)

// contender is a rig with its programs.
type contender struct {
	*rig
	name string
	// note is what has to be known of it.
	note string
	// check looks, after it ran, at whether all that it is named for was on
	// the way; nil: nothing to look at.
	check       func() error
	closers     []func() error
	repetitions int
	samples     []float64
	// delivered is the least part that arrived.
	delivered float64
}

// checked is check, if there is one.
func (c *contender) checked() error {
	if c.check == nil {
		return nil
	}
	if err := c.check(); err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	return nil
}

func (c *contender) close() error {
	errs := []error{c.rig.close()}
	for _, f := range c.closers {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// armed is a rig with generator and sink, and nothing in between.
func armed(ctx context.Context, k suite.Key, at sink, to state.MAC) (*contender, error) {
	sent, err := frames(k, to)
	if err != nil {
		return nil, err
	}
	r, err := build(ctx, underlay{family: k.Family, mtu: 1500, overhead: 200})
	if err != nil {
		return nil, err
	}
	c := &contender{rig: r, delivered: 1}
	if err := r.arm(sent, at); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// newMizar is the way through the programs, learned.
func newMizar(ctx context.Context, k suite.Key, at sink) (*contender, error) {
	c, err := armed(ctx, k, at, gateway)
	if err != nil {
		return nil, err
	}
	c.name = "programs"
	paths, err := c.load()
	if err == nil {
		err = c.attach(paths[0].Endpoint(), paths[0].Uplink(), paths[1].Uplink())
	}
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// load gives each host its programs, its state and the way to the other's
// endpoint.
func (c *contender) load() ([2]*dataplane.Datapath, error) {
	var paths [2]*dataplane.Datapath
	for n, h := range c.hosts {
		d, err := dataplane.Load(dataplane.Options{TokenSecret: 1})
		if err != nil {
			return paths, err
		}
		paths[n], c.closers = d, append(c.closers, d.Close)
		if _, err := d.Apply(h.state, h.local); err != nil {
			return paths, err
		}
		if err := d.Learn(vni, endpoint(c.family, 1-n), c.hosts[1-n].state.Name); err != nil {
			return paths, err
		}
	}
	return paths, nil
}

// newFloor is the least that two hosts can do: no lookups.
func newFloor(ctx context.Context, k suite.Key, at sink) (*contender, error) {
	c, err := armed(ctx, k, at, gateway)
	if err != nil {
		return nil, err
	}
	c.name = "floor"
	load := func(name string, o probe.LiveOptions) *ebpf.Program {
		p, e := probe.LoadForwarder(name, o)
		if err = errors.Join(err, e); e == nil {
			c.closers = append(c.closers, p.Close)
		}
		return p
	}
	in := load("encapsulate_out", probe.LiveOptions{Out: c.hosts[0].wire, Outer: outer[k.Family]})
	near := load("decapsulate_out", probe.LiveOptions{Out: c.hosts[0].port, Outer: outer[k.Family]})
	far := load("decapsulate_out", probe.LiveOptions{Out: c.hosts[1].port, Outer: outer[k.Family]})
	if err == nil {
		err = c.attach(in, near, far)
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
