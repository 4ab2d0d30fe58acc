// SPDX-License-Identifier: Apache-2.0

package attached

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// runDir is where namespaces with names are, as iproute2 has it, and ownFile that of
// the calling thread.
const (
	runDir  = "/run/netns"
	ownFile = "/proc/thread-self/ns/net"
)

// seat is a program at a device.
type seat struct {
	namespace, device string
	program           ebpf.ProgramID
}

// seats are all programs at the devices of all namespaces with names and of the
// caller's. A namespace that has a name is seen by that alone.
func seats() ([]seat, error) {
	own, err := identity(ownFile)
	if err != nil {
		return nil, fmt.Errorf("find the caller's network namespace: %w", err)
	}
	files, err := os.ReadDir(runDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list the namespaces with names: %w", err)
	}
	var all []seat
	seen := map[inode]bool{}
	for _, f := range files {
		path := filepath.Join(runDir, f.Name())
		id, err := identity(path)
		if err != nil || seen[id] {
			continue // it is gone
		}
		more, err := seatsAt(path, f.Name())
		if err != nil {
			return nil, fmt.Errorf("namespace %s: %w", f.Name(), err)
		}
		seen[id] = true
		all = append(all, more...)
	}
	if seen[own] {
		return all, nil
	}
	here, err := seatsHere("")
	return append(all, here...), err
}

// inode is what the kernel knows a namespace by.
type inode struct{ device, number uint64 }

func identity(path string) (inode, error) {
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil {
		return inode{}, err
	}
	return inode{uint64(s.Dev), s.Ino}, nil
}

// seatsAt are those of the namespace at a file; none if the file is no namespace
// any more. A thread that can't come back home is given up.
func seatsAt(path, name string) (all []seat, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // until it is home again: else the thread ends
		home, open := unix.Open(ownFile, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if open != nil {
			err = fmt.Errorf("find the thread's own namespace: %w", open)
			return
		}
		defer unix.Close(home)
		there, open := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if open != nil {
			return
		}
		defer unix.Close(there)
		switch enter := unix.Setns(there, unix.CLONE_NEWNET); {
		case errors.Is(enter, unix.EINVAL): // a file that nothing is mounted on
		case enter != nil:
			err = fmt.Errorf("enter it (root is needed): %w", enter)
		default:
			all, err = seatsHere(name)
		}
		if unix.Setns(home, unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
	}()
	<-done
	return all, err
}

// seatsHere are those of the calling thread's namespace.
func seatsHere(name string) ([]seat, error) {
	devices, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list devices: %w", err)
	}
	var all []seat
	for _, d := range devices {
		a := d.Attrs()
		if a.Xdp != nil && a.Xdp.Attached && a.Xdp.ProgId != 0 {
			all = append(all, seat{name, a.Name, ebpf.ProgramID(a.Xdp.ProgId)})
		}
		at, err := link.QueryPrograms(link.QueryOptions{Target: a.Index, Attach: ebpf.AttachTCXIngress})
		if err != nil && !withoutTCX(err) {
			return nil, fmt.Errorf("ask for programs of TCX at device %s: %w", a.Name, err)
		}
		if at == nil {
			continue
		}
		for _, p := range at.Programs {
			all = append(all, seat{name, a.Name, p.ID})
		}
	}
	return all, nil
}

// withoutTCX says that a kernel has no such hook, or that the device is gone.
func withoutTCX(err error) bool {
	return errors.Is(err, ebpf.ErrNotSupported) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENODEV)
}
