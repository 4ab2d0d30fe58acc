// SPDX-License-Identifier: Apache-2.0

package cmd_test

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/sim/cmd"
	"github.com/mizar-net/mizar/sim/run"
)

func TestRunInJUnit(t *testing.T) {
	g := NewWithT(t)
	report := filepath.Join(t.TempDir(), "r.json")
	out, err := mizar(t.Context(), "sim", "run", write(t, right), write(t, wrong), "--wire", "testrun", "-o", "junit", "--report", report)
	g.Expect(cmd.ExitCode(err)).To(Equal(1))
	var read struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
	}
	g.Expect(xml.Unmarshal([]byte(out), &read)).To(Succeed())
	g.Expect(read.Tests).To(Equal(2))
	g.Expect(read.Failures).To(Equal(1))

	b, err := os.ReadFile(report)
	g.Expect(err).NotTo(HaveOccurred())
	var results struct{ Scenarios []run.Result }
	g.Expect(json.Unmarshal(b, &results)).To(Succeed())
	g.Expect(results.Scenarios[1].Status).To(Equal(run.Fail))
}

// A scenario that the harness cannot run is told in the report, the others are
// run all the same, and the exit code is that of the harness.
func TestHarnessErrorsAreReported(t *testing.T) {
	g := NewWithT(t)
	report := filepath.Join(t.TempDir(), "r.xml")
	out, err := mizar(t.Context(), "sim", "run", "lookups", write(t, wrong), "--wire", "veth", "--report", report)
	g.Expect(cmd.ExitCode(err)).To(Equal(2))
	g.Expect(out).To(ContainSubstring("small: "))
	b, err := os.ReadFile(report)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(b)).To(And(ContainSubstring(`tests="2" failures="1" errors="1"`), ContainSubstring("does not run on this wire")))
}

func TestFilterLeavesStepsOut(t *testing.T) {
	g := NewWithT(t)
	steps := func(more ...string) []string {
		out, err := mizar(t.Context(), append([]string{"sim", "run", "changes", "--wire", "testrun", "-o", "json"}, more...)...)
		g.Expect(err).NotTo(HaveOccurred())
		var r run.Result
		g.Expect(json.Unmarshal([]byte(out), &r)).To(Succeed())
		var names []string
		for _, s := range r.Runs[0].Steps {
			names = append(names, s.Name)
		}
		return names
	}
	g.Expect(steps("--filter", "^and reached$")).To(Equal([]string{"an endpoint is added", "and reached"}), "what changes the network is kept, up to the last chosen step")
	for _, line := range [][]string{
		{"--filter", "no such step"}, {"--filter", "("}, {"--rows", "Z9"}, {"--parallel", "0"}, {"--report", "r.txt"},
		{"--keep", "--wire", "testrun"},
	} {
		_, err := mizar(t.Context(), append([]string{"sim", "run", "changes"}, line...)...)
		g.Expect(cmd.ExitCode(err)).To(Equal(2), "%v: %v", line, err)
	}
}

// What several scenarios print at once comes in order, each in one piece.
func TestParallelScenariosPrintInOrder(t *testing.T) {
	g := NewWithT(t)
	var args, want []string
	for i := range 4 {
		verdict, status := right, "pass"
		if i%2 == 1 {
			verdict, status = wrong, "fail"
		}
		args, want = append(args, write(t, verdict)), append(want, status+": small")
	}
	out, err := mizar(t.Context(), append([]string{"sim", "run", "--wire", "testrun", "--parallel", "3"}, args...)...)
	g.Expect(cmd.ExitCode(err)).To(Equal(1))
	g.Expect(err).To(MatchError(ContainSubstring("2 of 4 scenarios")))
	var got []string
	for line := range strings.Lines(out) {
		if head, _, _ := strings.Cut(line, ": "); head == "pass" || head == "fail" {
			got = append(got, head+": small")
		}
	}
	g.Expect(got).To(Equal(want))
}

func TestKeepLeavesALab(t *testing.T) {
	g := NewWithT(t)
	file := write(t, right)
	kept := filepath.Join(filepath.Dir(file), "kept-test.yaml")
	g.Expect(os.Rename(file, kept)).To(Succeed())
	before := things(t)
	t.Cleanup(func() { _, _ = mizar(context.Background(), "sim", "down", "kept-test") })
	out, err := mizar(t.Context(), "sim", "run", kept, "--keep")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(ContainSubstring("kept: kept-test is up; mizar sim exec kept-test ENDPOINT"))
	_, err = mizar(t.Context(), "sim", "exec", "kept-test", "red-1", "--", "true")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(filepath.Glob("/run/mizar/rooms/kept-test/*/programs")).NotTo(BeEmpty(), "programs go on without the process")
	_, err = mizar(t.Context(), "sim", "run", kept, "--keep")
	g.Expect(cmd.ExitCode(err)).To(Equal(2), "its name is taken")
	_, err = mizar(t.Context(), "sim", "down", "kept-test")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(things(t)).To(Equal(before))
}

func TestGraphDraws(t *testing.T) {
	g := NewWithT(t)
	out, err := mizar(t.Context(), "sim", "graph", "tour")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(ContainSubstring("bouncer of blue-a red-a red-b"))
	out, err = mizar(t.Context(), "sim", "graph", "tour", "-o", "svg")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(HavePrefix("<svg "))
	_, err = mizar(t.Context(), "sim", "graph", "tour", "-o", "png")
	g.Expect(cmd.ExitCode(err)).To(Equal(2))
}
