// SPDX-License-Identifier: Apache-2.0

package nexthop

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/dataplane/state"
)

// Answers are the hops of the addresses that are followed.
type Answers map[netip.Addr]Hop

// Watcher keeps answers current. Close it. It is safe for concurrent use.
type Watcher struct {
	events  *nl.NetlinkSocket
	kernel  *netlink.Handle
	changed func()
	reader  sync.WaitGroup
	closed  atomic.Bool

	mu         sync.Mutex
	table      Table
	neighbours map[Neighbour]neighbour
	answers    Answers
	// turn is closed when answers change, and replaced.
	turn chan struct{}
	// broken is why answers are not current any more.
	broken error
}

// neighbour is what the kernel says of one: its address and NUD_… state.
type neighbour struct {
	mac   state.MAC
	state int
}

// room for events that were not read yet, in bytes; when it overflows, all is
// read anew.
const room = 1 << 20

// Watch follows the network namespace of the calling thread. After each change
// of an answer it calls changed, from one goroutine and with nothing locked;
// [Watcher.Answers] then has the new ones. Nothing is followed until Follow.
func Watch(changed func()) (*Watcher, error) {
	events, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_NEIGH,
		unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR)
	if err != nil {
		return nil, fmt.Errorf("watch next hops: subscribe to the kernel's events: %w", err)
	}
	kernel, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		events.Close()
		return nil, fmt.Errorf("watch next hops: open netlink: %w", err)
	}
	w := &Watcher{events: events, kernel: kernel, changed: changed, answers: Answers{}, turn: make(chan struct{})}
	err = errors.Join(events.SetReceiveBufferSize(room, true), w.readAll())
	if err != nil {
		events.Close()
		kernel.Close()
		return nil, fmt.Errorf("watch next hops: %w", err)
	}
	w.reader.Go(w.read)
	return w, nil
}

// Follow answers for these addresses from now on, and no others. It makes the
// kernel look for next hops that it does not know.
func (w *Watcher) Follow(addresses []netip.Addr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers = make(Answers, len(addresses))
	for _, a := range addresses {
		w.answers[a] = w.table.Resolve(a)
	}
	w.attend()
}

// Answers returns those of the moment.
func (w *Watcher) Answers() Answers {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.answers)
}

// Wait returns when the answers are as the caller wants them.
func (w *Watcher) Wait(ctx context.Context, wanted func(Answers) bool) error {
	for {
		w.mu.Lock()
		turn, ok, broken := w.turn, wanted(maps.Clone(w.answers)), w.broken
		w.mu.Unlock()
		if ok || broken != nil {
			return broken
		}
		select {
		case <-turn:
		case <-ctx.Done():
			return fmt.Errorf("wait for next hops, which are %v: %w", w.Answers(), ctx.Err())
		}
	}
}

// Close stops watching. changed is not called afterwards.
func (w *Watcher) Close() error {
	w.closed.Store(true)
	w.events.Close()
	w.reader.Wait()
	w.kernel.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broken
}

// read takes events until the socket is closed. Events that the kernel had no
// room for are made up for by reading everything.
func (w *Watcher) read() {
	for {
		messages, _, err := w.events.Receive()
		switch {
		case w.closed.Load():
			return
		case err != nil && !errors.Is(err, unix.ENOBUFS):
			w.fail(fmt.Errorf("read the kernel's events: %w", err))
			return
		case err != nil:
			err = w.locked(w.readAll)
		default:
			err = w.locked(func() error { return w.take(messages) })
		}
		if err != nil {
			w.fail(err)
			return
		}
	}
}

// fail ends all waiting.
func (w *Watcher) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = fmt.Errorf("next hops are not current any more: %w", err)
	close(w.turn)
	w.turn = make(chan struct{})
}

// locked changes the table, answers anew, and tells of a difference.
func (w *Watcher) locked(change func() error) error {
	w.mu.Lock()
	if err := change(); err != nil {
		w.mu.Unlock()
		return err
	}
	differs := false
	for a, was := range w.answers {
		if now := w.table.Resolve(a); now != was {
			w.answers[a], differs = now, true
		}
	}
	w.attend()
	if differs {
		close(w.turn)
		w.turn = make(chan struct{})
	}
	w.mu.Unlock()
	if differs && w.changed != nil {
		w.changed()
	}
	return nil
}

// take changes the table by events. Neighbours come one by one; whatever else
// has changed is rare, and read anew: the kernel does not tell of every route
// that goes with its device.
func (w *Watcher) take(messages []syscall.NetlinkMessage) error {
	for _, m := range messages {
		if m.Header.Type != unix.RTM_NEWNEIGH && m.Header.Type != unix.RTM_DELNEIGH {
			return w.readAll()
		}
	}
	for _, m := range messages {
		n, err := netlink.NeighDeserialize(m.Data)
		if err != nil {
			return fmt.Errorf("read an event of a neighbour: %w", err)
		}
		w.note(*n, m.Header.Type == unix.RTM_DELNEIGH)
	}
	return nil
}
