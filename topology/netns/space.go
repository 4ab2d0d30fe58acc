// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// runDir is where named namespaces are, as iproute2 has it.
const runDir = "/run/netns"

// space is a network namespace, held by a file descriptor.
type space struct {
	ns netns.NsHandle
	// links talks to the kernel about the namespace's devices.
	links *netlink.Handle
	// file is where the namespace is mounted; empty: anonymous.
	file string
	// closed is why it can't be used any more; nil: it can.
	closed error
}

// errClosed is what the use of a closed namespace gives.
var errClosed = errors.New("the namespace is closed")

// in runs f on a thread that is inside the namespace and brings the thread
// back. f may make sockets and start processes, which stay inside; goroutines
// that f starts are elsewhere. A thread that can't come back is given up.
func in(ns netns.NsHandle, f func() error) error {
	return visit(func() error { return netns.Set(ns) }, f)
}

// visit runs f on a thread that entered a namespace.
func visit(enter, f func() error) error {
	done := make(chan error, 1)
	go func() {
		err := errors.New("the function ended its goroutine")
		defer func() { done <- err }()
		runtime.LockOSThread() // until it is home again: else the thread ends
		var home netns.NsHandle
		if home, err = netns.Get(); err != nil {
			err = fmt.Errorf("find the thread's own namespace: %w", err)
			return
		}
		defer home.Close()
		if err = enter(); err != nil {
			err = fmt.Errorf("enter the namespace: %w", err)
			return
		}
		err = errors.New("the function ended its goroutine")
		err = f()
		if netns.Set(home) == nil {
			runtime.UnlockOSThread()
		}
	}()
	return <-done
}

// newSpace makes a namespace; with a file, it stays when the process ends.
func newSpace(file string) (*space, error) {
	var ns netns.NsHandle
	err := visit(func() error { return unix.Unshare(unix.CLONE_NEWNET) }, func() error {
		var err error
		if ns, err = netns.Get(); err != nil {
			return err
		}
		if file == "" {
			return nil
		}
		if err := pinNamespace(file); err != nil {
			ns.Close()
			return err
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("make a network namespace (needs root): %w", err)
	}
	s, err := newSpaceOf(ns, file)
	if err != nil {
		return nil, errors.Join(err, ns.Close(), unpin(file))
	}
	return s, nil
}

// thisSpace is the namespace of the calling thread, which is nobody's to end.
func thisSpace() (*space, error) {
	ns, err := netns.Get()
	if err != nil {
		return nil, err
	}
	s, err := newSpaceOf(ns, "")
	if err != nil {
		return nil, errors.Join(err, ns.Close())
	}
	return s, nil
}

// newSpaceOf wraps an open namespace.
func newSpaceOf(ns netns.NsHandle, file string) (*space, error) {
	links, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink in the namespace: %w", err)
	}
	return &space{ns: ns, links: links, file: file}, nil
}

// pinNamespace mounts the thread's namespace on a new file.
func pinNamespace(file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_RDONLY, 0o444)
	if err != nil {
		return fmt.Errorf("%w; take it down first", err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := mountNamespace(file); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	return nil
}

// mountNamespace mounts the thread's namespace on a file that exists.
func mountNamespace(file string) error {
	self := fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid())
	if err := unix.Mount(self, file, "bind", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount the namespace on %s: %w", file, err)
	}
	return nil
}

// unmount undoes that; a file without a mount, and a missing one, are fine.
func unmount(file string) error {
	err := unix.Unmount(file, unix.MNT_DETACH)
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount %s: %w", file, err)
	}
	return nil
}

// unpin takes a mount and what it is on away, a namespace's file or the folder of
// pins; "" and what is missing are fine.
func unpin(file string) error {
	if file == "" {
		return nil
	}
	if err := unmount(file); err != nil {
		return err
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// in runs f inside, see the function in.
func (s *space) in(f func() error) error {
	if s.closed != nil {
		return s.closed
	}
	return in(s.ns, f)
}

// release lets go of the namespace without taking its file away.
func (s *space) release() error {
	if s.closed != nil {
		return nil
	}
	s.closed = errClosed
	s.links.Close()
	return s.ns.Close()
}

// close ends the namespace: with the last descriptor the kernel removes its
// devices and all that is attached to them.
func (s *space) close() error {
	if s.closed != nil {
		return nil
	}
	return errors.Join(s.release(), unpin(s.file))
}
