// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
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
	// outside says that it came out at somebody outside, whose name is the endpoint's.
	outside bool
}

// ears are all the ears of a machine room.
type ears struct {
	fabric *ear
	// hosts are the names by the index of their ports in the fabric, frames
	// what each has put on the underlay.
	hosts     map[int]string
	frames    map[string]uint64
	endpoints map[string]*ear
	// stacks are at the uplinks of hosts: what programs pass on.
	stacks map[string]*ear
	// early are hosts whose uplink's program is of TCX: packet sockets hear what
	// arrives there before it does.
	early map[string]topology.Host
	// routed says that hosts on the underlay ask for their neighbours.
	routed bool
	// asking are uplinks whose hosts ask for their neighbours, which is not
	// what anybody here listens for.
	asking map[state.MAC]bool
	// outsiders are the names of who is outside, by address.
	outsiders map[netip.Addr]string
}

func newEars(room *netns.Net) (*ears, error) {
	f, err := earInFabric(room)
	if err != nil {
		return nil, fmt.Errorf("listen in the fabric: %w", err)
	}
	return &ears{fabric: f, hosts: map[int]string{}, frames: map[string]uint64{}, endpoints: map[string]*ear{}, stacks: map[string]*ear{}}, nil
}

// follow makes the ears fit the machine room, which is as t says. gone are
// endpoints and hosts whose namespace is another now, or none.
func (e *ears) follow(room *netns.Net, t topology.Topology, gone, goneHosts []string) error {
	clear(e.hosts)
	e.routed = room.Routed()
	for _, name := range goneHosts {
		if err := e.letGo(e.stacks, name); err != nil {
			return err
		}
	}
	e.asking, e.early = map[state.MAC]bool{}, map[string]topology.Host{}
	for _, h := range t.Hosts {
		if h.Form == state.FormTCX {
			e.early[h.Name] = h
		}
		e.asking[h.MAC] = room.Routed()
		port, err := room.FabricPort(h.Name)
		if err != nil {
			return err
		}
		e.hosts[port] = h.Name
		if _, ok := e.stacks[h.Name]; ok {
			continue
		}
		made, err := earAtStack(room, h.Name)
		if err != nil {
			return fmt.Errorf("listen at the stack of host %s: %w", h.Name, err)
		}
		e.stacks[h.Name] = made
	}
	for _, name := range gone {
		if err := e.letGo(e.endpoints, name); err != nil {
			return err
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
	return e.followOutside(room, t)
}

// letGo closes one of some ears, if it is there.
func (*ears) letGo(some map[string]*ear, name string) error {
	old, ok := some[name]
	if !ok {
		return nil
	}
	delete(some, name)
	return old.close()
}

// placedEar is an ear and where it is; the zero port is the fabric.
type placedEar struct {
	*ear
	at wire.Port
}

// all are the ears and where they are.
func (e *ears) all() []placedEar {
	some := []placedEar{{e.fabric, wire.Port{}}}
	for name, ear := range e.endpoints {
		some = append(some, placedEar{ear, wire.Port{Endpoint: name}})
	}
	for name, ear := range e.stacks {
		some = append(some, placedEar{ear, wire.Port{Stack: name}})
	}
	return some
}

// listen waits until something is heard, at most for a time, and returns all
// that was, oldest first.
func (e *ears) listen(most time.Duration) ([]sighting, error) {
	ears := e.all()
	fds := make([]unix.PollFd, len(ears))
	for i, ear := range ears {
		fds[i] = unix.PollFd{Fd: int32(ear.fd), Events: unix.POLLIN}
	}
	if _, err := unix.Poll(fds, int(most.Milliseconds())); err != nil && !errors.Is(err, unix.EINTR) {
		return nil, fmt.Errorf("wait for frames: %w", err)
	}
	var all []sighting
	for i, fd := range fds {
		if fd.Revents == 0 {
			continue
		}
		some, err := e.fetch(ears[i])
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return inOrder(all), nil
}

// fetch reads one ear.
func (e *ears) fetch(from placedEar) ([]sighting, error) {
	frames, err := from.ear.fetch()
	if err != nil {
		return nil, err
	}
	var all []sighting
	for _, h := range frames {
		s := sighting{at: from.at, when: h.at, frame: h.frame}
		// What can't be read is still a frame; it is no probe's.
		s.packet, _ = frame.Decode(h.frame)
		if s.at == (wire.Port{}) {
			host, ok := e.hosts[h.device]
			if !ok || e.asks(s.packet) {
				continue // the bridge's own copy, a router's, or a port that is gone
			}
			e.frames[host]++
			s.at = wire.Port{Uplink: host}
		}
		if s.at.Endpoint == outsideEar {
			name, ok := e.outsiders[s.packet.Inner.Dst]
			if !ok || s.packet.Tunnel {
				continue // neighbours that ask
			}
			s.at.Endpoint, s.outside = name, true
		}
		if s.at.Stack != "" && (e.routed && neighbourly(s.packet) || e.taken(s.at.Stack, s.packet)) {
			continue
		}
		all = append(all, s)
	}
	return all, nil
}

// taken says that a packet is the tunnel's, at a host where that is heard although
// no program passes it on. That none does is for counters and the testrun wire.
func (e *ears) taken(host string, p frame.Packet) bool {
	h, early := e.early[host]
	to := p.OuterDst
	if !p.Tunnel {
		to = p.Inner.Dst
	}
	return early && (p.Tunnel || p.Malformed != "") && p.VLAN == h.VLAN && slices.Contains(h.Addresses, to)
}

// neighbourly says that a frame is ARP or neighbour discovery.
func neighbourly(p frame.Packet) bool { return !p.Tunnel && (p.Inner.ARP != nil || p.Inner.ND != nil) }

// asks says that a host asks for a neighbour on the underlay, or answers.
func (e *ears) asks(p frame.Packet) bool {
	return neighbourly(p) && e.asking[p.Inner.SrcMAC]
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
	all := slices.Concat(slices.Collect(maps.Values(e.endpoints)), slices.Collect(maps.Values(e.stacks)), []*ear{e.fabric})
	errs := make([]error, len(all))
	var group sync.WaitGroup
	for i, ear := range all {
		group.Go(func() { errs[i] = ear.close() })
	}
	group.Wait()
	e.endpoints, e.stacks = nil, nil
	return errors.Join(errs...)
}
