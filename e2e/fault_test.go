// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing/fstest"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/capacity"
	"github.com/mizar-net/mizar/sim/conformance"
	"github.com/mizar-net/mizar/sim/corpus"
	"github.com/mizar-net/mizar/sim/cross"
	"github.com/mizar-net/mizar/sim/crowd"
	"github.com/mizar-net/mizar/sim/cut"
	"github.com/mizar-net/mizar/sim/fault"
	"github.com/mizar-net/mizar/sim/flat"
	"github.com/mizar-net/mizar/sim/footprint"
	services "github.com/mizar-net/mizar/sim/frontend"
	"github.com/mizar-net/mizar/sim/fuzz"
	"github.com/mizar-net/mizar/sim/property"
	"github.com/mizar-net/mizar/sim/report"
	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/scenarios"
	"github.com/mizar-net/mizar/sim/visible"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// A suite that cannot fail proves nothing: each fault must turn its rows red.
var _ = Describe("planted faults", func() {
	seen := map[string]bool{}
	for _, ask := range claims {
		id := rowOf(ask)
		if seen[id] {
			continue // another part of the row: its evidence is the same
		}
		seen[id] = true
		if id == "J11" {
			It("a good file among the bad turns J11 red", Label(id, "fault"), acceptedInput)
			continue
		}
		if id == report.Row {
			It("a report that hides failures turns J10 red", Label(id, "fault"), lyingReport)
			continue
		}
		if id == visible.RowID {
			It("a command that shows cut flows as established turns F4 red", Label(id, "fault"), flattering)
			continue
		}
		if id == corpus.RowID {
			It("a program that loses frames without a reason turns J3 red", Label(id, "fault"), losingProgram)
			continue
		}
		if id == capacity.RowID {
			It("a host that applies half of a state turns K6 red", Label(id, "fault"), halfApplied)
			continue
		}
		if id == fuzz.RowID {
			It("a divider that bounces nothing, where the oracle knows a bouncer, turns K3 red", Label(id, "fault"), otherRole)
		}
		if id == footprint.Row {
			It("a large map that is allocated beforehand turns I6 red", Label(id, "fault"), func() { heavyHost(ask) })
			continue
		}
		faults := fault.Of(id)
		if len(faults) == 0 {
			It("there is a fault for row "+id, Label(id, "fault"), func() { Fail("no fault in sim/fault breaks row " + id) })
		}
		for _, f := range faults {
			It(fmt.Sprintf("%s (%s) turns %s red", f.Name, f.Says, id), Label(id, "fault"), func(ctx SpecContext) {
				switch id {
				case property.RowID:
					expectFailed(id, property.Prove(ctx, f.Plant))
				case cross.RowID:
					expectFailed(id, cross.Prove(ctx, f.Spoil))
					if f.Name != "stray-rule" { // one pair among thousands: no scenario asks about it
						expectRed(ctx, ask, f)
					}
				case cut.RowID:
					expectFailed(id, cut.Prove(ctx, f.Spoil))
					expectRed(ctx, ask, f)
				case flat.RowID:
					expectFailed(id, flat.Prove(ctx, f.Spoil))
				case services.SpreadRow:
					if f.Name == "lone-backend" { // the other one fails in the scenario
						expectFailed(id, services.Spread(ctx, f.Plant))
					}
					expectRed(ctx, ask, f)
				case services.MovesRow:
					expectFailed(id, services.Moves(ctx, f.Plant))
				case services.SCTPRow:
					expectFailed(id, services.SCTP(ctx, f.Plant))
				case services.CrowdRow:
					expectFailed(id, services.Crowd(ctx, f.Plant))
				case services.UnsummedRow:
					if f.Name == "always-summed" { // no scenario sends such datagrams
						expectFailed(id, services.Unsummed(ctx, f.Plant))
					} else {
						expectRed(ctx, ask, f)
					}
				default:
					expectRed(ctx, ask, f)
				}
			})
		}
	}
})

// heavyHost weighs a host whose map of learned paths has room for a million rows.
func heavyHost(ask string) {
	rows, err := conformance.Select(allRows, []string{ask})
	Expect(err).NotTo(HaveOccurred())
	heavy := footprint.Prove(func(c crowd.Crowd) (footprint.Weights, error) {
		return footprint.MeasureWith(dataplane.Options{Limits: map[string]uint32{bpf.RowMapPaths: 1 << 20}}, c)
	})
	Expect(conformance.Judge(rows, heavy).Rows[0].Status).To(Equal(conformance.Fail))
}

// expectRed runs the scenarios of a row with a fault planted until a step is red.
func expectRed(ctx SpecContext, ask string, f fault.Fault) {
	id := rowOf(ask)
	c := config()
	wires := f.Factories(c.Wires)
	rows, err := conformance.Select(allRows, []string{ask})
	Expect(err).NotTo(HaveOccurred())

	var tried []string
	for _, script := range scripts {
		if !isAbout(script, id) {
			continue
		}
		c.Wires = slices.Clone(wires)
		if id != "J1" && slices.Contains(script.Wires, "testrun") { // J1 is the one row about two wires
			c.Wires = slices.DeleteFunc(c.Wires, func(w run.Factory) bool { return w.Name != "testrun" })
		}
		tried = append(tried, script.Name)
		if conformance.Judge(rows, untilRed(ctx, script, c, id)).Rows[0].Status == conformance.Fail {
			return
		}
	}
	Fail(fmt.Sprintf("row %s is not red although %s; scenarios run: %v", id, f.Says, tried))
}

