// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/mizar-net/mizar/controlplane/object"
)

// FileName is the file of numbers in a directory of objects.
const FileName = "identities.json"

// File keeps a ledger in a directory that several agents share: an agent has it
// alone while it takes a step, so no number is given twice, and a file is replaced
// as a whole, so none is lost by a crash.
type File struct {
	// Directory is where [FileName] is, and a lock beside it.
	Directory string
}

// Step is [Ledger.Step] of the ledger in the file. An error that is no [*NoneLeft]
// means that numbers could not be read or kept: then there is no book, and nobody
// may be given any.
func (f File) Step(set object.Set, now time.Time) (Book, error) {
	unlock, err := f.lock()
	if err != nil {
		return Book{}, err
	}
	defer unlock()
	ledger, text, err := f.read()
	if err != nil {
		return Book{}, err
	}
	book, next, none := ledger.Step(set, now)
	written, err := json.Marshal(next)
	if err != nil {
		return Book{}, fmt.Errorf("write the ledger of identities: %w", err)
	}
	if !bytes.Equal(written, text) {
		if err := f.write(written); err != nil {
			return Book{}, err
		}
	}
	return book, none
}

// lock waits until no other agent has the file.
func (f File) lock() (unlock func(), err error) {
	name := filepath.Join(f.Directory, "."+FileName+".lock")
	lock, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the ledger of identities: %w", err)
	}
	for err = syscall.EINTR; errors.Is(err, syscall.EINTR); {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w; want a file system with locks that all agents see", name, err), lock.Close())
	}
	return func() { _ = lock.Close() }, nil // and with it the lock goes
}

// read returns the ledger and its text. No file is an empty ledger; one that cannot
// be read is an error, as numbers in it may be in use.
func (f File) read() (Ledger, []byte, error) {
	text, err := os.ReadFile(filepath.Join(f.Directory, FileName))
	if errors.Is(err, fs.ErrNotExist) {
		return Ledger{}, nil, nil
	}
	var l Ledger
	if err == nil {
		err = json.Unmarshal(text, &l)
	}
	if err != nil {
		return Ledger{}, nil, fmt.Errorf("read %s: %w", filepath.Join(f.Directory, FileName), err)
	}
	return l, text, nil
}

// write replaces the file as a whole, so that a crash leaves the old one or the
// new one.
func (f File) write(text []byte) error {
	temporary := filepath.Join(f.Directory, "."+FileName+".new")
	file, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = file.Write(text)
		err = errors.Join(err, file.Sync(), file.Close())
	}
	if err == nil {
		err = os.Rename(temporary, filepath.Join(f.Directory, FileName))
	}
	if err != nil {
		return fmt.Errorf("write the ledger of identities: %w", err)
	}
	return f.sync()
}

// sync makes the new name of the file last.
func (f File) sync() error {
	dir, err := os.Open(f.Directory)
	if err == nil {
		err = errors.Join(dir.Sync(), dir.Close())
	}
	if err != nil {
		return fmt.Errorf("write the ledger of identities: %w", err)
	}
	return nil
}
