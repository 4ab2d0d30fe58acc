// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/bench/probe"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/topology/netns"
)

// profile is a way to connect two endpoints: an overlay, and how the devices on
// the way are set.
type profile struct {
	name, what string
	// form is the program's at the port, or formKernel.
	form string
	// overhead is what the overlay takes of the underlay's MTU, by family.
	overhead map[int]int
	overlay  func(*contender) error
	// endpoints are both endpoints' devices, ports the hosts' ends of them,
	// wires the ends of the underlay.
	endpoints, ports, wires offloads
	// needs says what is missing for it; nil: it needs nothing.
	needs func() error
}

// formKernel is the form of what runs without any program.
const formKernel = "kernel"

// geneveOverhead is what controlplane/compile reserves for an overlay of either
// family, all options included.
var geneveOverhead = map[int]int{4: 86, 6: 106}

// floorProfile is what the others are compared with.
func floorProfile() profile {
	return profile{
		name: kernelVXLAN, form: formKernel, what: "the kernel's VXLAN and bridge, offloads of endpoints as Linux sets them",
		overhead: vxlanOverhead, overlay: (*contender).kernel,
		endpoints: offloads{segmentation: true, checksum: true, scatter: true, gro: false},
		ports:     offloads{segmentation: true, checksum: true, scatter: true, gro: false},
		wires:     offloads{segmentation: false, checksum: false, gro: true},
	}
}

// xdpProfile has programs in XDP at ports and uplinks. These must get finished
// packets, so that checksum offload and segmentation offload can't be on: a
// checksum left to the device would stay undone. TCP makes large packets all
// the same, which the kernel cuts and sums up before they leave the endpoint.
func xdpProfile() profile {
	return profile{
		name: string(probe.XDP), form: string(probe.XDP), what: "programs in XDP at both ends, GRO at the receiving endpoint",
		overhead: geneveOverhead, overlay: (*contender).programs,
		endpoints: offloads{segmentation: false, checksum: false, scatter: false, gro: true},
		ports:     offloads{segmentation: false, checksum: false, scatter: false, gro: false},
		wires:     offloads{segmentation: false, checksum: false, gro: false},
	}
}

// tcxProfile has programs in TCX at ports, which let unfinished packets pass
// whole: they are cut and summed up behind the overlay.
func tcxProfile() profile {
	return profile{
		name: string(probe.TCX), form: string(probe.TCX),
		what:     "programs in TCX at ports and XDP at uplinks, offloads and GRO at the endpoints",
		overhead: geneveOverhead, overlay: (*contender).programsTCX,
		endpoints: offloads{segmentation: true, checksum: true, scatter: true, gro: true},
		ports:     offloads{segmentation: true, checksum: true, scatter: true, gro: false},
		wires:     offloads{segmentation: false, checksum: false, gro: false},
	}
}

// wholeProfile has programs in TCX at uplinks, too: nothing on the way wants frames
// without sk_buffs, so that none is copied for it, and what is delivered goes by
// the endpoint's GRO. A port with segmentation offload would go around that.
func wholeProfile() profile {
	p := tcxProfile()
	p.name = "tcx-uplink"
	p.what = "programs in TCX at ports and uplinks, offloads and GRO at the endpoints"
	p.overlay = (*contender).programsTCXAlone
	p.ports = offloads{segmentation: false, checksum: true, scatter: true, gro: false}
	return p
}

// streamProfiles is the table: what a stream is measured with.
func streamProfiles() []profile {
	ungathered := xdpProfile()
	ungathered.name, ungathered.what = "xdp-no-gro", "the same without GRO at the receiving endpoint"
	ungathered.endpoints[gro], ungathered.overlay = false, (*contender).programsWithoutGRO

	scattered := xdpProfile()
	scattered.name, scattered.what = "xdp-scatter", "as xdp, with scatter-gather at the endpoint: cut packets are not copied before the port"
	scattered.endpoints[scatter] = true

	bare := floorProfile()
	bare.name, bare.what = "kernel-no-gro", "for comparison: the kernel's VXLAN and bridge without GRO on the underlay"
	bare.wires[gro] = false

	gathered := floorProfile()
	gathered.name, gathered.what = "kernel-gro", "for comparison: and with GRO at the endpoint"
	gathered.endpoints[gro] = true

	tracked := floorProfile()
	tracked.name, tracked.what = "kernel-netfilter", "for comparison: the kernel's VXLAN and bridge with conntrack"
	tracked.overlay, tracked.needs = (*contender).kernelTracked, netfilter

	return []profile{xdpProfile(), tcxProfile(), wholeProfile(), ungathered, scattered, bare, gathered, tracked}
}

