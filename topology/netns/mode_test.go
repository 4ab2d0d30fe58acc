// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	. "github.com/onsi/gomega"
	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/topology"
)

// modes sets the modes of all uplinks and ports of a topology.
func modes(t topology.Topology, uplinks, ports state.XDP) topology.Topology {
	for i := range t.Hosts {
		t.Hosts[i].XDP = uplinks
	}
	for i := range t.Endpoints {
		t.Endpoints[i].XDP = ports
	}
	return t
}

// told is what the kernel says of a host's device: the mode, and whether any
// program is there.
func told(t *testing.T, n *Net, device string) netlink.LinkXdp {
	t.Helper()
	var xdp netlink.LinkXdp
	err := n.InHost("h1", func() error {
		link, err := netlink.LinkByName(device)
		if err == nil && link.Attrs().Xdp != nil {
			xdp = *link.Attrs().Xdp
		}
		return err
	})
	if err != nil {
		t.Fatalf("look at %s: %v", device, err)
	}
	return xdp
}

// The kernel's words for the modes, XDP_ATTACHED_* of linux/if_link.h.
var words = map[state.XDP]uint32{state.Native: 1, state.Generic: 2, state.Auto: 1, "": 1}

// Each device is in its mode, in all combinations, one after the other where
// the devices are; a move to another host keeps the mode.
func TestModesAreWhatWasAsked(t *testing.T) {
	g := NewWithT(t)
	n := build(t, room(1, 2))
	before, err := n.Local("h1")
	g.Expect(err).NotTo(HaveOccurred())
	p := answer(t, xdpPass)
	g.Expect(n.Mode("h1")).To(BeEmpty())
	for _, up := range []state.XDP{"", state.Generic, state.Native, state.Auto} {
		for _, port := range []state.XDP{state.Generic, "", state.Auto, state.Native} {
			g.Expect(n.Apply(t.Context(), modes(room(1, 2), up, port))).To(Succeed())
			g.Expect(n.Attach("h1", Programs{Uplink: p, Endpoint: p})).To(Succeed())
			g.Expect(told(t, n, UplinkDevice).AttachMode).To(Equal(words[up]), "uplink %q", up)
			g.Expect(told(t, n, "ep-b1").AttachMode).To(Equal(words[port]), "port %q", port)
			mode, err := n.Mode("h1")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(up.Allows(mode)).To(BeTrue())
			mode, err = n.PortMode("default/b1")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(port.Allows(mode)).To(BeTrue())
			g.Expect(n.Fallbacks()).To(BeEmpty())
		}
	}
	g.Expect(n.Local("h1")).To(Equal(before), "no device was replaced")
}

// Redirects arrive from any mode at any mode, also with more head than the
// sender left; and a generic XDP_TX does, unlike a native one.
func TestRedirectsArriveInEveryMode(t *testing.T) {
	for _, up := range []state.XDP{state.Native, state.Generic} {
		for _, port := range []state.XDP{state.Native, state.Generic} {
			t.Run(fmt.Sprintf("%s uplink, %s port", up, port), func(t *testing.T) { redirectsArrive(t, up, port) })
		}
	}
}

func redirectsArrive(t *testing.T, up, port state.XDP) {
	g := NewWithT(t)
	n := build(t, modes(room(1, 2), up, port))
	l, err := n.Local("h1")
	g.Expect(err).NotTo(HaveOccurred())
	a := at(t, func(f func() error) error { return n.InEndpoint("default/a1", f) }, Device)
	b := at(t, func(f func() error) error { return n.InEndpoint("default/b1", f) }, Device)
	fab := at(t, n.InFabric, "to-h1")
	for _, c := range []struct {
		name             string
		from, to         int
		uplink, endpoint *ebpf.Program
	}{
		{"port to uplink", a, fab, nil, redirect(t, l.UplinkIndex)},
		{"port to uplink, encapsulated", a, fab, nil, grow(t, l.UplinkIndex)},
		{"port to port", a, b, nil, redirect(t, l.Ports["default/b1"])},
		{"back to the port", a, a, nil, redirect(t, l.Ports["default/a1"])},
		{"uplink to port", fab, a, redirect(t, l.Ports["default/a1"]), nil},
		{"back to the uplink", fab, fab, redirect(t, l.UplinkIndex), nil},
	} {
		for _, p := range []**ebpf.Program{&c.uplink, &c.endpoint} {
			if *p == nil {
				*p = answer(t, xdpPass)
			}
		}
		g.Expect(n.Attach("h1", Programs{Uplink: c.uplink, Endpoint: c.endpoint})).To(Succeed())
		_, err := unix.Write(c.from, frame(c.name))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(sees(c.to, []byte(c.name))).To(Succeed())
	}
	g.Expect(n.Attach("h1", Programs{Uplink: answer(t, xdpPass), Endpoint: answer(t, xdpTX)})).To(Succeed())
	_, err = unix.Write(a, frame("transmit"))
	g.Expect(err).NotTo(HaveOccurred())
	if port == state.Generic {
		g.Expect(sees(a, []byte("transmit"))).To(Succeed())
	} else {
		g.Expect(sees(a, []byte("transmit"))).To(MatchError(unix.EAGAIN))
	}
}

