// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	. "github.com/onsi/gomega"
	"github.com/safchain/ethtool"
	"golang.org/x/sys/unix"
)

// program loads an XDP program that does one thing to every packet.
func program(t *testing.T, body ...asm.Instruction) *ebpf.Program {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.XDP, License: "GPL", Flags: unix.BPF_F_XDP_HAS_FRAGS,
		Instructions: append(body, asm.Return()),
	})
	if err != nil {
		t.Fatalf("load a program: %v", err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// redirect sends every packet out of a device.
func redirect(t *testing.T, device uint32) *ebpf.Program {
	return program(t, asm.Mov.Imm(asm.R1, int32(device)), asm.Mov.Imm(asm.R2, 0), asm.FnRedirect.Call())
}

// grow makes room for outer headers and sends every packet out of a device.
func grow(t *testing.T, device uint32) *ebpf.Program {
	const outer = 100
	return program(t,
		asm.Mov.Imm(asm.R2, -outer), asm.FnXdpAdjustHead.Call(),
		asm.JEq.Imm(asm.R0, 0, "grown"),
		asm.Mov.Imm(asm.R0, xdpDrop), asm.Return(),
		asm.Mov.Imm(asm.R1, int32(device)).WithSymbol("grown"), asm.Mov.Imm(asm.R2, 0), asm.FnRedirect.Call())
}

// passAll are the instructions of a program that passes every packet.
var passAll = asm.Instructions{asm.Mov.Imm(asm.R0, xdpPass), asm.Return()}

// The actions of a program, enum xdp_action of linux/bpf.h.
const (
	xdpDrop = 1
	xdpPass = 2
	xdpTX   = 3
)

// answer returns a fixed verdict for every packet.
func answer(t *testing.T, action int32) *ebpf.Program {
	return program(t, asm.Mov.Imm(asm.R0, action))
}

// raw opens a packet socket at a device of the thread's namespace.
func raw(device string) (int, error) {
	dev, err := net.InterfaceByName(device)
	if err != nil {
		return -1, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	const all = 0x0300 // htons(ETH_P_ALL)
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 300_000}),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: dev.Index}))
	return fd, err
}

// sees says whether a frame with the payload arrives before the time-out.
func sees(fd int, payload []byte) error {
	buf := make([]byte, 2048)
	for {
		k, _, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			return fmt.Errorf("no frame with %q: %w", payload, err)
		}
		if bytes.Contains(buf[:k], payload) {
			return nil
		}
	}
}

// at opens a packet socket and closes it with the test.
func at(t *testing.T, in func(func() error) error, device string) int {
	t.Helper()
	var fd int
	if err := in(func() (err error) { fd, err = raw(device); return err }); err != nil {
		t.Fatalf("open a packet socket at %s: %v", device, err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// frame is a broadcast of an experimental protocol that no stack minds.
func frame(payload string) []byte {
	f := append(bytes.Repeat([]byte{0xff}, 6), 2, 0, 0, 0, 0, 9, 0x88, 0xb5)
	return append(f, fmt.Sprintf("%-60s", payload)...)
}

// Native redirects arrive at both sides of the room: from an endpoint to the
// underlay, from the underlay to an endpoint, between two endpoints, and back
// to where a frame came from.
func TestRedirectsArrive(t *testing.T) {
	g := NewWithT(t)
	n := build(t, room(1, 2))
	l, err := n.Local("h1")
	g.Expect(err).NotTo(HaveOccurred())
	a := at(t, func(f func() error) error { return n.InEndpoint("default/a1", f) }, Device)
	b := at(t, func(f func() error) error { return n.InEndpoint("default/b1", f) }, Device)
	fab := at(t, n.InFabric, "to-h1")
	send := func(fd int, payload string) {
		_, err := unix.Write(fd, frame(payload))
		g.Expect(err).NotTo(HaveOccurred())
	}
	g.Expect(n.Attach("h1", Programs{Uplink: redirect(t, l.Ports["default/a1"]), Endpoint: redirect(t, l.UplinkIndex)})).To(Succeed())
	send(a, "out to the underlay")
	g.Expect(sees(fab, []byte("out to the underlay"))).To(Succeed())
	send(fab, "in to the endpoint")
	g.Expect(sees(a, []byte("in to the endpoint"))).To(Succeed())

	g.Expect(n.Attach("h1", Programs{Uplink: redirect(t, l.UplinkIndex), Endpoint: redirect(t, l.Ports["default/b1"])})).To(Succeed())
	send(a, "over to the other")
	g.Expect(sees(b, []byte("over to the other"))).To(Succeed())
	send(fab, "back to the underlay")
	g.Expect(sees(fab, []byte("back to the underlay"))).To(Succeed())

	g.Expect(n.Attach("h1", Programs{Uplink: answer(t, xdpPass), Endpoint: redirect(t, l.Ports["default/a1"])})).To(Succeed())
	send(a, "back to the endpoint")
	g.Expect(sees(a, []byte("back to the endpoint"))).To(Succeed())
}

// The setting that lets redirects arrive is GRO at the peer: without it the
// same frame is lost.
func TestRedirectNeedsGROAtThePeer(t *testing.T) {
	g := NewWithT(t)
	n := build(t, room(1, 1))
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
	_, err = unix.Write(fab, frame("lost"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(sees(a, []byte("lost"))).To(MatchError(unix.EAGAIN))
}

// XDP_TX is no way back to where a frame came from: the driver (veth_xdp_flush)
// wakes its peer only if that has a program, which an endpoint has not. The
// frame shows up with whatever wakes the peer next.
func TestTransmitActionIsStuckWithoutAProgramAtThePeer(t *testing.T) {
	g := NewWithT(t)
	n := build(t, room(1, 1))
	a := at(t, func(f func() error) error { return n.InEndpoint("default/a1", f) }, Device)
	tx := answer(t, xdpTX)
	g.Expect(n.Attach("h1", Programs{Uplink: tx, Endpoint: tx})).To(Succeed())
	_, err := unix.Write(a, frame("stuck"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(sees(a, []byte("stuck"))).To(MatchError(unix.EAGAIN))
}

// A program in a room with a name outlives the process that attached it, and
// goes with the room.
func TestLastingProgramStays(t *testing.T) {
	g := NewWithT(t)
	name := fmt.Sprintf("lasting-%d", unix.Getpid())
	n, err := Build(t.Context(), room(1, 1), Options{Name: name})
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = Down(name) }()
	l, err := n.Local("h1")
	g.Expect(err).NotTo(HaveOccurred())
	back := redirect(t, l.Ports["default/a1"])
	g.Expect(n.Attach("h1", Programs{Uplink: back, Endpoint: back})).To(Succeed())
	g.Expect(back.Close()).To(Succeed())
	g.Expect(n.Release()).To(Succeed())
	fd := at(t, func(f func() error) error { return Enter(name, "a1", f) }, Device)
	_, err = unix.Write(fd, frame("still there"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(sees(fd, []byte("still there"))).To(Succeed())
	g.Expect(Down(name)).To(Succeed())
}