// rrProfiles is what asking and answering is measured with.
func rrProfiles() []profile { return []profile{xdpProfile(), tcxProfile(), wholeProfile()} }

// stage builds a profile on a rig of its own.
func (p profile) stage(ctx context.Context, family, mtu int) (*contender, error) {
	r, err := build(ctx, underlay{family: family, mtu: mtu, overhead: p.overhead[family]})
	if err != nil {
		return nil, err
	}
	c := &contender{rig: r, name: p.name}
	err = c.tune(p.endpoints, p.ports, p.wires)
	if err == nil {
		err = p.overlay(c)
	}
	if err == nil {
		err = c.room.Ready(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", p.name, err), c.close())
	}
	return c, nil
}

// programs puts Mizar's programs at both hosts' ports and ends of the wire, in
// XDP.
func (c *contender) programs() error {
	paths, err := c.load()
	if err != nil {
		return err
	}
	for n, h := range c.hosts {
		for device, program := range map[int]*ebpf.Program{h.port: paths[n].Endpoint(), h.wire: paths[n].Uplink()} {
			if err := c.put(n, device, program); err != nil {
				return err
			}
		}
	}
	return nil
}

// programsTCX is programs with TCX at the ports.
func (c *contender) programsTCX() error {
	paths, err := c.load()
	if err != nil {
		return err
	}
	for n, h := range c.hosts {
		if err := c.portTCX(n, paths[n]); err != nil {
			return err
		}
		if err := c.put(n, h.wire, paths[n].Uplink()); err != nil {
			return err
		}
	}
	return nil
}

// programsTCXAlone is programs with TCX at ports and uplinks.
func (c *contender) programsTCXAlone() error {
	paths, err := c.load()
	if err != nil {
		return err
	}
	for n, h := range c.hosts {
		if err := c.portTCX(n, paths[n]); err != nil {
			return err
		}
		uplink, err := paths[n].UplinkIn(state.FormTCX)
		if err != nil {
			return err
		}
		if err := c.putTCX(n, h.wire, uplink); err != nil {
			return err
		}
	}
	return nil
}

// portTCX attaches the endpoint program in TCX at the port of the n-th host.
func (c *contender) portTCX(n int, d *dataplane.Datapath) error {
	port, err := d.EndpointIn(state.FormTCX)
	if err != nil {
		return err
	}
	return c.putTCX(n, c.hosts[n].port, port)
}

// putTCX attaches a program of TCX at a device of the n-th host.
func (c *contender) putTCX(n, device int, program *ebpf.Program) error {
	name := c.hosts[n].state.Name
	err := c.room.InHost(name, func() error {
		return link.RawAttachProgram(link.RawAttachProgramOptions{Target: device, Program: program, Attach: ebpf.AttachTCXIngress})
	})
	if err != nil {
		return fmt.Errorf("attach in TCX at interface %d of host %s: %w", device, name, err)
	}
	return nil
}

// programsWithoutGRO is the same; a device without GRO takes the frames of a
// redirect only if it has a program.
func (c *contender) programsWithoutGRO() error {
	pass, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "pass", Type: ebpf.XDP, License: "Dual BSD/GPL", Flags: unix.BPF_F_XDP_HAS_FRAGS,
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, xdpPass), asm.Return()},
	})
	if err != nil {
		return fmt.Errorf("load a program that passes everything: %w", err)
	}
	c.closers = append(c.closers, pass.Close)
	for _, name := range []string{sender, receiver} {
		err := c.room.InEndpoint(name, func() error {
			l, err := netlink.LinkByName(netns.Device)
			if err != nil {
				return err
			}
			return netlink.LinkSetXdpFdWithFlags(l, pass.FD(), driverMode)
		})
		if err != nil {
			return fmt.Errorf("attach at endpoint %s: %w", name, err)
		}
	}
	return c.programs()
}

// xdpPass is XDP_PASS of linux/bpf.h.
const xdpPass = 2
