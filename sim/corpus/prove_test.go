// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"errors"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// A surprise on a way, a way that no frame went and a harness that fails must
// not count as passed.
func TestEvidenceCanFail(t *testing.T) {
	g := NewWithT(t)
	r := Report{Found: []Surprise{{Way: "ask", Broken: "a promise"}}}
	r.Rows = []Row{{Way: "ask", Verdict: "ask", Frames: 2}, {Way: "local", Verdict: "deliver", Frames: 3}, {Way: "relay", Verdict: notRun, Frames: 1}}
	all := judge("own", r)
	g.Expect(all).To(HaveLen(2), "nothing went by relay")
	g.Expect(all[0].Failure).To(ContainSubstring("a promise"))
	g.Expect(all[1].Failure).To(BeEmpty())

	broken := func(string) (testrun.Machine, error) { return nil, errors.New("no kernel") }
	all = prove(t.Context(), "own", t.TempDir(), broken)
	g.Expect(all).To(HaveLen(len(Ways())))
	g.Expect(all[0].Failure).To(ContainSubstring("no kernel"))
}
