// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/clock"
	"github.com/mizar-net/mizar/dataplane/flow"
	"github.com/mizar-net/mizar/dataplane/flow/collector"
)

// agent does what an agent does for its host from time to time: it ends flows, and mends maps.
type agent struct {
	path *dataplane.Datapath
	// behind says that the host's agent does not run.
	behind atomic.Bool

	cancel context.CancelFunc
	all    sync.WaitGroup
	// failed is why passes failed; it is complete once all is done.
	failed error
}

// newAgent begins with a host; end it.
func newAgent(path *dataplane.Datapath) *agent {
	ctx, cancel := context.WithCancel(context.Background())
	a := &agent{path: path, cancel: cancel}
	c := collector.Collector{Datapath: a, Clock: clock.Kernel{}, Report: func(p collector.Pass) { a.failed = errors.Join(a.failed, p.Err) }}
	a.all.Go(func() { c.Run(ctx) })
	return a
}

// Collect implements collector.Datapath.
func (a *agent) Collect(ctx context.Context, now time.Duration) (flow.Collected, error) {
	if a.behind.Load() {
		return flow.Collected{}, nil
	}
	return a.path.Collect(ctx, now)
}

// Tend implements collector.Datapath.
func (a *agent) Tend(now time.Duration) (dataplane.Tended, error) {
	if a.behind.Load() {
		return dataplane.Tended{}, nil
	}
	return a.path.Tend(now)
}

// end ends it, before its datapath is closed, and says what went wrong.
func (a *agent) end() error {
	a.cancel()
	a.all.Wait()
	return a.failed
}

// employ gives every host that has a datapath an agent.
func (w *Wire) employ() {
	for name, path := range w.paths {
		if w.agents[name] == nil {
			w.agents[name] = newAgent(path)
		}
	}
}

// dismiss ends the agent of a host.
func (w *Wire) dismiss(name string) error {
	a := w.agents[name]
	if a == nil {
		return nil
	}
	delete(w.agents, name)
	if err := a.end(); err != nil {
		return fmt.Errorf("host %s: %w", name, err)
	}
	return nil
}

// dismissAll ends all agents.
func (w *Wire) dismissAll() error {
	var errs []error
	for name := range w.agents {
		errs = append(errs, w.dismiss(name))
	}
	return errors.Join(errs...)
}
