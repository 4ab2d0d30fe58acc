// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/dataplane/nexthop"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/topology/netns"
)

// reach keeps the next hops of one host as its kernel has them, in its maps.
type reach struct {
	watcher *nexthop.Watcher

	mu sync.Mutex
	// path is the host's datapath and local the facts of its machine, once
	// there are some.
	path  *dataplane.Datapath
	local state.Local
	// paused says that the host's agent does not run, and follows nothing.
	paused bool
	// failed is what went wrong since.
	failed error
}

// newReach watches a host.
func newReach(room *netns.Net, host string) (*reach, error) {
	r := &reach{}
	err := room.InHost(host, func() (err error) {
		r.watcher, err = nexthop.Watch(r.changed)
		return err
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// changed brings new answers to the maps.
func (r *reach) changed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.path == nil || r.paused {
		return
	}
	r.answered()
	if _, err := r.path.Reach(r.local); err != nil {
		r.failed = errors.Join(r.failed, err)
	}
}

// answered takes the answers of the moment over.
func (r *reach) answered() { Answered(&r.local, r.watcher.Answers()) }

// Answered makes answers of a watcher next hops of a machine; those of unspecified
// addresses, which default routes have, lead to the outside.
func Answered(l *state.Local, answers nexthop.Answers) {
	l.NextHops, l.Outside, l.Ways = map[netip.Addr]state.MAC{}, map[netip.Addr]state.MAC{}, map[netip.Addr]state.Way{}
	for to, hop := range answers {
		if hop.Why == nexthop.Resolved {
			hops := l.NextHops
			if to.IsUnspecified() {
				hops = l.Outside
			}
			hops[to] = hop.MAC
			l.Ways[to] = state.Way{Device: uint32(hop.Device), DeviceMAC: hop.DeviceMAC, MTU: hop.MTU}
		}
	}
}

// apply makes the maps hold a state, by the next hops of the moment.
func (r *reach) apply(path *dataplane.Datapath, s state.Host, l state.Local) (dataplane.Report, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed != nil {
		return nil, r.failed
	}
	r.path, r.local, r.paused = path, l, false
	r.answered()
	return path.Apply(s, r.local)
}

// longest is how long hosts may take to find their next hops: an address that
// was asked for too early is asked for again after a second.
const longest = 10 * time.Second

// settle waits until the kernel knows the next hops of some addresses, as the room
// has them.
func settle(ctx context.Context, room *netns.Net, w *nexthop.Watcher, s state.Host, targets []netip.Addr) error {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	return w.Wait(ctx, func(a nexthop.Answers) bool {
		for _, to := range targets {
			if mac, reachable := room.NextHop(s.Name, to); reachable && (a[to].Why != nexthop.Resolved || a[to].MAC != mac) {
				return false
			}
		}
		return true
	})
}

// pause stops following until the next apply.
func (r *reach) pause() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = true
}

func (r *reach) close() error {
	err := r.watcher.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(err, r.failed)
}

// Resolve is [netns.Net.Local] with the next hops that the host's kernel finds
// now; nobody keeps them current.
func Resolve(ctx context.Context, room *netns.Net, s state.Host) (l state.Local, err error) {
	l, err = room.Local(s.Name)
	if err != nil || !room.Routed() {
		return l, err
	}
	r, err := newReach(room, s.Name)
	if err != nil {
		return l, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	r.watcher.Follow(encode.Targets(s))
	if err := settle(ctx, room, r.watcher, s, encode.Targets(s)); err != nil {
		return l, fmt.Errorf("host %s: %w", s.Name, err)
	}
	Answered(&l, r.watcher.Answers())
	return l, nil
}

// reaches makes every host's kernel find its next hops, and follows them.
func (w *Wire) reaches(ctx context.Context, hosts []state.Host) error {
	if !w.room.Routed() {
		return nil
	}
	for _, h := range hosts {
		if w.reach[h.Name] != nil {
			continue
		}
		r, err := newReach(w.room, h.Name)
		if err != nil {
			return fmt.Errorf("host %s: %w", h.Name, err)
		}
		w.reach[h.Name] = r
	}
	for _, h := range hosts {
		watcher, targets := w.reach[h.Name].watcher, encode.Targets(h)
		watcher.Follow(targets)
		targets = slices.DeleteFunc(targets, func(to netip.Addr) bool { return w.broken(h.Name) || w.broken(w.know.byAddress[to]) })
		if err := settle(ctx, w.room, watcher, h, targets); err != nil {
			return fmt.Errorf("host %s: %w", h.Name, err)
		}
	}
	return nil
}

// broken says that something is wrong with a host, so that its answers, or those
// to it, are not waited for.
func (w *Wire) broken(host string) bool { return w.conditions[host] != wire.Condition{} }

// unreach stops following hosts that are about to be removed.
func (w *Wire) unreach(name string) error {
	r, ok := w.reach[name]
	if !ok {
		return nil
	}
	delete(w.reach, name)
	if err := r.close(); err != nil {
		return fmt.Errorf("host %s: %w", name, err)
	}
	return nil
}
