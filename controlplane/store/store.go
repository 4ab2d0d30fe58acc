// SPDX-License-Identifier: Apache-2.0

// Package store reads objects from where people keep them. Here that is a
// directory of YAML files: the embedded default, for which no server is
// needed.
package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"github.com/mizar-net/mizar/controlplane/object"
)

// Source is where objects come from.
type Source interface {
	// Objects returns all objects as they are now, or why they are not
	// valid: then nothing of them counts.
	Objects(ctx context.Context) (object.Set, error)
}

// Directory is a [Source]: all files of a directory that end in .yaml or .yml,
// without those below it and hidden ones.
type Directory struct {
	Path string
}

// Objects reads the directory.
func (d Directory) Objects(ctx context.Context) (object.Set, error) {
	if err := ctx.Err(); err != nil {
		return object.Set{}, fmt.Errorf("read objects in %s: %w", d.Path, err)
	}
	return Load(d.Path)
}

// Load reads files, and directories as [Directory] does, into one set. What is
// wrong with the objects is an [object.Error] each, all joined.
func Load(paths ...string) (object.Set, error) {
	var all object.Draft
	var errs []error
	for _, path := range paths {
		files, err := list(path)
		if err != nil {
			errs = append(errs, fmt.Errorf("read objects: %w", err))
		}
		for _, file := range files {
			draft, err := read(file)
			errs = append(errs, err)
			all.Add(draft)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return object.Set{}, err
	}
	return object.New(all)
}

func read(file string) (object.Draft, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return object.Draft{}, fmt.Errorf("read objects: %w", err)
	}
	return object.Decode(file, data)
}

// list returns the files that a path stands for, in order of names.
func list(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, entry := range entries {
		if named(entry) {
			files = append(files, filepath.Join(path, entry.Name()))
		}
	}
	return files, nil
}

// named says that an entry's name makes it a file of objects.
func named(entry fs.DirEntry) bool {
	name := entry.Name()
	return !entry.IsDir() && name[0] != '.' && slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(name))
}

// Update is what a source held at some time: objects, or why there are none.
type Update struct {
	Objects object.Set
	Err     error
}

// Watch reads a source now and at every tick, and tells what it holds whenever
// that is not what it last told. It returns when ctx is done, with its cause,
// or when the ticks end, with nil. Ticks come from the caller, so that time
// does.
func Watch(ctx context.Context, s Source, ticks <-chan time.Time, tell func(Update)) error {
	var last *Update
	for {
		set, err := s.Objects(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if now := (Update{Objects: set, Err: err}); last == nil || !same(*last, now) {
			last = &now
			tell(now)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case _, more := <-ticks:
			if !more {
				return nil
			}
		}
	}
}

// same says that two updates tell the same. Where an object stands in its file
// counts too: errors are told by it.
func same(a, b Update) bool {
	if (a.Err == nil) != (b.Err == nil) {
		return false
	}
	if a.Err != nil {
		return a.Err.Error() == b.Err.Error()
	}
	return reflect.DeepEqual(a.Objects, b.Objects)
}
