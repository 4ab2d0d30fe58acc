// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/sim/conformance"
)

// ask runs the command with a suite that has no scenario, and proves only that bad input
// is refused.
func ask(t *testing.T, arguments ...string) (stdout string, err error) {
	t.Helper()
	command := conformance.Command(func([]string) (conformance.Suite, error) {
		all, err := conformance.Proofs()
		return conformance.Suite{Proofs: slices.DeleteFunc(all, func(p conformance.Proof) bool { return p.Row != "J11" })}, err
	})
	var out, progress bytes.Buffer
	command.SetArgs(arguments)
	command.SetOut(&out)
	command.SetErr(&progress)
	command.SilenceErrors, command.SilenceUsage = true, true
	err = command.ExecuteContext(t.Context())
	return out.String(), err
}

func TestCommandPassesOnlyWhenEveryAskedRowPasses(t *testing.T) {
	g := NewWithT(t)
	stdout, err := ask(t, "--rows", "J11")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(stdout).To(ContainSubstring("pass  J11 "))

	stdout, err = ask(t, "--rows", "J11,A1,A7/arp-nd")
	g.Expect(err).To(MatchError(conformance.ErrNotPassed))
	g.Expect(err).To(MatchError("not every asked row passes: A1 (none), A7/arp-nd (none)"))
	g.Expect(stdout).To(ContainSubstring("missing: v4/icmp/two-hosts/same-subnet/direct/over-v4/testrun/deliver\n"))
	g.Expect(stdout).To(HaveSuffix("\n3 rows: 1 pass, 0 fail, 2 none\n"))
}

func TestCommandShowsAllRowsWhenNoneIsAsked(t *testing.T) {
	g := NewWithT(t)
	stdout, err := ask(t, "-o", "json")
	g.Expect(err).To(MatchError(conformance.ErrNotPassed))
	g.Expect(err).To(MatchError(Not(ContainSubstring("D2 "))), "what is not claimed is not asked for")
	var table conformance.Table
	g.Expect(json.Unmarshal([]byte(stdout), &table)).To(Succeed())
	g.Expect(table.Rows).To(HaveLen(128))
	for _, row := range table.Rows {
		if row.ID == "A7" {
			g.Expect(row.Parts).To(Equal(map[string]conformance.Status{"arp-nd": "none", "unreachable": "none"}))
		}
	}
}

func TestCommandRefusesBadFlags(t *testing.T) {
	for _, wrong := range []struct{ flag, value, says string }{
		{"--rows", "A1,Q7", `--rows: got ["Q7"], want IDs of ACCEPTANCE such as A1, or parts such as A7/arp-nd`},
		{"--wire", "rope", `--wire: got "rope", want testrun, veth or both`},
		{"--output", "xml", `--output: got "xml", want text or json`},
	} {
		_, err := ask(t, wrong.flag, wrong.value)
		NewWithT(t).Expect(err).To(MatchError(wrong.says))
		NewWithT(t).Expect(err).NotTo(MatchError(conformance.ErrNotPassed))
	}
}
