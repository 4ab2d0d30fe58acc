// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/sim/capture"
	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/scenario"
)

//go:embed bad
var badFiles embed.FS

// readers read one kind of input each, by the start of the file's name.
var readers = map[string]func(files fs.FS, name string) error{
	"scenario": func(files fs.FS, name string) error {
		_, err := scenario.Load(files, name)
		return err
	},
	"object": func(files fs.FS, name string) error {
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		draft, err := object.Decode(name, data)
		if err == nil {
			_, err = object.New(draft)
		}
		return err
	},
	"capture": func(files fs.FS, name string) error {
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		_, err = capture.Parse(name, data)
		return err
	},
}

// BadInput reads the broken files of a folder "bad" and compares each error with
// the text file beside it: file, place, field and what was expected. A file that
// is read without an error is a failure.
func BadInput(files fs.FS) []run.Evidence {
	names, err := fs.Glob(files, "bad/*")
	if err != nil || len(names) == 0 {
		return []run.Evidence{{Test: "bad input", Rows: []string{badInput}, Failure: "there are no bad files"}}
	}
	var evidence []run.Evidence
	for _, name := range names {
		if path.Ext(name) == ".txt" {
			continue
		}
		kind, _, _ := strings.Cut(path.Base(name), "-")
		evidence = append(evidence, run.Evidence{
			Test: name, Rows: []string{badInput}, Cell: run.Cell{Proto: "bad-" + kind}, Failure: refused(files, kind, name),
		})
	}
	return evidence
}

// refused says what is wrong with the way in which a file is refused.
func refused(files fs.FS, kind, name string) string {
	read, known := readers[kind]
	if !known {
		return fmt.Sprintf("nothing reads files of kind %q", kind)
	}
	want, err := fs.ReadFile(files, name+".txt")
	if err != nil {
		return "no text says how it must be refused: " + err.Error()
	}
	err = read(files, name)
	if err == nil {
		return "it was accepted"
	}
	if got := err.Error(); got != strings.TrimRight(string(want), "\n") {
		return fmt.Sprintf("refused with:\n%s\nwant:\n%s", got, want)
	}
	return ""
}
