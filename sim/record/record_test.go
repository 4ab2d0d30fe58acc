// SPDX-License-Identifier: Apache-2.0

package record_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/sim/oracle"
	"github.com/mizar-net/mizar/sim/record"
	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/scenarios"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/testrun"
	"github.com/mizar-net/mizar/sim/wire/veth"
)

func options(t *testing.T) record.Options {
	t.Helper()
	pool := &testrun.Pool{}
	t.Cleanup(func() { NewWithT(t).Expect(pool.Close()).To(Succeed()) })
	return record.Options{
		Dir: t.TempDir(), Maker: pool.Make,
		Config: run.Config{
			Wires: []run.Factory{
				{Name: "testrun", Open: func(context.Context) (wire.Wire, error) { return testrun.New(pool.Make), nil }},
				{Name: "veth", Open: func(context.Context) (wire.Wire, error) { return veth.Open() }},
			},
			Oracle:  func() run.Oracle { return oracle.New() },
			Compile: compile.View.Hosts,
		},
	}
}

func load(t *testing.T, name string) *scenario.Scenario {
	t.Helper()
	s, err := scenarios.Load(name)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return s
}

// What is recorded passes on both wires. The scenarios have every kind of step.
func TestRoundTrip(t *testing.T) {
	for name, count := range map[string]int{"tour": 2, "changes": 2, "neighbours": 2, "bouncers": 1} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			o := options(t)
			files, err := record.Record(t.Context(), load(t, name), o)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(files).To(HaveLen(count))
			for _, file := range files {
				again, err := scenario.LoadFile(file)
				g.Expect(err).NotTo(HaveOccurred())
				result, err := run.Run(t.Context(), again, o.Config)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(result.Wires).To(Equal([]string{"testrun", "veth"}))
				checks, failed := result.Count()
				g.Expect(failed).To(BeZero(), "%s: %+v", file, result)
				g.Expect(checks).To(BeNumerically(">", 5))
			}
		})
	}
}

// A recording is evidence for what was: another network fails it.
func TestRecordingsNoticeAChange(t *testing.T) {
	g := NewWithT(t)
	o := options(t)
	files, err := record.Record(t.Context(), load(t, "tour"), o)
	g.Expect(err).NotTo(HaveOccurred())
	again, err := scenario.LoadFile(files[0])
	g.Expect(err).NotTo(HaveOccurred())
	for i := range again.Objects.Subnets {
		again.Objects.Subnets[i].Bouncers.Hosts = []string{"h2"}
	}
	o.Config.Wires = o.Config.Wires[:1]
	result, err := run.Run(t.Context(), again, o.Config)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(result.Status).To(Equal(run.Fail))
}

func TestNothingIsOverwritten(t *testing.T) {
	g := NewWithT(t)
	o := options(t)
	file := filepath.Join(o.Dir, "bouncers-recorded.yaml")
	g.Expect(os.WriteFile(file, []byte("mine"), 0o600)).To(Succeed())
	_, err := record.Record(t.Context(), load(t, "bouncers"), o)
	g.Expect(err).To(MatchError(ContainSubstring("choose another folder")))
	b, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(b)).To(Equal("mine"))
}

// What fails is not worth being recorded, and nothing is written.
func TestFailedRunsAreNotRecorded(t *testing.T) {
	g := NewWithT(t)
	o := options(t)
	s := load(t, "bouncers")
	for i := range s.Steps {
		if s.Steps[i].Probe != nil {
			s.Steps[i].Probe.Expect.Hops = []int{9}
		}
	}
	if s.Steps[0].Table != nil {
		s.Steps[0].Table.Rows[0] = "-" + s.Steps[0].Table.Rows[0][1:]
	}
	many := 99
	wrong := scenario.Step{Key: "assert", Name: "wrong", Assert: &scenario.Assert{
		Drops: map[string]map[string]scenario.Bounds[int]{"h1": {"ttl": {Least: &many}}},
	}}
	s.Steps = append(s.Steps, wrong)
	_, err := record.Record(t.Context(), s, o)
	g.Expect(err).To(MatchError(record.ErrFailed))
	g.Expect(os.ReadDir(o.Dir)).To(BeEmpty())
}
