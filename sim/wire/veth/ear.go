// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/topology"
	"github.com/mizar-net/mizar/topology/netns"
)

// ear is a packet socket that hears what arrives at devices of a namespace.
// It must be made on a thread inside.
type ear struct {
	fd int
	// device is the interface index that it listens at; 0: all.
	device int
	// lost is how many frames there was no room for.
	lost uint32
}

// heard is one frame.
type heard struct {
	// device is the interface index that it arrived at.
	device int
	at     time.Time
	// frame has its VLAN tag, if any, where it is on the wire.
	frame []byte
}

// room for frames that nobody has fetched yet, in bytes.
const (
	fabricRoom   = 32 << 20
	endpointRoom = 4 << 20
)

// newEar listens at one device of the thread's namespace; "" means all.
func newEar(device string, room int) (*ear, error) {
	index := 0
	if device != "" {
		dev, err := net.InterfaceByName(device)
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", device, err)
		}
		index = dev.Index
	}
	return newEarAt(index, room)
}

// newEarAt is newEar by the device's index; 0: all.
func newEarAt(index, room int) (*ear, error) {
	// Protocol 0 hears nothing until the socket is set up and bound.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open a packet socket: %w", err)
	}
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, room),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		// What is sent through it goes to the device and past all hooks.
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL), Ifindex: index}),
	)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("set a packet socket up: %w", err), unix.Close(fd))
	}
	return &ear{fd: fd, device: index}, nil
}

// earAtEndpoint listens at an endpoint's device, earInFabric at all devices of
// the fabric.
func earAtEndpoint(room *netns.Net, endpoint topology.Endpoint) (e *ear, err error) {
	err = room.InEndpoint(endpoint.Name, func() (err error) { e, err = newEar(endpoint.Device(), endpointRoom); return err })
	return e, err
}

// earAtStack listens at a host's uplink, where its program passes frames on.
func earAtStack(room *netns.Net, host string) (e *ear, err error) {
	err = room.InHost(host, func() (err error) { e, err = newEar(netns.UplinkDevice, endpointRoom); return err })
	return e, err
}

func earInFabric(room *netns.Net) (e *ear, err error) {
	err = room.InFabric(func() (err error) { e, err = newEar("", fabricRoom); return err })
	return e, err
}

// fetch returns what was heard since the last call, oldest first.
func (e *ear) fetch() ([]heard, error) {
	var all []heard
	buf, control := make([]byte, 1<<16), make([]byte, 256)
	for {
		n, cn, _, from, err := unix.Recvmsg(e.fd, buf, control, 0)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return all, e.checkLost()
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ENETDOWN):
			continue
		case err != nil:
			return all, fmt.Errorf("read a packet socket: %w", err)
		}
		h := heard{frame: append([]byte(nil), buf[:n]...)}
		if sll, ok := from.(*unix.SockaddrLinklayer); ok {
			h.device = sll.Ifindex
		}
		if err := h.read(control[:cn]); err != nil {
			return all, err
		}
		all = append(all, h)
	}
}

// read takes time and VLAN tag from a frame's control messages: the kernel has
// taken the tag out of the frame.
func (h *heard) read(control []byte) error {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return fmt.Errorf("read a packet's control messages: %w", err)
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) >= int(unsafe.Sizeof(unix.Timespec{})):
			ts := *(*unix.Timespec)(unsafe.Pointer(&m.Data[0]))
			h.at = time.Unix(ts.Unix())
		case m.Header.Level == unix.SOL_PACKET && m.Header.Type == unix.PACKET_AUXDATA && len(m.Data) >= int(unsafe.Sizeof(unix.TpacketAuxdata{})):
			aux := *(*unix.TpacketAuxdata)(unsafe.Pointer(&m.Data[0]))
			if aux.Status&unix.TP_STATUS_VLAN_VALID != 0 {
				h.tag(aux)
			}
		}
	}
	return nil
}

// tag puts the VLAN tag back behind the MAC addresses.
func (h *heard) tag(aux unix.TpacketAuxdata) {
	const macs = 12
	if len(h.frame) < macs {
		return
	}
	tpid := uint16(unix.ETH_P_8021Q)
	if aux.Status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
		tpid = aux.Vlan_tpid
	}
	tagged := append([]byte(nil), h.frame[:macs]...)
	tagged = binary.BigEndian.AppendUint16(tagged, tpid)
	tagged = binary.BigEndian.AppendUint16(tagged, aux.Vlan_tci)
	h.frame = append(tagged, h.frame[macs:]...)
}

// checkLost fails if frames were lost for want of room: nothing that is read
// off the rest would be certain.
func (e *ear) checkLost() error {
	stats, err := unix.GetsockoptTpacketStats(e.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return fmt.Errorf("read a packet socket's statistics: %w", err)
	}
	e.lost += stats.Drops
	if e.lost > 0 {
		return fmt.Errorf("a packet socket had no room for %d frames: send fewer at once", e.lost)
	}
	return nil
}

// send puts a frame on a device.
func (e *ear) send(device int, frame []byte) error {
	to := &unix.SockaddrLinklayer{Ifindex: device}
	if err := unix.Sendto(e.fd, frame, 0, to); err != nil {
		return fmt.Errorf("send a frame of %d bytes: %w", len(frame), err)
	}
	return nil
}

func (e *ear) close() error { return unix.Close(e.fd) }

// bigEndian is htons.
func bigEndian(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}
