// SPDX-License-Identifier: Apache-2.0

package image

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// Modules are the files of modules below a folder and of all that these depend
// on, in the order in which they are to be loaded. A module that the kernel has
// built in has no file, and has to be left out by the caller.
func Modules(root string, names ...string) ([]string, error) {
	files, err := moduleFiles(root)
	if err != nil {
		return nil, err
	}
	var order []string
	for _, name := range names {
		if order, err = addModule(order, files, name); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// moduleFiles finds modules by their names.
func moduleFiles(root string) (map[string]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(root, func(file string, _ fs.DirEntry, err error) error {
		if name, ok := strings.CutSuffix(filepath.Base(file), ".ko"); ok {
			files[moduleName(name)] = file
		}
		return err
	})
	if err == nil && len(files) == 0 {
		err = errors.New("there is no module; was the kernel's package unpacked there?")
	}
	if err != nil {
		return nil, fmt.Errorf("look for modules in %s: %w", root, err)
	}
	return files, nil
}

// moduleName is a name as the kernel has it: a dash in a file's name is one below
// the line.
func moduleName(name string) string { return strings.ReplaceAll(name, "-", "_") }

// addModule adds a module behind those that it depends on.
func addModule(order []string, files map[string]string, name string) ([]string, error) {
	file, ok := files[moduleName(name)]
	if !ok {
		return nil, fmt.Errorf("module %s: the kernel's package has none of that name", name)
	}
	if slices.Contains(order, file) {
		return order, nil
	}
	needs, err := dependencies(file)
	if err != nil {
		return nil, fmt.Errorf("module %s: %w", name, err)
	}
	for _, need := range needs {
		if order, err = addModule(order, files, need); err != nil {
			return nil, fmt.Errorf("what module %s depends on: %w", name, err)
		}
	}
	return append(order, file), nil
}

// dependencies reads the line "depends=a,b" of a module's section .modinfo.
func dependencies(file string) ([]string, error) {
	f, err := elf.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	section := f.Section(".modinfo")
	if section == nil {
		return nil, errors.New("it has no section .modinfo, so it is no module")
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	for _, line := range strings.Split(string(info), "\x00") {
		if list, ok := strings.CutPrefix(line, "depends="); ok && list != "" {
			return strings.Split(list, ","), nil
		}
	}
	return nil, nil
}
