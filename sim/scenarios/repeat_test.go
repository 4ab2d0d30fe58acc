// SPDX-License-Identifier: Apache-2.0

package scenarios_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/sim/oracle"
	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/scenarios"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// play runs a scenario on the testrun wire and returns every frame of the underlay
// with its time, and the result without real time.
func play(t *testing.T, pool *testrun.Pool, name string, seed int) (frames, result string) {
	t.Helper()
	g := NewWithT(t)
	s, err := scenarios.Load(name)
	g.Expect(err).NotTo(HaveOccurred())
	if seed != 0 {
		s.Seed = seed
	}
	var seen strings.Builder
	r, err := run.Run(t.Context(), s, run.Config{
		Wires: []run.Factory{{Name: "testrun", Open: func(context.Context) (wire.Wire, error) {
			w := testrun.New(pool.Make)
			w.Watch(func(at time.Duration, from string, frame []byte) { fmt.Fprintf(&seen, "%v %s %x\n", at, from, frame) })
			return w, nil
		}}},
		Oracle:  func() run.Oracle { return oracle.New() },
		Compile: compile.View.Hosts,
	})
	g.Expect(err).NotTo(HaveOccurred())
	r.Elapsed = 0
	for v := range r.Runs {
		for i := range r.Runs[v].Steps {
			r.Runs[v].Steps[i].Elapsed = 0
		}
	}
	b, err := json.Marshal(r)
	g.Expect(err).NotTo(HaveOccurred())
	return seen.String(), string(b)
}

// The same scenario gives the same frames at the same times, byte by byte.
func TestTimeIsRepeatable(t *testing.T) {
	var pool testrun.Pool
	defer pool.Close()
	for _, name := range []string{"faults", "moves", "clocks"} {
		g := NewWithT(t)
		frames, result := play(t, &pool, name, 0)
		again, same := play(t, &pool, name, 0)
		g.Expect(strings.Count(frames, "\n")).To(BeNumerically(">", 20), name)
		g.Expect(frames == again).To(BeTrue(), "%s: the frames of two runs differ", name)
		g.Expect(same).To(Equal(result), name)
		g.Expect(result).To(HavePrefix(`{"scenario":"` + name))
		g.Expect(result).To(ContainSubstring(`"status":"pass"`))
	}
	g := NewWithT(t)
	frames, _ := play(t, &pool, "faults", 0)
	other, _ := play(t, &pool, "faults", 12345)
	g.Expect(frames == other).To(BeFalse(), "another seed loses other packets")
}
