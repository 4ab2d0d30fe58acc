// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"bytes"
	"encoding/json"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/sim/conformance"
	"github.com/mizar-net/mizar/sim/run"
)

func rows(t interface{ Fatal(...any) }, asked ...string) []conformance.Row {
	all, err := conformance.Rows()
	if err != nil {
		t.Fatal(err)
	}
	chosen, err := conformance.Select(all, asked)
	if err != nil {
		t.Fatal(err)
	}
	return chosen
}

// full is evidence that covers every required cell of a row and passed.
func full(row conformance.Row) []run.Evidence {
	var evidence []run.Evidence
	for _, required := range row.Required {
		evidence = append(evidence, run.Evidence{
			Test: "planted " + required.Cell.String(), Rows: []string{row.ID}, Cell: required.Cell,
		})
	}
	return evidence
}

func TestRowsAreThoseOfAcceptance(t *testing.T) {
	g := NewWithT(t)
	all, err := conformance.Rows()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(all).To(HaveLen(128))
	seen := map[string]bool{}
	for _, row := range all {
		g.Expect(seen).NotTo(HaveKey(row.ID))
		g.Expect(row.Capability).NotTo(BeEmpty(), row.ID)
		seen[row.ID] = true
	}
	g.Expect(conformance.Claims(all)).To(Equal([]string{"A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9", "A10", "A11", "A12", "A13", "A14", "A15", "A16", "A17",
		"B1", "B2", "B3", "B4", "B5", "B6", "B7",
		"C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C9", "C10", "C11", "C12", "C13", "C14", "C15", "D1", "D3",
		"E1", "E2", "E3", "E4", "E5", "E6", "E7", "E8", "E9", "E10", "E11", "E12", "E13", "E14", "E15", "E16", "E17", "E18", "E19", "E20", "E21", "E22", "E23", "E24", "E25",
		"F1", "F2", "F3", "F4", "F5", "H7", "H8/failover", "H18", "I4", "I5", "I6/overlay", "J1", "J2", "J3/own", "J4", "J6", "J8", "J10", "J11",
		"K1", "K2", "K3", "K5/overlay", "K5/flow-rows", "K6", "L1", "L5"}))
	for _, claimed := range rows(t, conformance.Claims(all)...) {
		g.Expect(claimed.Required).NotTo(BeEmpty(), claimed.ID)
	}
	a1 := rows(t, "A1")[0]
	g.Expect(a1.Required).To(HaveLen(2 * 3 * 2 * 2))
	g.Expect(a1.Required[0].Cell.String()).To(Equal("v4/icmp/two-hosts/same-subnet/direct/over-v4/testrun/deliver"))
}

func TestSelect(t *testing.T) {
	g := NewWithT(t)
	all, err := conformance.Rows()
	g.Expect(err).NotTo(HaveOccurred())
	part, err := conformance.Select(all, []string{"A7/arp-nd"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(part).To(HaveLen(1))
	g.Expect(len(part[0].Required)).To(BeNumerically("<", len(rows(t, "A7")[0].Required)))
	for _, wrong := range []string{"A99", "a1", "", "A7/none", "A1/arp-nd"} {
		_, err := conformance.Select(all, []string{"A1", wrong})
		g.Expect(err).To(MatchError(ContainSubstring(`got ["`+wrong+`"]`)), wrong)
	}
}

// A row passes exactly when each of its cells ran and nothing failed.
func TestRowPassesWhenAllCellsRanAndNoneFailed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		row := rapid.SampledFrom(rows(t, "A1", "A5", "B2", "E16", "I5")).Draw(t, "row")
		var evidence []run.Evidence
		missing, failed := 0, 0
		for i, e := range full(row) {
			switch rapid.IntRange(0, 20).Draw(t, "fate") {
			case 0:
				missing++
				continue
			case 1:
				failed++
				e.Failure = "planted"
			}
			e.Rows = append(e.Rows, "A2")
			evidence = append(evidence, e)
			if i%3 == 0 {
				evidence = append(evidence, e) // twice is as good as once
			}
		}
		got := conformance.Judge([]conformance.Row{row}, evidence).Rows[0]
		want := conformance.Pass
		switch {
		case failed > 0:
			want = conformance.Fail
		case missing > 0:
			want = conformance.None
		}
		g := NewWithT(t)
		g.Expect(got.Status).To(Equal(want))
		g.Expect(got.Missing()).To(HaveLen(missing))
	})
}

func TestEvidenceOfOtherRowsAndOtherCellsDoesNotCount(t *testing.T) {
	g := NewWithT(t)
	a1 := rows(t, "A1")
	evidence := full(a1[0])
	for i := range evidence {
		evidence[i].Rows = []string{"A2"}
	}
	g.Expect(conformance.Judge(a1, evidence).Rows[0].Status).To(Equal(conformance.None))
	for i := range evidence {
		evidence[i].Rows, evidence[i].Cell.Placement = []string{"A1"}, "same-host"
	}
	g.Expect(conformance.Judge(a1, evidence).Rows[0].Missing()).To(HaveLen(len(a1[0].Required)))
	g.Expect(conformance.Judge(nil, nil).Passed()).To(BeFalse(), "no row asked is no pass")
}

func TestReports(t *testing.T) {
	g := NewWithT(t)
	asked := rows(t, "A1", "A2", "D2", "I5")
	evidence := append(full(asked[0]), full(asked[1])...)
	evidence[0].Failure = "hops: got 2, want 1"
	table := conformance.Judge(asked, evidence)
	g.Expect(table.Passed()).To(BeFalse())

	var text, machine bytes.Buffer
	g.Expect(table.WriteText(&text)).To(Succeed())
	g.Expect(text.String()).To(ContainSubstring("fail  A1             24 of 24  cells"))
	g.Expect(text.String()).To(ContainSubstring("failed: planted v4/icmp/two-hosts/same-subnet/direct/over-v4/testrun/deliver: hops: got 2, want 1"))
	g.Expect(text.String()).To(ContainSubstring("pass  A2 "))
	g.Expect(text.String()).To(ContainSubstring("none  I5              0 of 12  cells"))
	g.Expect(text.String()).To(ContainSubstring("missing: and 9 more"))
	g.Expect(text.String()).To(ContainSubstring("no test: D2\n"))
	g.Expect(text.String()).To(HaveSuffix("\n4 rows: 1 pass, 1 fail, 2 none\n"))

	g.Expect(table.WriteJSON(&machine)).To(Succeed())
	var decoded struct{ Rows []map[string]any }
	g.Expect(json.Unmarshal(machine.Bytes(), &decoded)).To(Succeed())
	g.Expect(decoded.Rows).To(HaveLen(4))
	for _, key := range []string{"id", "capability", "status", "cells", "tests"} {
		g.Expect(decoded.Rows[2]).To(HaveKeyWithValue(key, Not(BeNil())), "D2 has %s", key)
	}
}
