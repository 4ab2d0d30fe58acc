// SPDX-License-Identifier: Apache-2.0

package scenarios_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/sim/golden"
	"github.com/mizar-net/mizar/sim/replay"
	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/scenarios"
)

// goldens are the golden captures that come with mizar, by name.
func goldens(t *testing.T) map[string][]golden.Frame {
	t.Helper()
	g := NewWithT(t)
	names, err := fs.Glob(scenarios.Files(), "golden/*.pcapng")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(len(names)).To(BeNumerically(">", 15))
	all := map[string][]golden.Frame{}
	for _, name := range names {
		b, err := fs.ReadFile(scenarios.Files(), name)
		g.Expect(err).NotTo(HaveOccurred())
		all[name], err = golden.Parse(name, b)
		g.Expect(err).NotTo(HaveOccurred())
	}
	return all
}

func TestGoldenCapturesAreProvenByThreeDecoders(t *testing.T) {
	g := NewWithT(t)
	_, missing := exec.LookPath("tshark")
	switch {
	case missing != nil && os.Getenv("CI") != "":
		t.Error("no tshark here, which CI must have")
	case missing != nil:
		t.Log("no tshark here: only two decoders have judged")
	}
	var all []golden.Frame
	for _, frames := range goldens(t) {
		all = append(all, frames...)
	}
	file := filepath.Join(t.TempDir(), "all.pcapng")
	g.Expect(golden.Write(file, all)).To(Succeed())
	proof, err := golden.Prove(context.Background(), file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(proof).To(Equal(golden.Proof{Frames: len(all), Tshark: missing == nil}))
}

// TestEachMutatedFieldOfAGoldenCaptureIsNamed changes every field of every frame
// of every golden capture, one at a time.
func TestEachMutatedFieldOfAGoldenCaptureIsNamed(t *testing.T) {
	mutated := map[string]int{}
	for name, frames := range goldens(t) {
		for i := range frames {
			for _, field := range golden.Fields() {
				bad, ok := mutate(frames[i], field)
				if !ok {
					continue
				}
				mutated[field]++
				want := slices.Clone(frames)
				want[i] = bad
				list, err := golden.Compare(want, frames)
				if err != nil && strings.Contains(err.Error(), "packet") {
					continue // nobody can read it any more, and that is said
				}
				if err != nil || !names(list, field) {
					t.Errorf("%s: frame %d: %s changed, reported: %v %v", name, i+1, field, err, list)
				}
			}
		}
	}
	NewWithT(t).Expect(len(mutated)).To(BeNumerically(">", 30), "%v", mutated)
}

// mutate changes one field of a golden frame.
func mutate(f golden.Frame, field string) (golden.Frame, bool) {
	switch field {
	case "verdict":
		f.Verdict += "s"
		return f, true
	case "reason":
		if f.Reason == "" {
			return f, false
		}
		f.Reason = "ttl"
		return f, true
	case "xdp":
		f.Action = map[bool]string{true: "pass", false: "drop"}[f.Action == "drop"]
		return f, true
	case "input":
		f.Input++
		return f, true
	}
	place, ok := golden.PlaceOf(f.Bytes, field)
	if ok {
		f.Bytes = bytes.Clone(f.Bytes)
		f.Bytes[place.Offset+place.Size-1] ^= 1
	}
	return f, ok
}

// names says that a report names the field, in the one difference that there is.
func names(list []golden.Difference, field string) bool {
	return len(list) == 1 && (list[0].Field == field || slices.Contains(list[0].Also, field))
}

func TestAMutatedPortIsTwoDifferences(t *testing.T) {
	for name, frames := range goldens(t) {
		g := NewWithT(t)
		want := slices.Clone(frames)
		want[0].Port = "uplink:elsewhere"
		list, err := golden.Compare(want, frames)
		g.Expect(err).NotTo(HaveOccurred(), name)
		g.Expect(list).To(HaveLen(2), "%s: missing there, extra here", name)
	}
}

func TestEveryGoldenCaptureHasItsText(t *testing.T) {
	for name, frames := range goldens(t) {
		g := NewWithT(t)
		text, err := fs.ReadFile(scenarios.Files(), run.TwinName(name))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(strings.Count(string(text), "▶ frame ")).To(Equal(len(frames)), name)
		inputs := 0
		for _, f := range frames {
			inputs = max(inputs, f.Input)
		}
		g.Expect(replay.TwinChanges(string(text))).To(HaveLen(inputs), name)
		g.Expect(replay.TwinChanges(string(text))[0]).NotTo(BeEmpty(), "%s: the first packet asks, which is remembered", name)
	}
}
