// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/sim/conformance"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/scenarios"
)

// points is how many there are in ACCEPTANCE.
const points = 90

// Every point of the checklist has what it says that it has, or says what it waits
// for.
func TestEveryPointOfTheChecklistHasItsEvidence(t *testing.T) {
	g := NewWithT(t)
	list, err := conformance.Checklist()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(list).To(HaveLen(points))
	labels := labelled(t)
	for i, p := range list {
		g.Expect(p.ID).To(Equal(fmt.Sprintf("NP-%02d", i+1)))
		if complaint := complaint(p, labels, "../.."); complaint != "" {
			t.Errorf("%s: %s", p.ID, complaint)
		}
		if p.Later != "" {
			t.Logf("%s is not there yet: %s", p.ID, p.Later)
		}
		delete(labels, p.ID)
	}
	g.Expect(labels).To(BeEmpty(), "points that are not in the checklist")
}

// The check finds what it is there to find.
func TestAPointWithoutEvidenceIsFound(t *testing.T) {
	labels := map[string][]string{"NP-01": {"shown"}, "NP-02": {"labelled"}}
	for _, p := range []conformance.Point{
		{ID: "NP-01"},
		{ID: "NP-01", Later: "some day", Scenarios: []string{"shown"}},
		{ID: "NP-01", Scenarios: []string{"hidden"}},
		{ID: "NP-01", Scenarios: []string{"shown"}, Tests: []string{"controlplane/policy.TestNothing"}},
		{ID: "NP-01", Scenarios: []string{"shown"}, Tests: []string{"controlplane/policy.TestManyRulesOnOneEndpoint"}},
		{ID: "NP-02", Tests: []string{"controlplane/policy.TestSemantics"}},
		{ID: "NP-02", Later: "some day"},
	} {
		NewWithT(t).Expect(complaint(p, labels, "../..")).NotTo(BeEmpty(), "%+v", p)
	}
	fine := conformance.Point{ID: "NP-02", Tests: []string{"controlplane/policy.TestSemantics"}, Scenarios: []string{"labelled"}}
	NewWithT(t).Expect(complaint(fine, labels, "../..")).To(BeEmpty())
}

// labelled are the scenarios that have steps with each point as their label.
func labelled(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, name := range scenarios.Names() {
		s, err := scenarios.Load(name)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		for _, step := range s.Steps {
			for _, row := range step.Rows {
				if strings.HasPrefix(row, "NP-") && checks(step) && !slices.Contains(all[row], name) {
					all[row] = append(all[row], name)
				}
			}
		}
	}
	return all
}

// checks says whether a step compares anything.
func checks(s scenario.Step) bool {
	return s.Probe != nil || s.Table != nil || s.Trace != nil || s.Send != nil || s.Replay != nil || s.Assert != nil || s.Fault != nil || s.Stop != nil
}

// complaint says what is wrong with the evidence of a point, or nothing.
func complaint(p conformance.Point, labels map[string][]string, root string) string {
	shown := len(p.Tests) + len(p.Scenarios)
	switch {
	case shown == 0 && p.Later == "":
		return "nothing shows it, and nothing says what it waits for"
	case shown > 0 && p.Later != "":
		return "it is shown and waits: one of them"
	}
	for _, name := range p.Tests {
		if err := names(root, name, p.ID); err != nil {
			return err.Error()
		}
	}
	for _, name := range p.Scenarios {
		if !slices.Contains(labels[p.ID], name) {
			return "no step of scenario " + name + " has it for a label and checks something"
		}
	}
	for _, name := range labels[p.ID] {
		if !slices.Contains(p.Scenarios, name) {
			return "scenario " + name + " shows it, and is not in the list"
		}
	}
	return ""
}

// names says whether a Go test is there and its file names a point.
func names(root, test, id string) error {
	folder, name, _ := strings.Cut(test, ".")
	files, err := filepath.Glob(filepath.Join(root, folder, "*_test.go"))
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if !regexp.MustCompile(`(?m)^func ` + name + `\(t \*testing\.T\) \{`).Match(text) {
			continue
		}
		if !regexp.MustCompile(id + `\b`).Match(text) {
			return fmt.Errorf("the file of %s does not name it", test)
		}
		return nil
	}
	return fmt.Errorf("there is no %s", test)
}
