// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// claim is the right to build or remove a named machine room. The fabric's
// file stands for the room as a whole, so that a room that is killed at any
// moment of its life can be told from one that is up:
//
//	            locked      not locked
//	a file      building    half-built: whoever did it was killed
//	a mount     -           up
//
// It is made before anything else and removed after everything else; the lock
// ends with the process.
type claim struct {
	name string
	file *os.File
}

// errBusy says that another process builds or removes a room.
var errBusy = errors.New("another process is building it, or taking it down; wait for that process, or end it")

// newClaim makes the file of a room that nobody has; nil for a room without a
// name.
func newClaim(name string) (*claim, error) {
	if name == "" {
		return nil, nil
	}
	path := fileOf(name, Fabric, "")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDONLY, 0o444)
	if err != nil {
		return nil, fmt.Errorf("%w; take it down first", err)
	}
	c := &claim{name: name, file: f}
	return c, c.lock()
}

// takeClaim locks the file of a room that is half-built or up.
func takeClaim(name string) (*claim, error) {
	path := fileOf(name, Fabric, "")
	if err := unmount(path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o444)
	if err != nil {
		return nil, err
	}
	c := &claim{name: name, file: f}
	return c, c.lock()
}

// lock takes the lock or lets go of the file.
func (c *claim) lock() error {
	err := unix.Flock(int(c.file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = errBusy
	}
	if err != nil {
		return errors.Join(fmt.Errorf("lock machine room %s: %w", c.name, err), c.file.Close())
	}
	return nil
}

// complete says that the room is up: its fabric stays.
func (c *claim) complete(fabric *space) error {
	if c == nil {
		return nil
	}
	if err := fabric.in(func() error { return mountNamespace(c.file.Name()) }); err != nil {
		return err
	}
	return c.file.Close()
}

// end gives the name back.
func (c *claim) end() error {
	if c == nil {
		return nil
	}
	if err := os.Remove(c.file.Name()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return c.file.Close()
}

// stateOf looks at a room's claim.
func stateOf(name string) (State, error) {
	path := fileOf(name, Fabric, "")
	var fs unix.Statfs_t
	switch err := unix.Statfs(path, &fs); {
	case errors.Is(err, unix.ENOENT):
		return Half, nil
	case err != nil:
		return "", fmt.Errorf("look at %s: %w", path, err)
	case fs.Type == unix.NSFS_MAGIC:
		return Up, nil
	}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return Half, nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return Building, nil
	case err != nil:
		return "", fmt.Errorf("look at the lock of %s: %w", path, err)
	}
	return Half, nil
}
