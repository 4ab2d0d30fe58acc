// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/topology"
	"github.com/mizar-net/mizar/topology/netns"
)

// Wire is a network of namespaces. Its methods are not for use by several
// goroutines at once. Close it; if the process dies first, the kernel does.
type Wire struct {
	// pool is where programs come from; nil: they are loaded anew.
	pool *Pool
	room *netns.Net
	ears *ears
	hush *hush
	// ground is the underlay from the next Apply on.
	ground topology.Underlay
	topo   topology.Topology
	// paths are the datapaths by host.
	paths map[string]*dataplane.Datapath
	// reach are the next hops by host, where these differ.
	reach map[string]*reach
	// written is what states wrote.
	written wire.Written
	// agents end the flows of hosts.
	agents map[string]*agent
	know   knowledge
	// port and nonce are the last that a probe took.
	port, nonce uint16
	// states are those that hosts are meant to hold, held has the endpoints of
	// those that they do.
	states     map[string]state.Host
	held       map[string]map[string]state.Endpoint
	conditions map[string]wire.Condition
	relays     map[string]*relay
	seed       int
	traffic    map[string]*series
}

var (
	_ wire.Wire     = (*Wire)(nil)
	_ wire.Meter    = (*Wire)(nil)
	_ wire.Reporter = (*Wire)(nil)
	_ wire.Grounder = (*Wire)(nil)
	_ wire.Writer   = (*Wire)(nil)
)

// Open makes a wire without hosts. It needs root.
func Open() (*Wire, error) { return open(netns.Options{}) }

