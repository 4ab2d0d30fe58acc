// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/topology"
)

// Options say what kind of machine room to build. The zero value is one that
// goes with the process.
type Options struct {
	// Name keeps the machine room under /run/netns from [Net.Release] until
	// [Down]. Empty: anonymous namespaces.
	Name string
	// Uplinks are devices of the calling thread's namespace, by the names of the
	// hosts whose uplinks they are to be: what they are plugged into is the
	// underlay then, which must have segments with addresses. They come back
	// when their host is removed. Any other host has a veth to the fabric.
	Uplinks map[string]string
}

// Net is a machine room that exists. Its methods are not for use by several
// goroutines at once.
type Net struct {
	opts   Options
	claim  *claim
	topo   topology.Topology
	fabric *fabric
	// home is where the devices of Options.Uplinks come from; nil without any.
	home      *space
	segments  []topology.Segment
	routers   map[string]*router
	hosts     map[string]*host
	endpoints map[string]*endpoint
	// outside is nil where nobody is.
	outside *outside
}

// New makes an empty machine room: the fabric, and nothing plugged in.
func New(opts Options) (*Net, error) {
	if opts.Name != "" {
		if err := checkName(opts.Name); err != nil {
			return nil, err
		}
	}
	c, err := newClaim(opts.Name)
	if err != nil {
		return nil, err
	}
	if err := mountPins(opts.Name); err != nil {
		return nil, errors.Join(fmt.Errorf("machine room %s: %w", opts.Name, err), c.end())
	}
	f, err := newFabric()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("build the fabric: %w", err), unpin(pinsOf(opts.Name)), c.end())
	}
	n := &Net{opts: opts, claim: c, fabric: f, routers: map[string]*router{}, hosts: map[string]*host{}, endpoints: map[string]*endpoint{}}
	if len(opts.Uplinks) > 0 {
		if n.home, err = thisSpace(); err != nil {
			return nil, errors.Join(fmt.Errorf("hold the namespace of the uplinks' devices: %w", err), n.Close())
		}
	}
	return n, nil
}

