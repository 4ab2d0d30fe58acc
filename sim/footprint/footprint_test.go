// SPDX-License-Identifier: Apache-2.0

package footprint_test

import (
	"errors"
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/sim/crowd"
	"github.com/mizar-net/mizar/sim/footprint"
)

func statuses(lines []footprint.Line) map[string]footprint.Status {
	all := map[string]footprint.Status{}
	for _, l := range lines {
		all[l.Name] = l.Status
	}
	return all
}

// made weighs little: 1 KB for each of up to eight endpoints, two of which are there, 100 B for a row of the
// directory.
func made() footprint.Weights {
	return footprint.Weights{
		Crowd: crowd.Crowd{Endpoints: 2, Directory: 10},
		Maps: []footprint.Map{
			{Name: "directory", Most: 100, Rows: 10, Empty: 2000, Full: 2800},
			{Name: "endpoints", Most: 8, Rows: 4, Empty: 2000, Full: 2000},
			{Name: "locals", Most: 8, Rows: 8, Empty: 800, Full: 2100},
			{Name: "ports", Most: 8, Rows: 4, Empty: 1000, Full: 1000},
			{Name: "flows", Most: 131_072, Empty: 1_310_720, Full: 1_310_720},
			{Name: "policy_peers", Most: 100, Rows: 10, Empty: 0, Full: 800},
		},
	}
}

func TestLinesAreSumsOfTheMaps(t *testing.T) {
	g := NewWithT(t)
	lines := footprint.Judge(made())
	bytes := map[string]float64{}
	for _, l := range lines {
		bytes[l.Name] = l.Bytes
	}
	g.Expect(bytes).To(HaveKeyWithValue("memlock-host", 1_316_520.0))
	g.Expect(bytes).To(HaveKeyWithValue("memlock-endpoint-own", 1125.0), "an eighth of 2000, 800 and 1000, and half of 1300")
	g.Expect(bytes).To(HaveKeyWithValue("memlock-endpoint-bouncer", 200.0), "80 for itself, 20 of the empty map, twice")
	g.Expect(bytes).To(HaveKeyWithValue("memlock-endpoint", 2725.0))
	g.Expect(statuses(lines)).To(Equal(map[string]footprint.Status{
		"memlock-host": "pass", "memlock-endpoint-own": "pass", "memlock-endpoint-bouncer": "pass", "memlock-endpoint": "pass",
		"memlock-policy-row": "pass", "memlock-flow": "pass", "flows-by-default": "pass",
	}))
}

func TestWhatWeighsTooMuchOrNothingIsAMiss(t *testing.T) {
	for name, c := range map[string]struct {
		plant  func(*footprint.Weights)
		misses []string
	}{
		"a map of another concern": {
			func(w *footprint.Weights) { w.Maps = append(w.Maps, footprint.Map{Name: "paths", Empty: 64_000_000}) },
			[]string{"memlock-host"},
		},
		"ports":     {func(w *footprint.Weights) { w.Maps[3].Empty, w.Maps[3].Full = 32_000, 32_000 }, []string{"memlock-endpoint-own", "memlock-endpoint"}},
		"directory": {func(w *footprint.Weights) { w.Maps[0].Full = 7000 }, []string{"memlock-endpoint"}},
		"no directory": {
			func(w *footprint.Weights) { w.Maps = w.Maps[1:] }, []string{"memlock-endpoint-bouncer"},
		},
	} {
		g := NewWithT(t)
		w := made()
		c.plant(&w)
		for line, status := range statuses(footprint.Judge(w)) {
			missed := status == footprint.Miss
			g.Expect(missed).To(Equal(slices.Contains(c.misses, line)), "%s: %s", name, line)
		}
	}
}

// Counters are there for each CPU: a host is judged as one of two, wherever it is weighed.
func TestHostOfManyCPUsIsJudgedAsOneOfTwo(t *testing.T) {
	g := NewWithT(t)
	for _, cpus := range []int{1, 2, 128} {
		w := made()
		w.CPUs = cpus
		w.Maps = append(w.Maps, footprint.Map{Name: "rules", Most: 1000, Empty: 8000 + 16_000*uint64(cpus), EachCPU: 16_000})
		l := footprint.Judge(w)[0]
		g.Expect(l.Bytes).To(Equal(1_316_520.0+40_000), "%d CPUs", cpus)
		g.Expect(l.What).To(Equal("a host of 2 CPUs, all maps at their default sizes (each further CPU: 0.0 MB)"))
	}
}

// TestHostIsWithinTheLimits is row I6, so far as it is there.
func TestHostIsWithinTheLimits(t *testing.T) {
	g := NewWithT(t)
	w, err := footprint.Measure(footprint.Typical)
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	empty, full := w.Total()
	for _, m := range w.Maps {
		g.Expect(m.Full).To(BeNumerically(">", 0), "%s", m.Name)
		t.Logf("%-12s %8d of %8d rows: %9d bytes empty, %9d now", m.Name, m.Rows, m.Most, m.Empty, m.Full)
	}
	t.Logf("%d bytes empty, %d now", empty, full)
	for _, l := range footprint.Judge(w) {
		t.Logf("%-14s %10.0f of %10.0f bytes: %s", l.Status, l.Bytes, l.Limit, l.What)
		g.Expect(l.Status).NotTo(Equal(footprint.Miss), "%s", l.What)
	}
}

func TestEvidenceSaysWhatIsTooMuch(t *testing.T) {
	g := NewWithT(t)
	heavy := func(crowd.Crowd) (footprint.Weights, error) {
		w := made()
		w.Maps[0].Empty, w.Maps[0].Full, w.Maps[0].Most = 65_000_000, 65_000_800, 1<<20
		return w, nil
	}
	all := footprint.Prove(heavy)
	g.Expect(all).To(HaveLen(7))
	g.Expect(all[0].Failure).To(ContainSubstring("want at most 64000000"))
	g.Expect(all[1].Failure).To(BeEmpty())
	broken := footprint.Prove(func(crowd.Crowd) (footprint.Weights, error) { return footprint.Weights{}, errors.New("no root") })
	g.Expect(broken).To(HaveExactElements(HaveField("Failure", "the harness: no root")))
}
