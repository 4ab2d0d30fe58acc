// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/mizar-net/mizar/sim/capture"
	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// ErrFailed says that a run was not as its scenario expects, so that there is
// nothing worth to be recorded.
var ErrFailed = errors.New("the run failed")

// Options of Record.
type Options struct {
	// Dir is where the scenarios go; their captures go to folders below.
	Dir string
	// Config has the oracle and the compiler of runs; its wires do not
	// matter.
	Config run.Config
	// Maker makes the hosts.
	Maker testrun.Maker
}

// recording is a run of a scenario over one family of the underlay.
type recording struct {
	scenario *scenario.Scenario
	root     *yaml.Node
	tape     *tape
}

// Record runs a scenario on the testrun wire and writes what happened as new
// ones, one for each family of the underlay. It returns their files.
func Record(ctx context.Context, s *scenario.Scenario, o Options) ([]string, error) {
	if err := recordable(s); err != nil {
		return nil, fmt.Errorf("record %s: %w", s.Name, err)
	}
	root, err := source(s)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, v := range byFamily(s) {
		r := recording{scenario: v, root: root}
		file := filepath.Join(o.Dir, r.name()+".yaml")
		if _, err := os.Lstat(file); err == nil {
			return files, fmt.Errorf("record %s: %s exists; choose another folder", s.Name, file)
		}
		if err := r.run(ctx, o); err != nil {
			return files, fmt.Errorf("record %s: %w", s.Name, err)
		}
		if err := r.write(ctx, file, o); err != nil {
			return files, fmt.Errorf("record %s: %w", s.Name, err)
		}
		files = append(files, file)
	}
	return files, nil
}

// recordable refuses scenarios whose steps say what cannot be read off packets.
func recordable(s *scenario.Scenario) error {
	for i, step := range s.Steps {
		if step.Fault != nil || step.Clock != nil || step.Traffic != nil || (step.Change != nil && step.Kind() != "change") {
			return fmt.Errorf("step %d (%s:%d) is a %s, which is not recorded; leave it out, or write changes as change",
				i+1, step.At.File, step.At.Line, step.Kind())
		}
	}
	return nil
}

// byFamily are the variants of a scenario, one for each family.
func byFamily(s *scenario.Scenario) []*scenario.Scenario {
	var all []*scenario.Scenario
	for _, v := range s.Variants() {
		if !slices.ContainsFunc(all, func(o *scenario.Scenario) bool { return slices.Equal(o.Families, v.Families) }) {
			all = append(all, v)
		}
	}
	return all
}

// name is that of the new scenario.
func (r recording) name() string {
	if len(r.scenario.Families) == 1 {
		return fmt.Sprintf("%s-over-v%d", r.scenario.Name, r.scenario.Families[0])
	}
	return r.scenario.Name + "-recorded"
}

// run runs the scenario and keeps the tape.
func (r *recording) run(ctx context.Context, o Options) error {
	r.tape = &tape{Wire: testrun.New(o.Maker)}
	c := o.Config
	c.Wires = []run.Factory{{Name: "testrun", Open: func(context.Context) (wire.Wire, error) { return r.tape, nil }}}
	c.Notify = func(e run.Event) {
		if e.Kind == run.StepStarted {
			r.tape.step = e.Index
		}
	}
	result, err := run.Run(ctx, r.scenario, c)
	if err == nil && result.Status != run.Pass {
		err = fmt.Errorf("%w: see mizar sim run %s --wire testrun", ErrFailed, r.scenario.File)
	}
	return err
}

// write writes the scenario and its captures, and lets it write its golden
// captures by running.
func (r recording) write(ctx context.Context, file string, o Options) error {
	steps, captures, err := r.steps()
	if err != nil {
		return err
	}
	text, err := r.text(steps)
	if err != nil {
		return err
	}
	if err := save(file, text); err != nil {
		return err
	}
	for name, in := range captures {
		b, err := in.pcapng(name)
		if err != nil {
			return err
		}
		if err := save(filepath.Join(o.Dir, filepath.FromSlash(name)), b); err != nil {
			return err
		}
	}
	if err := r.copyFiles(o.Dir); err != nil {
		return err
	}
	return golden(ctx, file, o)
}

// text is the scenario file.
func (r recording) text(steps []stepFile) ([]byte, error) {
	if len(steps) == 0 {
		return nil, errors.New("nothing happened that could be recorded")
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Recorded from a run of %s by mizar sim record.\n", path.Base(r.scenario.File))
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	err := e.Encode(struct {
		Title    string     `yaml:"title"`
		Wires    []string   `yaml:"wires,flow"`
		Topology *yaml.Node `yaml:"topology"`
		Objects  *yaml.Node `yaml:"objects,omitempty"`
		Steps    []stepFile `yaml:"steps"`
	}{r.scenario.Title, r.scenario.Wires, r.topology(), field(r.root, "objects"), steps})
	if err != nil {
		return nil, fmt.Errorf("write the scenario: %w", err)
	}
	return b.Bytes(), nil
}

// golden runs a scenario so that it writes its golden captures.
func golden(ctx context.Context, file string, o Options) error {
	s, err := scenario.LoadFileToUpdate(file)
	if err != nil {
		return fmt.Errorf("read what was recorded: %w", err)
	}
	c := o.Config
	c.Notify = nil
	c.Wires = []run.Factory{{Name: "testrun", Open: func(context.Context) (wire.Wire, error) { return testrun.New(o.Maker), nil }}}
	c.Update = func(_ *scenario.Scenario, name string, data []byte) error {
		return save(filepath.Join(o.Dir, filepath.FromSlash(name)), data)
	}
	result, err := run.Run(ctx, s, c)
	if err == nil && result.Status != run.Pass {
		err = fmt.Errorf("%w: what was recorded does not happen again: see mizar sim run %s", ErrFailed, file)
	}
	return err
}

// pcapng is the capture of frames that were put in.
func (in injected) pcapng(name string) ([]byte, error) {
	c := capture.Capture{File: name}
	for i, f := range in.frames {
		c.Packets = append(c.Packets, capture.Packet{Number: i + 1, Time: time.Unix(0, int64(i)*1000), Frame: f})
	}
	return c.Pcapng()
}

// save writes a file and the folders to it.
func save(file string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("write the recording: %w", err)
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		return fmt.Errorf("write the recording: %w", err)
	}
	return nil
}

// copyFiles copies the files of objects that the scenario names.
func (r recording) copyFiles(dir string) error {
	for _, name := range objectFiles(r.root) {
		b, err := fs.ReadFile(r.scenario.Files, name)
		if err != nil {
			return fmt.Errorf("copy objects: %w", err)
		}
		if err := save(filepath.Join(dir, filepath.FromSlash(name)), b); err != nil {
			return err
		}
	}
	return nil
}
