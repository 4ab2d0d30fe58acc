// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/topology"
	"github.com/mizar-net/mizar/topology/netns"
)

// sighting is a frame that came out: of a host onto the underlay, or at an
// endpoint.
type sighting struct {
	at     wire.Port
	when   time.Time
	frame  []byte
	packet frame.Packet
}

// ears are all the ears of a machine room.
type ears struct {
	fabric *ear
	// hosts are the names by the index of their ports in the fabric, frames
	// what each has put on the underlay.
	hosts     map[int]string
	frames    map[string]uint64
	endpoints map[string]*ear
	// asking are uplinks whose hosts ask for their neighbours, which is not
	// what anybody here listens for.
	asking map[state.MAC]bool
}

func newEars(room *netns.Net) (*ears, error) {
	f, err := earInFabric(room)
	if err != nil {
		return nil, fmt.Errorf("listen in the fabric: %w", err)
	}
	return &ears{fabric: f, hosts: map[int]string{}, frames: map[string]uint64{}, endpoints: map[string]*ear{}}, nil
}

// follow makes the ears fit the machine room, which is as t says. gone are
// endpoints whose namespace is another now, or none.
func (e *ears) follow(room *netns.Net, t topology.Topology, gone []string) error {
	clear(e.hosts)
	e.asking = map[state.MAC]bool{}
	for _, h := range t.Hosts {
		e.asking[h.MAC] = room.Routed()
		port, err := room.FabricPort(h.Name)
		if err != nil {
			return err
		}
		e.hosts[port] = h.Name
	}
	for _, name := range gone {
		if old, ok := e.endpoints[name]; ok {
			if err := old.close(); err != nil {
				return err
			}
			delete(e.endpoints, name)
		}
	}
	for _, p := range t.Endpoints {
		if _, ok := e.endpoints[p.Name]; ok {
			continue
		}
		made, err := earAtEndpoint(room, p)
		if err != nil {
			return fmt.Errorf("listen at endpoint %s: %w", p.Name, err)
		}
		e.endpoints[p.Name] = made
	}
	return nil
}

// listen waits until something is heard, at most for a time, and returns all
// that was, oldest first.
func (e *ears) listen(most time.Duration) ([]sighting, error) {
	fds := []unix.PollFd{{Fd: int32(e.fabric.fd), Events: unix.POLLIN}}
	names := []string{""}
	for name, ear := range e.endpoints {
		fds = append(fds, unix.PollFd{Fd: int32(ear.fd), Events: unix.POLLIN})
		names = append(names, name)
	}
	if _, err := unix.Poll(fds, int(most.Milliseconds())); err != nil && !errors.Is(err, unix.EINTR) {
		return nil, fmt.Errorf("wait for frames: %w", err)
	}
	var all []sighting
	for i, fd := range fds {
		if fd.Revents == 0 {
			continue
		}
		some, err := e.fetch(names[i])
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return inOrder(all), nil
}

// fetch reads one ear: an endpoint's, or "" for the fabric's.
func (e *ears) fetch(endpoint string) ([]sighting, error) {
	from := e.fabric
	if endpoint != "" {
		from = e.endpoints[endpoint]
	}
	frames, err := from.fetch()
	if err != nil {
		return nil, err
	}
	var all []sighting
	for _, h := range frames {
		s := sighting{at: wire.Port{Endpoint: endpoint}, when: h.at, frame: h.frame}
		if endpoint == "" {
			host, ok := e.hosts[h.device]
			if !ok {
				continue // the bridge's own copy, or a port that is gone
			}
			s.at = wire.Port{Uplink: host}
		}
		// What can't be read is still a frame; it is no probe's.
		s.packet, _ = frame.Decode(h.frame)
		if s.at.Uplink != "" {
			if e.asks(s.packet) {
				continue
			}
			e.frames[s.at.Uplink]++
		}
		all = append(all, s)
	}
	return all, nil
}

// asks says that a host asks for a neighbour on the underlay, or answers.
func (e *ears) asks(p frame.Packet) bool {
	return !p.Tunnel && e.asking[p.Inner.SrcMAC] && (p.Inner.ARP != nil || p.Inner.ND != nil)
}

// ignore passes over what was heard, uncounted.
func (e *ears) ignore() error {
	counted := maps.Clone(e.frames)
	_, err := e.listen(0)
	e.frames = counted
	return err
}

// close closes all at once: the kernel waits for all CPUs with each socket.
func (e *ears) close() error {
	all := append(slices.Collect(maps.Values(e.endpoints)), e.fabric)
	errs := make([]error, len(all))
	var group sync.WaitGroup
	for i, ear := range all {
		group.Go(func() { errs[i] = ear.close() })
	}
	group.Wait()
	e.endpoints = nil
	return errors.Join(errs...)
}