// expectFailed holds what was seen with a fault planted against a row that no scenario
// is about.
func expectFailed(id string, seen []run.Evidence) {
	rows, err := conformance.Select(allRows, []string{id})
	Expect(err).NotTo(HaveOccurred())
	Expect(conformance.Judge(rows, seen).Rows[0].Status).To(Equal(conformance.Fail))
}

// errRed ends a run of which enough was seen.
var errRed = errors.New("a step is red")

// untilRed runs a scenario until a step of a row fails, and returns what was seen.
func untilRed(ctx context.Context, script *scenario.Scenario, c run.Config, id string) []run.Evidence {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	c.Notify = func(e run.Event) {
		if e.Kind == run.StepDone && e.Done.Status == run.Fail && (id == "J1" || slices.Contains(e.Done.Rows, id)) {
			stop(errRed)
		}
	}
	result, err := run.Run(ctx, script, c)
	if !errors.Is(context.Cause(ctx), errRed) {
		Expect(err).NotTo(HaveOccurred(), "a fault must break the network, not the harness")
	}
	return result.Evidence()
}

func isAbout(script *scenario.Scenario, id string) bool {
	if id == "J1" && len(script.Wires) > 1 {
		return true
	}
	return slices.ContainsFunc(script.Steps, func(s scenario.Step) bool { return slices.Contains(s.Rows, id) })
}

// lyingReport plants a JUnit writer that says that all has passed.
func lyingReport() {
	lying := report.Real()
	lying.JUnit = func(w io.Writer, results []run.Result) error {
		results = slices.Clone(results)
		for i := range results {
			results[i].Runs, results[i].Error = results[i].Runs[:0], ""
		}
		return report.JUnit(w, results)
	}
	rows, err := conformance.Select(allRows, []string{report.Row})
	Expect(err).NotTo(HaveOccurred())
	Expect(conformance.Judge(rows, report.Prove(lying)).Rows[0].Status).To(Equal(conformance.Fail))
}

// flattering shows flows that policy cuts as if they went on.
func flattering(ctx SpecContext) {
	shown := visible.Prove(ctx, func(ctx context.Context, args ...string) (string, error) {
		text, err := visible.Command(ctx, args...)
		return strings.ReplaceAll(text, `"cut"`, `"established"`), err
	})
	rows, err := conformance.Select(allRows, []string{visible.RowID})
	Expect(err).NotTo(HaveOccurred())
	Expect(conformance.Judge(rows, shown).Rows[0].Status).To(Equal(conformance.Fail))
}

// losing is a machine whose programs do not say why they drop.
type losing struct{ testrun.Machine }

func (m losing) Run(a testrun.Arrival) (testrun.Result, error) {
	r, err := m.Machine.Run(a)
	r.Record.Reason = uint32(bpf.RowDropReasonDROP_NONE)
	return r, err
}

func losingProgram(ctx SpecContext) {
	captures, err := fs.Sub(scenarios.Files(), "captures")
	Expect(err).NotTo(HaveOccurred())
	met := corpus.Prove(ctx, captures, func(host string) (testrun.Machine, error) {
		m, err := testrun.Load(host)
		return losing{m}, err
	})
	rows, err := conformance.Select(allRows, []string{"J3/own"})
	Expect(err).NotTo(HaveOccurred())
	Expect(conformance.Judge(rows, met).Rows[0].Status).To(Equal(conformance.Fail))
}

// otherRole holds a host to what another would have to do.
func otherRole(ctx SpecContext) {
	met := fuzz.Prove(ctx, func(r fuzz.Role) (*fuzz.Bench, error) { return fuzz.LoadAs(fuzz.Divider, r) })
	rows, err := conformance.Select(allRows, []string{"K3/forwarding"})
	Expect(err).NotTo(HaveOccurred())
	Expect(conformance.Judge(rows, met).Rows[0].Status).To(Equal(conformance.Fail))
}

// half is a host that applies what fits of a state.
type half struct{ capacity.Host }

func (h half) Apply(s state.Host, l state.Local) (dataplane.Report, error) {
	report, refused := h.Host.Apply(s, l)
	if refused == nil {
		return report, nil
	}
	s.MTU-- // a row of hosts that changes
	s.Peers, s.VPCs, s.Subnets, s.Endpoints, s.Directory = s.Peers[:1], s.VPCs[:1], s.Subnets[:1], s.Endpoints[:1], s.Directory[:1]
	_, err := h.Host.Apply(s, l)
	return nil, errors.Join(refused, err)
}

func halfApplied() {
	met := capacity.Prove(func(limits map[string]uint32) (capacity.Host, error) {
		h, err := capacity.Kernel(limits)
		return half{h}, err
	})
	rows, err := conformance.Select(allRows, []string{capacity.RowID})
	Expect(err).NotTo(HaveOccurred())
	Expect(conformance.Judge(rows, met).Rows[0].Status).To(Equal(conformance.Fail))
}

// acceptedInput plants an object that is right where broken ones are kept.
func acceptedInput() {
	right := "apiVersion: mizar.dev/v1alpha1\nkind: VPC\nmetadata: {name: red}\nspec: {vni: 1}\n"
	planted := conformance.BadInput(fstest.MapFS{
		"bad/object-right.yaml":     {Data: []byte(right)},
		"bad/object-right.yaml.txt": {Data: []byte("an error\n")},
	})
	rows, err := conformance.Select(allRows, []string{"J11"})
	Expect(err).NotTo(HaveOccurred())
	Expect(conformance.Judge(rows, planted).Rows[0].Status).To(Equal(conformance.Fail))
}
