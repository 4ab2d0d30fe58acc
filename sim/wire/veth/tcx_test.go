// SPDX-License-Identifier: Apache-2.0

package veth_test

import (
	"encoding/binary"
	"net"
	"testing"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/veth"
	"github.com/mizar-net/mizar/topology/netns"
)

// inTCX is the set with every port in the TCX form, over an underlay.
func inTCX(mtu int, vlan uint16) object.Set {
	s := set()
	for i := range s.Hosts {
		s.Hosts[i].MTU, s.Hosts[i].VLAN = mtu, vlan
	}
	for i := range s.Endpoints {
		s.Endpoints[i].Form = state.FormTCX
	}
	return s
}

// TCP that leaves segmentation and checksums to the device gets through: over
// both families of endpoints, small and large MTU, with and without a tag, to
// another host and on the same; the packets met the program whole.
func TestOffloadsSurviveInTCX(t *testing.T) {
	const payload = 400_000
	for _, c := range []struct {
		mtu  int
		vlan uint16
	}{{1500, 0}, {9000, 0}, {1500, 7}} {
		g := NewWithT(t)
		w := open(t, inTCX(c.mtu, c.vlan))
		seat := must(w.Modes(t.Context()))[wire.Port{Endpoint: "default/a1"}]
		g.Expect(seat).To(Equal(wire.Seat{Form: state.FormTCX}))
		for _, to := range []string{"10.0.0.3", "fd10::3", "10.0.0.4", "fd10::4", "10.0.1.2"} {
			before := sent(t, w, "h1")
			heard := listen(t, w)
			out, err := w.Probe(t.Context(), wire.Probe{Proto: wire.TCP, From: "default/a1", To: addr(to), Port: 80, Size: payload})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(out.Replies).To(HaveLen(1), "%+v to %s: %+v", c, to, out)
			g.Expect(out.Replies[0].Delivered).To(BeTrue())
			g.Expect(sent(t, w, "h1")-before).To(BeNumerically("<", payload/c.mtu/2+20), "segments met the program together")
			frames := heard()
			if out.Requests[0].Hops > 0 {
				g.Expect(frames).NotTo(BeEmpty())
			}
			for _, f := range frames {
				g.Expect(frame.VerifyChecksums(f)).To(Succeed(), "%x", f)
				g.Expect(len(f)).To(BeNumerically("<=", c.mtu+18))
			}
		}
		g.Expect(w.Drops(t.Context())).To(HaveEach(BeEmpty()))
	}
}

// sent is how many packets a host has sent of its endpoints' own.
func sent(t *testing.T, w *veth.Wire, host string) uint64 {
	t.Helper()
	all, err := w.Datapath(host).Verdicts()
	if err != nil {
		t.Fatal(err)
	}
	return all[bpf.RowVerdictVERDICT_SEND.String()]
}

// A tag that stands beside the packet, where the kernel puts it, is as good a
// reason to drop it as one inside.
func TestTaggedFramesAreDroppedInTCX(t *testing.T) {
	for _, s := range []object.Set{set(), inTCX(1500, 0)} {
		g := NewWithT(t)
		w := open(t, s)
		out, err := w.Inject(t.Context(), wire.Port{Endpoint: "default/a1"}, [][]byte{datagram(t, func(s *frame.Spec) { s.VLAN = 9 })})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(out).To(BeEmpty())
		g.Expect(w.Drops(t.Context())).To(HaveKeyWithValue("h1", map[string]uint64{"ethertype": 1}))
	}
}

// datagram is one from a1 to a2 of VPC red.
func datagram(t *testing.T, change func(*frame.Spec)) []byte {
	t.Helper()
	s := frame.Spec{Kind: frame.UDP, SrcMAC: set().Endpoints[2].MAC, DstMAC: compile.Hosts(set())[0].Subnets[1].GatewayMAC,
		Src: addr("10.0.0.2"), Dst: addr("10.0.0.3"), SrcPort: 1000, DstPort: 2000, Payload: []byte("hello")}
	change(&s)
	f, err := frame.Build(s)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A stack may hand over a packet whose headers lie in parts: here all behind the
// Ethernet header. Neighbour discovery and extension headers are read there too.
func TestHeadersInPartsAreReadInTCX(t *testing.T) {
	g := NewWithT(t)
	w := open(t, inTCX(9000, 0))
	padding := make([]byte, 6000)
	at := wire.Port{Endpoint: "default/a1"}
	for name, f := range map[string][]byte{
		"udp":        datagram(t, func(s *frame.Spec) { s.Payload = padding }),
		"udp over 6": datagram(t, func(s *frame.Spec) { s.Src, s.Dst, s.Payload = addr("fd10::2"), addr("fd10::3"), padding }),
		"arp": append(datagram(t, func(s *frame.Spec) {
			s.Kind, s.Dst, s.Payload = frame.ARPRequest, addr("10.0.0.3"), nil
		}), padding...),
	} {
		before := must(w.Datapath("h1").Verdicts())
		g.Expect(inParts(t, w, at.Endpoint, f)).To(Succeed(), name)
		_, err := w.UnderlayFrames(t.Context()) // which waits until the network is at rest
		g.Expect(err).NotTo(HaveOccurred())
		after := must(w.Datapath("h1").Verdicts())
		g.Expect(after["ask"]+after["answer"]+after["send"]).To(Equal(before["ask"]+before["answer"]+before["send"]+1), "%s: %v, before %v", name, after, before)
	}
	g.Expect(w.Drops(t.Context())).To(HaveEach(BeEmpty()))
}

// inParts sends a frame of which the kernel keeps no more than the Ethernet
// header in one piece: it says that nothing else is a header (virtio_net_hdr).
func inParts(t *testing.T, w *veth.Wire, endpoint string, f []byte) error {
	t.Helper()
	return w.Room().InEndpoint(endpoint, func() error {
		dev, err := net.InterfaceByName(netns.Device)
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1); err != nil {
			return err
		}
		header := make([]byte, 10)
		to := &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_IP), Ifindex: dev.Index}
		return unix.Sendto(fd, append(header, f...), 0, to)
	})
}

// listen hears some of the frames on the underlay from now on.
func listen(t *testing.T, w *veth.Wire) func() [][]byte {
	t.Helper()
	fd := -1
	err := w.Room().InFabric(func() (err error) {
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK, int(bigEndian(unix.ETH_P_ALL)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return func() (all [][]byte) {
		defer unix.Close(fd)
		buf := make([]byte, 1<<16)
		for {
			n, _, err := unix.Recvfrom(fd, buf, 0)
			if err != nil {
				return all
			}
			all = append(all, append([]byte(nil), buf[:n]...))
		}
	}
}

func bigEndian(n uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, n))
}
