// SPDX-License-Identifier: Apache-2.0

// Package live measures whole ways on real devices: frames go from an endpoint
// on one host to an endpoint on another, through veth pairs, and are counted
// where they end. Everything runs on one CPU, the generator included.
//
//	default/a          host h1                  host h2          default/b
//	generator ─ eth0 ── port ─► wire ─────────── wire ─► port ── eth0 sink
package live

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"github.com/mizar-net/mizar/bench/machine"
	"github.com/mizar-net/mizar/bench/probe"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/topology"
	"github.com/mizar-net/mizar/topology/netns"
)

const (
	sender   = "default/a"
	receiver = "default/b"
	// wire is the device at either end of the link between the hosts. It is
	// a plain veth pair: a bridge, as netns has it, would cost more than all
	// programs together.
	wire = "wire"
	// driverMode is XDP_FLAGS_DRV_MODE of linux/if_link.h.
	driverMode = 1 << 2
)

// rig is two hosts, an endpoint each, and the wire.
type rig struct {
	room *netns.Net
	// family is the underlay's and that of the endpoints' traffic, mtu the
	// underlay's.
	family, mtu int
	// hosts are those whose programs are on the way, sender's first.
	hosts [2]end
	// generator sends from the one endpoint, its sink is at the other.
	generator *probe.Generator
	// stack holds the sink in the stack; nil: it is elsewhere.
	stack link.Link
}

// end is one host of the rig.
type end struct {
	state state.Host
	local state.Local
	// port and wire are interface indexes.
	port, wire int
}

// wireMAC is the address of a host's end of the wire.
func wireMAC(n int) state.MAC { return state.MAC{2, 3, 0, 0, 0, byte(n + 1)} }

// sink is where frames end.
type sink int

const (
	// driverSink is the receiver's device: nothing but the way is measured.
	driverSink sink = iota
	// stackSink is the receiver's stack, where every contender can get to.
	stackSink
)

// underlay says what the hosts are joined by.
type underlay struct {
	// family is 4 or 6, mtu the largest IP packet in bytes.
	family, mtu int
	// overhead is what the overlay needs of each packet.
	overhead int
}

// build makes the rig, with no programs at all.
func build(ctx context.Context, u underlay) (*rig, error) {
	states := states(u)
	room, err := netns.Build(ctx, topology.FromStates(states[:]), netns.Options{})
	if err != nil {
		return nil, err
	}
	r := &rig{room: room, family: u.family, mtu: u.mtu, hosts: [2]end{{state: states[0]}, {state: states[1]}}}
	for _, step := range []func() error{r.plug, r.locate} {
		if err := step(); err != nil {
			return nil, errors.Join(err, r.close())
		}
	}
	return r, nil
}

// arm makes generator and sink.
func (r *rig) arm(frames [][]byte, at sink) error {
	if err := r.generate(frames); err != nil {
		return err
	}
	return r.sink(at)
}

func (r *rig) close() error {
	var err error
	if r.stack != nil {
		err = r.stack.Close()
	}
	if r.generator != nil {
		r.generator.Close()
	}
	return errors.Join(err, r.room.Close())
}

// plug makes the wire.
func (r *rig) plug() error {
	err := r.room.InHost(r.hosts[1].state.Name, func() error {
		far, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			return err
		}
		defer far.Close()
		return r.room.InHost(r.hosts[0].state.Name, func() error {
			attrs := netlink.NewLinkAttrs()
			attrs.Name, attrs.HardwareAddr, attrs.MTU = wire, mac(wireMAC(0)), r.mtu
			veth := netlink.NewVeth(attrs)
			veth.PeerName, veth.PeerHardwareAddr, veth.PeerMTU = wire, mac(wireMAC(1)), uint32(r.mtu)
			veth.PeerNamespace = netlink.NsFd(int(far.Fd()))
			return netlink.LinkAdd(veth)
		})
	})
	if err != nil {
		return fmt.Errorf("make the wire: %w", err)
	}
	for n := range r.hosts {
		h := &r.hosts[n]
		err := r.room.InHost(h.state.Name, func() error {
			l, err := netlink.LinkByName(wire)
			if err != nil {
				return err
			}
			h.wire = l.Attrs().Index
			return netlink.LinkSetUp(l)
		})
		if err != nil {
			return fmt.Errorf("set the wire up at host %s: %w", h.state.Name, err)
		}
	}
	return nil
}

