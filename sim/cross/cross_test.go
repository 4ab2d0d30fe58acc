// SPDX-License-Identifier: Apache-2.0

package cross

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/state"
)

// One pair that passes where it must not, or does not pass where it must, is named.
func TestOnePairAmongThousandsIsFound(t *testing.T) {
	g := NewWithT(t)
	d, err := dataplane.Load(dataplane.Options{TokenSecret: 1})
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	defer d.Close()
	// Rules are those of the table, by number; the first host is the only one.
	ranges := func(hosts []state.Host, of int) []state.PortRange {
		for _, c := range hosts[0].Policy.Classes {
			if c.Ranges[0].First == uint16(firstPort+of) {
				return c.Ranges
			}
		}
		t.Fatalf("no class has port %d first", firstPort+of)
		return nil
	}
	for wrong, change := range map[string]func([]state.Host){
		"": AsCompiled,
		"rule 20 to the port of rule 21: delivered is true":  func(h []state.Host) { ranges(h, 20)[0].Last++ },
		"rule 30 to the port of rule 30: delivered is false": func(h []state.Host) { ranges(h, 30)[0].Verdict = state.Deny },
		"x/p0 ingress[5] has counted 0 packets":              func(h []state.Host) { ranges(h, 5)[0].Rule = "x/p0 ingress[6]" },
	} {
		got, err := Table{1, 33}.prove(d, 6, change)
		g.Expect(err).NotTo(HaveOccurred())
		if wrong == "" {
			g.Expect(got).To(BeEmpty())
		}
		g.Expect(got).To(ContainSubstring(wrong))
	}
}