func open(o netns.Options) (*Wire, error) {
	room, err := netns.New(o)
	if err != nil {
		return nil, err
	}
	w := &Wire{
		room: room, paths: map[string]*dataplane.Datapath{}, reach: map[string]*reach{}, written: wire.Written{}, agents: map[string]*agent{},
		states: map[string]state.Host{}, held: map[string]map[string]state.Endpoint{},
		conditions: map[string]wire.Condition{}, relays: map[string]*relay{}, traffic: map[string]*series{},
	}
	if w.ears, err = newEars(room); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	if w.hush, err = newHush(); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// Name is "veth".
func (w *Wire) Name() string { return "veth" }

// Ground implements wire.Grounder.
func (w *Wire) Ground(u topology.Underlay) { w.ground = u }

// Apply implements wire.Wire: plugs and unplugs, fills the maps of every host,
// and then attaches programs to new ports.
func (w *Wire) Apply(ctx context.Context, hosts []state.Host) error {
	if _, err := w.settle(ctx, nil); err != nil {
		return err
	}
	next, err := topology.Over(w.ground, hosts)
	if err != nil {
		return err
	}
	change := topology.Compare(w.topo, next)
	if err := w.forgetPorts(change); err != nil {
		return err
	}
	if err := w.room.Apply(ctx, next); err != nil {
		return err
	}
	w.topo = next
	w.know = knowledgeOf(hosts, next)
	if err := w.quieten(change); err != nil {
		return err
	}
	if err := w.reaches(ctx, hosts); err != nil {
		return err
	}
	if err := w.program(ctx, hosts); err != nil {
		return err
	}
	return w.ears.ignore() // what the links said while they came up
}

// forgetPorts lets go of what is about to be unplugged.
func (w *Wire) forgetPorts(c topology.Change) error {
	var errs []error
	for _, e := range c.Unplug {
		w.hush.forget(e.Name)
	}
	for _, h := range c.RemoveHosts {
		w.hush.forget("host " + h.Name)
		errs = append(errs, w.unreach(h.Name))
		delete(w.conditions, h.Name)
		if r := w.relays[h.Name]; r != nil {
			delete(w.relays, h.Name)
			if err := r.close(); err != nil {
				errs = append(errs, fmt.Errorf("host %s: %w", h.Name, err))
			}
		}
	}
	return errors.Join(errs...)
}

// topoHost is a host of the machine room.
func (w *Wire) topoHost(name string) topology.Host {
	i := slices.IndexFunc(w.topo.Hosts, func(h topology.Host) bool { return h.Name == name })
	return w.topo.Hosts[i]
}

// quieten listens at what was plugged, and hushes it.
func (w *Wire) quieten(c topology.Change) error {
	var gone, goneHosts []string
	for _, e := range c.Unplug {
		gone = append(gone, e.Name)
	}
	for _, h := range c.RemoveHosts {
		goneHosts = append(goneHosts, h.Name)
	}
	if err := w.ears.follow(w.room, w.topo, gone, goneHosts); err != nil {
		return err
	}
	for _, h := range w.topo.Hosts {
		if err := w.room.InHost(h.Name, func() error { return w.hush.hook("host "+h.Name, netns.UplinkDevice) }); err != nil {
			return fmt.Errorf("host %s: %w", h.Name, err)
		}
	}
	if len(w.topo.Outside) > 0 && len(w.topo.Hosts) > 0 {
		if err := w.room.InOutside(func() error { return w.hush.hook(outsideEar, netns.OutsideDevice) }); err != nil {
			return fmt.Errorf("the outside: %w", err)
		}
	}
	for _, e := range w.topo.Endpoints {
		if err := w.room.InEndpoint(e.Name, func() error { return w.hush.hook(e.Name, e.Device()) }); err != nil {
			return fmt.Errorf("endpoint %s: %w", e.Name, err)
		}
	}
	return nil
}

// program makes every host hold its state and puts programs at its ports.
func (w *Wire) program(ctx context.Context, hosts []state.Host) error {
	here := w.states
	clear(here)
	var fresh []string
	for _, h := range hosts {
		here[h.Name] = h
		if w.paths[h.Name] == nil {
			fresh = append(fresh, h.Name)
		}
	}
	loaded, err := w.pool.load(ctx, fresh)
	if err != nil {
		return err
	}
	maps.Copy(w.paths, loaded)
	moving, err := w.moving(hosts)
	if err != nil {
		return err
	}
	for _, h := range hosts {
		if err := ctx.Err(); err != nil {
			return err
		}
		if w.conditions[h.Name].Behind() {
			continue
		}
		if err := w.hold(h); err != nil {
			return fmt.Errorf("host %s: %w", h.Name, err)
		}
		if _, err := w.paths[h.Name].ImportFlows(moving[h.Name]); err != nil {
			return fmt.Errorf("host %s: %w", h.Name, err)
		}
	}
	for name, d := range w.paths {
		if _, ok := here[name]; ok {
			continue
		}
		if err := errors.Join(w.dismiss(name), w.pool.giveBack(d)); err != nil {
			return fmt.Errorf("host %s: unload its programs: %w", name, err)
		}
		delete(w.paths, name)
	}
	w.employ()
	for _, h := range hosts {
		if w.conditions[h.Name].Behind() {
			continue
		}
		if err := AttachAll(w.room, h, w.paths[h.Name]); err != nil {
			return err
		}
	}
	return w.room.Ready(ctx)
}

// hold makes one host hold its state.
func (w *Wire) hold(h state.Host) error {
	local, err := w.room.Local(h.Name)
	if err != nil {
		return err
	}
	var report dataplane.Report
	if r := w.reach[h.Name]; r != nil {
		report, err = r.apply(w.paths[h.Name], h, local)
	} else {
		report, err = w.paths[h.Name].Apply(h, local)
	}
	w.written.Note(h.Name, report)
	if err == nil {
		err = tell(w.room, h.Name, w.paths[h.Name])
	}
	if err != nil {
		return err
	}
	w.held[h.Name] = map[string]state.Endpoint{}
	for _, e := range h.Endpoints {
		w.held[h.Name][e.Name] = e
	}
	return nil
}

// Written implements wire.Writer.
func (w *Wire) Written(context.Context) (wire.Written, error) { return w.written.Clone(), nil }

// Forget implements wire.Wire.
func (w *Wire) Forget(ctx context.Context, places ...state.Place) error {
	for name, d := range w.paths {
		if err := d.Forget(places...); err != nil {
			return fmt.Errorf("host %s: %w", name, err)
		}
	}
	return ctx.Err()
}

// Advance implements wire.Wire: it waits.
func (w *Wire) Advance(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return w.collect(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// UnderlayFrames implements wire.Meter. What uplinks say while they are set up
// does not count.
func (w *Wire) UnderlayFrames(ctx context.Context) (map[string]uint64, error) {
	if _, err := w.settle(ctx, nil); err != nil {
		return nil, err
	}
	all := map[string]uint64{}
	for _, h := range w.topo.Hosts {
		all[h.Name] = w.ears.frames[h.Name]
	}
	return all, nil
}

// Report implements wire.Reporter: the offloads and modes of all devices.
func (w *Wire) Report(context.Context) (string, error) {
	var b strings.Builder
	err := WriteReport(&b, w.room.Offloads(), w.room.Fallbacks())
	return b.String(), err
}

// Room is the machine room, for tests that look behind the wire.
func (w *Wire) Room() *netns.Net { return w.room }

// Datapath is that of a host, for the same; nil for none.
func (w *Wire) Datapath(host string) *dataplane.Datapath { return w.paths[host] }

// Close implements wire.Wire.
func (w *Wire) Close() error {
	errs := []error{w.endTraffic(), w.closeRelays(), w.dismissAll()}
	if w.hush != nil {
		errs = append(errs, w.hush.close())
	}
	if w.ears != nil {
		errs = append(errs, w.ears.close())
	}
	for name := range w.reach {
		errs = append(errs, w.unreach(name))
	}
	errs = append(errs, w.room.Close(), untell(w.room))
	for _, d := range w.paths {
		errs = append(errs, w.pool.giveBack(d))
	}
	w.paths = nil
	return errors.Join(errs...)
}

// knowledge is what the wire looks up about the states it holds.
type knowledge struct {
	// hosts by underlay address and by the uplink's MAC.
	byAddress map[netip.Addr]string
	byMAC     map[state.MAC]string
	// endpoints by name, and names by place.
	endpoints map[string]placed
	names     map[place]string
}

// placed is an endpoint with its host.
type placed struct {
	state.Endpoint
	host string
	// gateways are those of its subnet.
	gateways []netip.Addr
}

// place is an address inside a VPC.
type place struct {
	vni  uint32
	addr netip.Addr
}

// addresses are the underlay's of a host.
func (k knowledge) addresses(host string) []netip.Addr {
	var all []netip.Addr
	for a, h := range k.byAddress {
		if h == host {
			all = append(all, a)
		}
	}
	return all
}

func knowledgeOf(hosts []state.Host, t topology.Topology) knowledge {
	k := knowledge{
		byAddress: map[netip.Addr]string{}, byMAC: map[state.MAC]string{},
		endpoints: map[string]placed{}, names: map[place]string{},
	}
	for _, h := range t.Hosts {
		k.byMAC[h.MAC] = h.Name
		for _, a := range h.Addresses {
			k.byAddress[a] = h.Name
		}
	}
	for _, h := range hosts {
		gateways := map[string][]netip.Addr{}
		for _, s := range h.Subnets {
			gateways[s.Name] = s.Gateways
		}
		for _, e := range h.Endpoints {
			k.endpoints[e.Name] = placed{e, h.Name, gateways[e.Subnet]}
			for _, a := range e.Addresses {
				k.names[place{e.VNI, a}] = e.Name
			}
		}
	}
	return k
}
