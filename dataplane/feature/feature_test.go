// SPDX-License-Identifier: Apache-2.0

package feature_test

import (
	"errors"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/feature"
)

func TestRunningKernelHasAllItMust(t *testing.T) {
	g := NewWithT(t)
	r, err := feature.Running(t.Context(), dataplane.Live, dataplane.Simulated)
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	g.Expect(r.Lacks()).To(BeEmpty())
	for _, name := range []string{
		"map LRUHash", "map LPMTrie", "helper KtimeGetCoarseNs of XDP", "helper TailCall of XDP", "helper SkbAdjustRoom of SchedCLS",
		feature.TCX, feature.Native, feature.Jumbo,
	} {
		f, err := r.Find(name)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(f.For).NotTo(BeEmpty(), name)
	}
	f, err := r.Find("program endpoint, live")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(f.Detail).To(MatchRegexp(`^\d{5,6} instructions walked$`))
}

func TestTableNamesWhatIsMissing(t *testing.T) {
	g := NewWithT(t)
	old := feature.Report{Kernel: "6.1", Features: []feature.Feature{
		{Name: feature.TCX, For: "form: tcx", Since: "6.6", Need: feature.May, Missing: "no such hook"},
		{Name: "map Hash", For: "locals", Need: feature.Must, Missing: "operation not permitted"},
	}}
	fresh := feature.Report{Kernel: "6.18", Features: []feature.Feature{
		{Name: feature.TCX, Since: "6.6", Need: feature.May},
		{Name: "program uplink, live", For: "uplink", Need: feature.Must, Detail: "12 instructions walked"},
	}}
	g.Expect(old.Lacks()).To(HaveExactElements(HaveField("Name", "map Hash")), "what may be missing does not count")
	g.Expect(fresh.Lacks()).To(BeEmpty())
	_, err := fresh.Find("map Hash")
	g.Expect(err).To(MatchError(ContainSubstring("6.18")))

	var out strings.Builder
	g.Expect(feature.Write(&out, old, fresh)).To(Succeed())
	var lines []string
	for line := range strings.Lines(out.String()) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	g.Expect(lines).To(Equal([]string{
		"FEATURE NEED SINCE KERNEL 6.1 KERNEL 6.18 FOR",
		"TCX hook may 6.6 MISSING: no such hook yes form: tcx",
		"map Hash must - MISSING: operation not permitted - locals",
		"program uplink, live must - - yes, 12 instructions walked uplink",
	}))
	g.Expect(feature.Write(broken{}, old)).To(MatchError(errBroken))
}

var errBroken = errors.New("broken")

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }
