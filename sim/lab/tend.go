// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/mizar-net/mizar/dataplane/attached"
	"github.com/mizar-net/mizar/dataplane/clock"
	"github.com/mizar-net/mizar/dataplane/flow"
	"github.com/mizar-net/mizar/dataplane/flow/collector"
	"github.com/mizar-net/mizar/dataplane/names"
	"github.com/mizar-net/mizar/topology/netns"
)

// Tending is how a lab is tended.
type Tending struct {
	// Clock is the one that the programs read; nil: the kernel's.
	Clock clock.Clock
	// Every is the time between two passes; 0: [collector.Every].
	Every time.Duration
	// Report, unless it is nil, is told of each pass at a host, one at a time.
	Report func(host string, p collector.Pass)
}

// errGone says that there is nothing to tend any more.
var errGone = errors.New("the lab is not up any more")

// Tend does for the hosts of a lab what agents would, which a lab has none of: it
// ends their flows. It returns when ctx ends, without an error, or when the lab is
// not up any more.
func Tend(ctx context.Context, name string, t Tending) error {
	if !isUp(name) {
		return fmt.Errorf("tend lab %s: it is not up", name)
	}
	if t.Clock == nil {
		t.Clock = clock.Kernel{}
	}
	all, err := attached.Find()
	if err != nil {
		return fmt.Errorf("tend lab %s: %w", name, err)
	}
	up, end := context.WithCancelCause(ctx)
	defer end(nil)
	var passes sync.WaitGroup
	var one sync.Mutex
	for _, d := range all {
		n, err := names.Read(names.Dir, d.ID)
		if err != nil {
			end(err)
			break
		}
		if n.Network != name {
			continue
		}
		c := collector.Collector{Datapath: &tended{d, name, end}, Clock: t.Clock, Every: t.Every, Report: func(p collector.Pass) {
			one.Lock()
			defer one.Unlock()
			if t.Report != nil {
				t.Report(n.Host, p)
			}
		}}
		passes.Go(func() { c.Run(up) })
	}
	<-up.Done()
	passes.Wait()
	err = attached.CloseAll(all)
	if why := context.Cause(up); ctx.Err() == nil {
		err = errors.Join(why, err)
	}
	if err != nil {
		return fmt.Errorf("tend lab %s: %w", name, err)
	}
	return nil
}

// tended is a host's datapath for as long as its lab is up.
type tended struct {
	*attached.Datapath
	lab string
	end context.CancelCauseFunc
}

// Collect implements collector.Datapath.
func (t *tended) Collect(ctx context.Context, now time.Duration) (flow.Collected, error) {
	if !isUp(t.lab) {
		t.end(errGone)
		return flow.Collected{}, errGone
	}
	return t.Datapath.Collect(ctx, now)
}

func isUp(name string) bool {
	labs, err := List()
	return err == nil && slices.ContainsFunc(labs, func(l Lab) bool { return l.Name == name && l.State == netns.Up })
}
