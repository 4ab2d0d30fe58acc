// SPDX-License-Identifier: Apache-2.0

package kernel_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane/kernel"
)

func TestDifferencesArePrintedOneALine(t *testing.T) {
	g := NewWithT(t)
	all := kernel.Differences()
	seen := map[string]bool{}
	for _, d := range all {
		g.Expect(d).NotTo(Or(HaveField("Feature", ""), HaveField("Native", ""), HaveField("Generic", "")))
		g.Expect(seen).NotTo(HaveKey(d.Feature))
		seen[d.Feature] = true
	}
	var out strings.Builder
	g.Expect(kernel.WriteDifferences(&out)).To(Succeed())
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	g.Expect(lines).To(HaveLen(1 + len(all)))
	g.Expect(lines[0]).To(MatchRegexp(`^FEATURE +NATIVE +GENERIC$`))
	for i, d := range all {
		g.Expect(lines[1+i]).To(And(HavePrefix(d.Feature), ContainSubstring(d.Native), HaveSuffix(d.Generic)))
	}
}
