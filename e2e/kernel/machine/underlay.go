// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/dataplane/state"
)

// Underlay is a switch between the ports of machines, which remembers all that it
// carries. It learns where addresses are, as switches do. Close it.
type Underlay struct {
	ports []net.Conn
	// cables are the other ends, until their machines have them.
	cables []*os.File
	all    sync.WaitGroup

	mu      sync.Mutex
	learned map[state.MAC]int
	frames  [][]byte
}

// room is the buffer of a port in each direction, in bytes.
const room = 4 << 20

// NewUnderlay makes a switch with a number of ports.
func NewUnderlay(ports int) (*Underlay, error) {
	u := &Underlay{learned: map[state.MAC]int{}}
	for i := range ports {
		if err := u.addPort(); err != nil {
			return nil, errors.Join(fmt.Errorf("port %d of the underlay: %w", i, err), u.Close())
		}
	}
	for i := range ports {
		u.all.Go(func() { u.serve(i) })
	}
	return u, nil
}

func (u *Underlay) addPort() error {
	ours, theirs, err := pair(unix.SOCK_DGRAM)
	if err != nil {
		return err
	}
	defer ours.Close()
	u.cables = append(u.cables, theirs)
	conn, err := net.FileConn(ours)
	if err != nil {
		return err
	}
	u.ports = append(u.ports, conn)
	for _, f := range []*os.File{ours, theirs} {
		if err := unix.SetsockoptInt(int(f.Fd()), unix.SOL_SOCKET, unix.SO_SNDBUF, room); err != nil {
			return fmt.Errorf("make the buffer larger: %w", err)
		}
	}
	return nil
}

// Cable is what a machine is plugged into a port with. It stays the underlay's.
func (u *Underlay) Cable(port int) *os.File { return u.cables[port] }

// longest is the longest frame, in bytes: one of 9000 bytes with a tag.
const longest = 9018

// serve carries what comes from a port.
func (u *Underlay) serve(from int) {
	buffer := make([]byte, 1<<16)
	for {
		n, err := u.ports[from].Read(buffer)
		if err != nil {
			return // closed
		}
		if n < 14 || n > longest {
			continue // no frame
		}
		u.carry(from, append([]byte(nil), buffer[:n]...))
	}
}

// carry remembers a frame and sends it to where its destination is, or everywhere.
func (u *Underlay) carry(from int, frame []byte) {
	u.mu.Lock()
	u.frames = append(u.frames, frame)
	u.learned[state.MAC(frame[6:12])] = from
	to, known := u.learned[state.MAC(frame[:6])]
	u.mu.Unlock()
	for i, port := range u.ports {
		if i == from || (known && i != to) {
			continue
		}
		_, _ = port.Write(frame) // lost, as on any wire, where nobody reads
	}
}

// Inject puts a frame on the underlay as if it came from one of its ports.
func (u *Underlay) Inject(port int, frame []byte) { u.carry(port, frame) }

// Take returns the frames that were carried since the last call, in order.
func (u *Underlay) Take() [][]byte {
	u.mu.Lock()
	defer u.mu.Unlock()
	taken := u.frames
	u.frames = nil
	return taken
}

// Close unplugs all machines.
func (u *Underlay) Close() error {
	var errs []error
	for _, p := range u.ports {
		errs = append(errs, p.Close())
	}
	u.all.Wait()
	for _, c := range u.cables {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}