// Build makes a machine room with a topology, or nothing at all.
func Build(ctx context.Context, t topology.Topology, opts Options) (*Net, error) {
	n, err := New(opts)
	if err != nil {
		return nil, err
	}
	if err := n.Apply(ctx, t); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// Apply plugs and unplugs until the machine room is as t says. After an error
// it is somewhere between; Apply may be called again, or Close. A new port has
// no program until [Net.Attach], and one that moved is down until then.
func (n *Net) Apply(ctx context.Context, t topology.Topology) error {
	if err := t.Check(); err != nil {
		return err
	}
	c := topology.Compare(n.built(), t)
	underlay := func(ctx context.Context, c topology.Change) error {
		return errors.Join(ctx.Err(), n.removeUnderlay(c), n.addUnderlay(c, t))
	}
	around := func(context.Context, topology.Change) error { return n.outsiders(t) }
	for _, step := range []func(context.Context, topology.Change) error{n.unplug, n.removeHosts, underlay, n.addHosts, around, n.move, n.plug} {
		if err := step(ctx, c); err != nil {
			return err
		}
	}
	n.modes(t)
	return n.neighbours()
}

// modes takes forms and modes of XDP over, for the next Attach.
func (n *Net) modes(t topology.Topology) {
	for _, h := range t.Hosts {
		n.hosts[h.Name].Form, n.hosts[h.Name].XDP = h.Form, h.XDP
	}
	for _, e := range t.Endpoints {
		n.endpoints[e.Name].Form, n.endpoints[e.Name].XDP = e.Form, e.XDP
	}
}

// built is what exists.
func (n *Net) built() topology.Topology {
	u := n.underlay()
	t := topology.Topology{Segments: u.Segments, Routers: u.Routers}
	for _, h := range n.hosts {
		t.Hosts = append(t.Hosts, h.Host)
	}
	for _, e := range n.endpoints {
		t.Endpoints = append(t.Endpoints, e.Endpoint)
	}
	return t
}

func (n *Net) unplug(ctx context.Context, c topology.Change) error {
	for _, e := range c.Unplug {
		if err := n.endpoints[e.Name].close(); err != nil {
			return fmt.Errorf("unplug endpoint %s: %w", e.Name, err)
		}
		delete(n.endpoints, e.Name)
	}
	return ctx.Err()
}

func (n *Net) removeHosts(ctx context.Context, c topology.Change) error {
	for _, h := range c.RemoveHosts {
		if err := n.hosts[h.Name].close(); err != nil {
			return fmt.Errorf("remove host %s: %w", h.Name, err)
		}
		delete(n.hosts, h.Name)
	}
	return ctx.Err()
}

func (n *Net) addHosts(ctx context.Context, c topology.Change) error {
	for _, h := range c.AddHosts {
		if err := ctx.Err(); err != nil {
			return err
		}
		from, err := n.deviceOf(h)
		if err != nil {
			return fmt.Errorf("build host %s: %w", h.Name, err)
		}
		made, err := newHost(h, n.fabric, from, fileOf(n.opts.Name, "host", h.Name))
		if err != nil {
			return fmt.Errorf("build host %s: %w", h.Name, err)
		}
		n.hosts[h.Name] = made
	}
	return nil
}

func (n *Net) move(ctx context.Context, c topology.Change) error {
	for _, m := range c.Move {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := n.endpoints[m.Endpoint.Name].move(n.hosts[m.Endpoint.Host]); err != nil {
			return fmt.Errorf("move endpoint %s from %s to %s: %w", m.Endpoint.Name, m.From, m.Endpoint.Host, err)
		}
	}
	return nil
}

func (n *Net) plug(ctx context.Context, c topology.Change) error {
	for _, e := range c.Plug {
		if err := ctx.Err(); err != nil {
			return err
		}
		made, err := newEndpoint(e, n.hosts[e.Host], fileOf(n.opts.Name, Endpoint, e.Name))
		if err != nil {
			return fmt.Errorf("plug endpoint %s into %s: %w", e.Name, e.Host, err)
		}
		n.endpoints[e.Name] = made
	}
	return nil
}

// neighbours tells every host the Ethernet address of every other, so that no
// ARP and no solicitation is ever on the underlay.
func (n *Net) neighbours() error {
	if n.Routed() {
		return nil // hosts ask
	}
	for _, h := range n.hosts {
		for _, other := range n.hosts {
			if other == h {
				continue
			}
			if err := h.meet(other.Host); err != nil {
				return fmt.Errorf("tell host %s of %s: %w", h.Name, other.Name, err)
			}
		}
		if n.outside == nil {
			continue
		}
		if err := n.outside.meet(h); err != nil {
			return fmt.Errorf("tell host %s of the outside, and that of it: %w", h.Name, err)
		}
	}
	return nil
}

// Local has the facts of a host's machine.
func (n *Net) Local(name string) (state.Local, error) {
	h, ok := n.hosts[name]
	if !ok {
		return state.Local{}, n.unknown("host", name)
	}
	l := state.Local{
		UplinkIndex: uint32(h.uplink),
		UplinkMAC:   h.MAC,
		Ports:       map[string]uint32{},
		NextHops:    h.nextHops(),
		Outside:     n.ways(h),
	}
	for _, e := range n.endpoints {
		if e.Host == name {
			l.Ports[e.Name] = uint32(e.port)
		}
	}
	return l, nil
}

// FabricPort is the interface index, in the fabric, of the other end of a
// host's uplink: what a host sends arrives there.
func (n *Net) FabricPort(name string) (int, error) {
	h, ok := n.hosts[name]
	if !ok {
		return 0, n.unknown("host", name)
	}
	if h.device != nil {
		return 0, fmt.Errorf("host %s: its uplink is device %s, which has no other end in the fabric", name, h.device.name)
	}
	return h.fabricPort, nil
}

// Name is what [Enter] and [Down] find the machine room by; "" if it has none.
func (n *Net) Name() string { return n.opts.Name }

// InFabric runs f on a thread inside the fabric's namespace. f must not leave
// work to goroutines that it starts.
func (n *Net) InFabric(f func() error) error { return n.fabric.in(f) }

// InHost does so in a host's namespace.
func (n *Net) InHost(name string, f func() error) error {
	h, ok := n.hosts[name]
	if !ok {
		return n.unknown("host", name)
	}
	return h.in(f)
}

// InEndpoint does so in an endpoint's namespace, where its device is
// [topology.Endpoint.Device]: for the host's own endpoint, the host's; for an
// outsider, all of the outside's, where it is [OutsideDevice].
func (n *Net) InEndpoint(name string, f func() error) error {
	if n.Outside(name) {
		return n.InOutside(f)
	}
	e, ok := n.endpoints[name]
	if !ok {
		return n.unknown("endpoint", name)
	}
	return e.in(f)
}

// unknown is the error for a name that nothing has.
func (n *Net) unknown(kind, name string) error {
	var have []string
	switch kind {
	case "host":
		have = slices.Collect(maps.Keys(n.hosts))
	case "router":
		have = slices.Collect(maps.Keys(n.routers))
	default:
		have = slices.Collect(maps.Keys(n.endpoints))
	}
	slices.Sort(have)
	return fmt.Errorf("%s %q is not in the machine room, which has %v", kind, name, have)
}

// Offloads are the features of all devices and the modes of their programs, sorted by namespace and device.
func (n *Net) Offloads() []Offload {
	var all []Offload
	for _, h := range n.hosts {
		all = append(all, Offload{h.Name, UplinkDevice, h.attached.String(), h.offloads})
		if h.device == nil {
			all = append(all, Offload{"fabric", topology.Device(topology.FabricPrefix, h.Name), "-", h.fabricOffloads})
		}
	}
	for _, e := range n.endpoints {
		all = append(all, Offload{e.Host, e.portName(), e.attached.String(), e.portOffloads},
			Offload{e.Name, e.Device(), "-", e.offloads})
	}
	slices.SortFunc(all, compareOffloads)
	return all
}

// Close takes the machine room down; what has a name, too.
func (n *Net) Close() error {
	if n.fabric.closed != nil {
		return nil
	}
	var errs []error
	for _, h := range n.hosts {
		if h.device != nil {
			errs = append(errs, h.giveBack())
		}
	}
	return errors.Join(append(errs, n.end((*space).close), unpin(pinsOf(n.opts.Name)), n.claim.end())...)
}

// Release lets go of a machine room with a name, which is complete by that and
// stays; one without is taken down.
func (n *Net) Release() error {
	if n.fabric.closed != nil {
		return nil
	}
	if err := n.claim.complete(n.fabric.space); err != nil {
		return errors.Join(fmt.Errorf("leave machine room %s up: %w", n.opts.Name, err), n.Close())
	}
	return n.end((*space).release)
}

// end does one thing to all namespaces, endpoints first.
func (n *Net) end(how func(*space) error) error {
	var errs []error
	for _, e := range n.endpoints {
		if !e.Self {
			errs = append(errs, how(e.space))
		}
	}
	for _, h := range n.hosts {
		errs = append(errs, how(h.space))
	}
	for _, r := range n.routers {
		errs = append(errs, how(r.space))
	}
	if n.outside != nil {
		errs = append(errs, n.outside.close())
	}
	if n.home != nil {
		errs = append(errs, n.home.release())
	}
	n.endpoints, n.hosts, n.routers, n.outside = map[string]*endpoint{}, map[string]*host{}, map[string]*router{}, nil
	return errors.Join(append(errs, how(n.fabric.space))...)
}