func mac(m state.MAC) net.HardwareAddr { return net.HardwareAddr(m[:]) }

// locate finds out what the hosts' programs must know of the machine: as netns
// has it, but for the wire, which takes the uplink's place.
func (r *rig) locate() error {
	for n := range r.hosts {
		h := &r.hosts[n]
		l, err := r.room.Local(h.state.Name)
		if err != nil {
			return err
		}
		l.UplinkIndex, l.UplinkMAC = uint32(h.wire), wireMAC(n)
		l.NextHops = map[netip.Addr]state.MAC{}
		for _, a := range r.hosts[1-n].state.Addresses {
			l.NextHops[a] = wireMAC(1 - n)
		}
		h.local, h.port = l, int(l.Ports[h.state.Endpoints[0].Name])
	}
	return nil
}

// device is the interface index of the sender's.
func (r *rig) device() (index int, err error) {
	err = r.room.InEndpoint(sender, func() error {
		l, err := netlink.LinkByName(netns.Device)
		if err != nil {
			return err
		}
		index = l.Attrs().Index
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("find the device of %s: %w", sender, err)
	}
	return index, nil
}

// generate makes the generator.
func (r *rig) generate(frames [][]byte) error {
	device, err := r.device()
	if err != nil {
		return err
	}
	r.generator, err = probe.NewGenerator(device, frames)
	return err
}

// sink puts the sink at the receiver.
func (r *rig) sink(at sink) error {
	err := r.room.InEndpoint(receiver, func() error {
		l, err := netlink.LinkByName(netns.Device)
		if err != nil {
			return err
		}
		if at == driverSink {
			return netlink.LinkSetXdpFdWithFlags(l, r.generator.Sink().FD(), driverMode)
		}
		r.stack, err = link.AttachTCX(link.TCXOptions{
			Interface: l.Attrs().Index, Program: r.generator.StackSink(), Attach: ebpf.AttachTCXIngress,
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("put the sink at %s: %w", receiver, err)
	}
	return nil
}

// attach puts the programs at the sender's port and at the wire's far end; the
// near end has one too, as an uplink has.
func (r *rig) attach(port, near, far *ebpf.Program) error {
	return errors.Join(
		r.put(0, r.hosts[0].port, port),
		r.put(0, r.hosts[0].wire, near),
		r.put(1, r.hosts[1].wire, far),
	)
}

// put attaches a program at a device of the n-th host.
func (r *rig) put(n, device int, program *ebpf.Program) error {
	name := r.hosts[n].state.Name
	err := r.room.InHost(name, func() error {
		l := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: device}}
		return netlink.LinkSetXdpFdWithFlags(l, program.FD(), driverMode)
	})
	if err != nil {
		return fmt.Errorf("attach at interface %d of host %s: %w", device, name, err)
	}
	return nil
}

// run sends frames, on one CPU, and waits for the last of them.
func (r *rig) run(cpu, repetitions int) (probe.Flight, error) {
	var f probe.Flight
	err := r.room.InEndpoint(sender, func() (err error) {
		if err := machine.Pin(cpu); err != nil {
			return err
		}
		f, err = r.generator.Run(repetitions)
		return err
	})
	if err != nil {
		return f, err
	}
	return f, r.settle(&f)
}

// eachHost runs f on a thread inside each host.
func (r *rig) eachHost(f func(n int) error) error {
	for n, h := range r.hosts {
		if err := r.room.InHost(h.state.Name, func() error { return f(n) }); err != nil {
			return fmt.Errorf("host %s: %w", h.state.Name, err)
		}
	}
	return nil
}

// portName is the device of a host's endpoint in the host's namespace.
func (r *rig) portName(n int) string {
	return topology.Device(topology.PortPrefix, r.hosts[n].state.Endpoints[0].Name)
}
