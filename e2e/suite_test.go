// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/conformance"
	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/scenario"
)

// evidence is what the specs have seen so far.
var evidence []run.Evidence

// TestConformance runs the suite. Label filters choose rows, wires, protocols and
// underlays: -ginkgo.label-filter='A1 && testrun'.
func TestConformance(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("the conformance suite loads BPF programs and makes network namespaces, which needs root: " +
			"run `make test`, or `sudo -E env PATH=$PATH go test ./e2e`")
	}
	RegisterFailHandler(Fail)
	RunSpecs(t, "Mizar conformance")
}

var _ = Describe("Mizar", func() {
	for _, p := range must(conformance.Proofs()) {
		It(p.Says, Label(p.Row), func(ctx SpecContext) {
			proven := p.Prove(ctx)
			Expect(proven).To(HaveEach(HaveField("Failure", BeEmpty())))
			evidence = append(evidence, proven...)
		})
	}
	for _, script := range scripts {
		Describe("scenario "+script.Name, Ordered, ContinueOnFailure, func() { specs(script) })
		if again := inTCX(script); again != nil {
			Describe("scenario "+script.Name+" in form tcx", Ordered, ContinueOnFailure, func() { specs(again) })
		}
	}
	Describe("rows of ACCEPTANCE", func() {
		for _, ask := range claims {
			It("row "+ask+" has every cell, and all passed", Label(rowOf(ask), "row"), func() { expectRow(ask) })
		}
	})
})

// onDevices are the scenarios that are run in the TCX form on both wires: one of
// each kind.
var onDevices = []string{"same-subnet", "subnets", "tenants", "spoofing", "neighbours", "replay"}

// inTCX is a scenario with all programs in their TCX form, on the testrun
// wire alone if it is not one of a few; nil when it says itself what form it
// runs in, or needs devices for all it shows.
func inTCX(script *scenario.Scenario) *scenario.Scenario {
	again := *script.InForm(state.FormTCX).WithUplinks(state.FormTCX)
	if len(script.Forms) > 0 || !slices.Contains(script.Wires, "testrun") {
		return nil
	}
	if !slices.Contains(onDevices, script.Name) {
		again.Wires = []string{"testrun"}
	}
	return &again
}

// rowOf is the ID of an ask, which may be for a part of the row.
func rowOf(ask string) string {
	id, _, _ := strings.Cut(ask, "/")
	return id
}

// specs has one for each step that checks something, on each wire and underlay.
func specs(script *scenario.Scenario) {
	var result run.Result
	BeforeAll(func(ctx SpecContext) {
		c := config()
		c.Wires = slices.DeleteFunc(c.Wires, func(f run.Factory) bool { return !wanted(script, f.Name) })
		var err error
		result, err = run.Run(ctx, script, c)
		Expect(err).NotTo(HaveOccurred(), "the harness could not run %s", script.File)
		evidence = append(evidence, result.Evidence()...)
	})
	for v, variant := range script.Variants() {
		underlay := underlayOf(variant)
		for i := range variant.Steps {
			step := &variant.Steps[i]
			for _, wire := range wiresOf(script, step) {
				name := fmt.Sprintf("step %d on %s %s: %s", i+1, wire, underlay, step.Name)
				It(name, labels(step, wire, underlay), func() {
					expectStep(result.Runs[v].Steps[i], wire)
				})
			}
		}
	}
}

// wanted says whether the label filter lets a spec through that needs a wire.
func wanted(script *scenario.Scenario, wire string) bool {
	filter, err := types.ParseLabelFilter(GinkgoLabelFilter())
	Expect(err).NotTo(HaveOccurred())
	for _, variant := range script.Variants() {
		underlay := underlayOf(variant)
		for i := range variant.Steps {
			step := &variant.Steps[i]
			for _, on := range wiresOf(script, step) {
				if (on == wire || on == run.BothWires) && filter(labels(step, on, underlay)) {
					return true
				}
			}
		}
	}
	return false
}

// underlayOf is the label of a run over hosts with addresses of one family.
func underlayOf(variant *scenario.Scenario) string {
	if len(variant.Families) == 0 {
		return ""
	}
	return fmt.Sprintf("over-v%d", variant.Families[0])
}

// wiresOf are the wires that a step is checked on; "both" where it is compared.
func wiresOf(script *scenario.Scenario, step *scenario.Step) []string {
	switch {
	case step.Probe == nil && step.Table == nil && step.Trace == nil && step.Send == nil && step.Replay == nil && step.Assert == nil && step.Fault == nil && step.Stop == nil:
		return nil // it checks nothing
	case len(script.Wires) > 1 && (step.Probe != nil || step.Table != nil || step.Trace != nil || step.Send != nil):
		return append([]string{run.BothWires}, script.Wires...)
	}
	return script.Wires
}

func labels(step *scenario.Step, wire, underlay string) Labels {
	all := append(Labels{wire, step.Kind()}, step.Rows...)
	if underlay != "" {
		all = append(all, underlay)
	}
	if wire == run.BothWires {
		all = append(all, "J1")
	}
	if step.Probe != nil {
		for _, proto := range step.Probe.Protos {
			all = append(all, string(proto))
		}
	}
	return all
}

// expectStep fails with all that was wrong in a step on one wire.
func expectStep(step run.Step, wire string) {
	checks := 0
	var wrong []string
	for _, check := range step.Checks {
		if check.Wire != wire {
			continue
		}
		checks++
		for _, failure := range check.Failures {
			wrong = append(wrong, fmt.Sprintf("%s: %s", check.Name, failure))
		}
	}
	Expect(checks).To(BeNumerically(">", 0), "the step checked nothing on %s", wire)
	if len(wrong) > 0 {
		const told = 12
		Fail(fmt.Sprintf("%d differences:\n%s", len(wrong), strings.Join(wrong[:min(told, len(wrong))], "\n")))
	}
}

// expectRow fails unless a row passes by the evidence of all specs before. A
// selection of specs by labels leaves rows out with "row".
func expectRow(ask string) {
	rows, err := conformance.Select(allRows, []string{ask})
	Expect(err).NotTo(HaveOccurred())
	row := conformance.Judge(rows, evidence).Rows[0]
	Expect(row.Missing()).To(BeEmpty(), "cells of %s that nothing ran in", ask)
	Expect(row.Status).To(Equal(conformance.Pass), "row %s", ask)
}

// The table is left in out/, where that folder is (make test makes it).
var _ = ReportAfterSuite("table of rows", func(Report) {
	table := conformance.Judge(allRows, evidence)
	Expect(table.WriteText(GinkgoWriter)).To(Succeed())
	out := filepath.Join("..", "out")
	if info, err := os.Stat(out); err != nil || !info.IsDir() {
		return
	}
	for name, write := range map[string]func(*os.File) error{
		"conformance.txt":  func(f *os.File) error { return table.WriteText(f) },
		"conformance.json": func(f *os.File) error { return table.WriteJSON(f) },
	} {
		file, err := os.Create(filepath.Join(out, name))
		Expect(err).NotTo(HaveOccurred())
		Expect(write(file)).To(Succeed())
		Expect(file.Close()).To(Succeed())
	}
})
