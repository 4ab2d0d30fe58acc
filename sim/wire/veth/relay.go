// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/link"
	"github.com/mizar-net/mizar/topology/netns"
)

// relay carries a host's frames between its link and the bridge, as a link in
// some condition would: the kernel has no netem.
//
//	uplink ═══ to-h1 ── packet socket ──► line out ──► tap ── bridge
//	                    packet socket ◄── line in  ◄── tap
type relay struct {
	host string
	mac  state.MAC
	tap  int
	ear  *ear
	// start is when its time begins.
	start time.Time
	quit  chan struct{}
	group sync.WaitGroup

	mu      sync.Mutex
	link    link.Link
	in, out *link.Line
	lost    map[string]uint64
	failed  error
}

// newRelay splices the link of a host.
func newRelay(room *netns.Net, host string, mac state.MAC, seed int) (*relay, error) {
	port, err := room.FabricPort(host)
	if err != nil {
		return nil, err
	}
	r := &relay{host: host, mac: mac, start: time.Now(), quit: make(chan struct{}), lost: map[string]uint64{}}
	r.reseed(seed)
	err = room.InFabric(func() (err error) { r.ear, err = newEarAt(port, fabricRoom); return err })
	if err != nil {
		return nil, fmt.Errorf("listen at the link of host %s: %w", host, err)
	}
	if r.tap, err = room.Splice(host); err != nil {
		return nil, errors.Join(err, r.ear.close())
	}
	out, in := make(chan late, queued), make(chan late, queued)
	r.group.Go(func() { defer close(out); r.hear(out) })
	r.group.Go(func() { defer close(in); r.read(in) })
	r.group.Go(func() { r.pass(out, r.toBridge) })
	r.group.Go(func() { r.pass(in, r.toHost) })
	return r, nil
}

// reseed begins anew what is lost.
func (r *relay) reseed(seed int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.in, r.out = link.NewLine(seed, r.host, "in"), link.NewLine(seed, r.host, "out")
}

// set makes the link what l says.
func (r *relay) set(l link.Link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.link = l
}

// now is the link, drops what it has lost, and why the relay works no more, if so.
func (r *relay) now() (link.Link, map[string]uint64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.link, maps.Clone(r.lost), r.failed
}

// queued is how many frames can be late at a time, in one direction.
const queued = 4096

// late is a frame and when it is to go on.
type late struct {
	frame []byte
	at    time.Time
}

// carry asks the line, and queues what is not lost.
func (r *relay) carry(frame []byte, inwards bool, onward chan<- late) {
	r.mu.Lock()
	line, way := r.out, r.link.Out
	if inwards {
		line, way = r.in, r.link.In
	}
	at, lost := line.Carry(r.link, way, link.PacketLength(frame), time.Since(r.start))
	if lost != "" {
		r.lost[lost]++
		r.mu.Unlock()
		return
	}
	r.mu.Unlock()
	select {
	case onward <- late{frame, r.start.Add(at)}:
	case <-r.quit:
	}
}

// hear takes what the host sends.
func (r *relay) hear(onward chan<- late) {
	for r.wait(r.ear.fd) {
		frames, err := r.ear.fetch()
		for _, h := range frames {
			r.carry(h.frame, false, onward)
		}
		if err != nil {
			r.fail(err)
			return
		}
	}
}

// read takes what the bridge has for the host. What it floods for others is not
// meant.
func (r *relay) read(onward chan<- late) {
	buf := make([]byte, 1<<16)
	for r.wait(r.tap) {
		n, err := unix.Read(r.tap, buf)
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			r.fail(fmt.Errorf("read what is for host %s: %w", r.host, err))
			return
		}
		if n < len(r.mac) || (state.MAC(buf[:6]) != r.mac && buf[0]&1 == 0) {
			continue
		}
		r.carry(append([]byte(nil), buf[:n]...), true, onward)
	}
}

// wait waits until there is something to read; false: the relay ends.
func (r *relay) wait(fd int) bool {
	const look = 20 // milliseconds until it looks whether it is to end
	for {
		select {
		case <-r.quit:
			return false
		default:
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, look)
		if err != nil && !errors.Is(err, unix.EINTR) {
			r.fail(fmt.Errorf("wait for frames of host %s: %w", r.host, err))
			return false
		}
		if n > 0 {
			return true
		}
	}
}

// pass lets frames go on at their time.
func (r *relay) pass(frames <-chan late, on func([]byte) error) {
	for f := range frames {
		if wait := time.Until(f.at); wait > 0 {
			select {
			case <-time.After(wait):
			case <-r.quit:
				continue
			}
		}
		if err := on(f.frame); err != nil {
			r.fail(fmt.Errorf("carry a frame of host %s: %w", r.host, err))
		}
	}
}

func (r *relay) toBridge(frame []byte) error {
	_, err := unix.Write(r.tap, frame)
	return err
}

func (r *relay) toHost(frame []byte) error {
	err := r.ear.send(r.ear.device, frame)
	if errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.EAGAIN) {
		return nil // lost, as where a queue is full
	}
	return err
}

func (r *relay) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed == nil {
		r.failed = err
	}
}

// close ends the relay. The host is off the underlay.
func (r *relay) close() error {
	close(r.quit)
	r.group.Wait()
	return errors.Join(r.ear.close(), unix.Close(r.tap))
}