// A generic redirect needs nothing of the peer.
func TestGenericRedirectNeedsNoGROAtThePeer(t *testing.T) {
	g := NewWithT(t)
	n := build(t, modes(room(1, 1), state.Generic, state.Generic))
	l, err := n.Local("h1")
	g.Expect(err).NotTo(HaveOccurred())
	a := at(t, func(f func() error) error { return n.InEndpoint("default/a1", f) }, Device)
	fab := at(t, n.InFabric, "to-h1")
	g.Expect(n.Attach("h1", Programs{Uplink: redirect(t, l.Ports["default/a1"]), Endpoint: answer(t, xdpPass)})).To(Succeed())
	g.Expect(n.InEndpoint("default/a1", func() error {
		tool, err := ethtool.NewEthtool()
		if err != nil {
			return err
		}
		defer tool.Close()
		return tool.Change(Device, map[string]bool{polling: false})
	})).To(Succeed())
	_, err = unix.Write(fab, frame("arrives"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(sees(a, []byte("arrives"))).To(Succeed())
}

// queues gives the other end of the uplink more queues than the uplink has,
// which a native program does not bear.
func queues(g Gomega, n *Net) {
	g.Expect(n.InFabric(func() error {
		tool, err := ethtool.NewEthtool()
		if err != nil {
			return err
		}
		defer tool.Close()
		_, err = tool.SetChannels("to-h1", ethtool.Channels{RxCount: 1, TxCount: 2})
		return err
	})).To(Succeed())
}

// Where a driver refuses the program, auto falls back and says why, and native
// fails. The program that was there in another mode is gone by then.
func TestAutoFallsBackAndReportsIt(t *testing.T) {
	g := NewWithT(t)
	n := build(t, modes(room(1, 1), state.Auto, state.Auto))
	queues(g, n)
	p := Programs{Uplink: answer(t, xdpPass), Endpoint: answer(t, xdpPass)}
	g.Expect(n.Attach("h1", p)).To(Succeed())
	g.Expect(told(t, n, UplinkDevice).AttachMode).To(Equal(words[state.Generic]))
	g.Expect(told(t, n, "ep-a1").AttachMode).To(Equal(words[state.Native]))
	g.Expect(n.Fallbacks()).To(ConsistOf(And(HavePrefix("h1 uplink: "), ContainSubstring("native"), ContainSubstring(unix.ENOSPC.Error()))))
	var out strings.Builder
	g.Expect(WriteOffloads(&out, n.Offloads())).To(Succeed())
	g.Expect(out.String()).To(MatchRegexp(`h1 +uplink +generic \(fallback\) `))
	g.Expect(out.String()).To(MatchRegexp(`h1 +ep-a1 +native `))
	g.Expect(n.Attach("h1", p)).To(Succeed(), "again")

	g.Expect(n.Apply(t.Context(), modes(room(1, 1), state.Native, state.Native))).To(Succeed())
	g.Expect(n.Attach("h1", p)).To(MatchError(And(ContainSubstring("uplink's program of host h1"), ContainSubstring("XDP mode native"))))
	g.Expect(told(t, n, UplinkDevice).Attached).To(BeFalse())
}

// With jumbo frames, a program that is not of the kind xdp.frags can only be
// generic; ours are of it.
func TestJumboFramesNeedFragmentsInNativeMode(t *testing.T) {
	g := NewWithT(t)
	for asked, works := range map[state.XDP]bool{state.Native: false, state.Generic: true} {
		jumbo := modes(room(1, 0), asked, asked)
		jumbo.Hosts[0].MTU = 9000
		n := build(t, jumbo)
		whole, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "GPL", Instructions: passAll})
		g.Expect(err).NotTo(HaveOccurred())
		t.Cleanup(func() { whole.Close() })
		err = n.Attach("h1", Programs{Uplink: whole, Endpoint: whole})
		g.Expect(err == nil).To(Equal(works), "%s: %v", asked, err)
		frags := answer(t, xdpPass)
		g.Expect(n.Attach("h1", Programs{Uplink: frags, Endpoint: frags})).To(Succeed(), string(asked))
	}
}

// A device has programs in one mode at a time.
func TestBothModesAtOnceAreRefused(t *testing.T) {
	g := NewWithT(t)
	n := build(t, room(1, 0))
	p := answer(t, xdpPass)
	g.Expect(n.Attach("h1", Programs{Uplink: p, Endpoint: p})).To(Succeed())
	h := n.hosts["h1"]
	g.Expect(h.setProgram(h.uplink, p.FD(), state.Generic)).To(MatchError(unix.EEXIST))
}
