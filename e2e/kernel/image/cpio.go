// SPDX-License-Identifier: Apache-2.0

// Package image makes what a kernel boots into: an initramfs with one program and
// the modules that it needs. It needs no tool but Go.
package image

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
)

// Archive writes an initramfs, a cpio archive of the kind "newc"
// (Documentation/driver-api/early-userspace/buffer-format.rst of the kernel).
// Close it.
type Archive struct {
	out io.Writer
	// inode is the last that was given away, folders those that are there.
	inode   int
	folders map[string]bool
}

// NewArchive begins an archive.
func NewArchive(out io.Writer) *Archive {
	return &Archive{out: out, folders: map[string]bool{".": true}}
}

// The types of files, as in sys/stat.h.
const (
	folder  = 0o040755
	program = 0o100755
)

// Folder adds an empty folder and those above it; one that is there stays.
func (a *Archive) Folder(name string) error {
	if a.folders[name] {
		return nil
	}
	if err := a.Folder(path.Dir(name)); err != nil {
		return err
	}
	a.folders[name] = true
	return a.entry(name, folder, nil)
}

// File adds a file that everybody may execute, with the folders above it.
func (a *Archive) File(name string, content []byte) error {
	if err := a.Folder(path.Dir(name)); err != nil {
		return err
	}
	return a.entry(name, program, content)
}

// Copy is File with the content of a file of this machine.
func (a *Archive) Copy(name, from string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("put %s into the initramfs: %w", name, err)
	}
	return a.File(name, content)
}

// Close ends the archive.
func (a *Archive) Close() error { return a.entry("TRAILER!!!", 0, nil) }

// entry writes a header of 13 numbers, the name and the content, each of the two
// followed by zeros up to a multiple of 4.
//
//	magic inode mode uid gid links mtime size devices(4) name-size check
func (a *Archive) entry(name string, mode int, content []byte) error {
	a.inode++
	header := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		a.inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0, name)
	return errors.Join(a.write([]byte(header)), a.write(content))
}

func (a *Archive) write(b []byte) error {
	if _, err := a.out.Write(b); err != nil {
		return fmt.Errorf("write the initramfs: %w", err)
	}
	if _, err := a.out.Write(make([]byte, -len(b)&3)); err != nil {
		return fmt.Errorf("write the initramfs: %w", err)
	}
	return nil
}
