// SPDX-License-Identifier: Apache-2.0

package scenarios_test

import (
	"context"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/oracle"
	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/scenarios"
	"github.com/mizar-net/mizar/sim/wire"
)

// echo is a wire that says what the oracle has said last.
type echo struct{ said wire.Outcome }

func (e *echo) Name() string                                              { return "testrun" }
func (e *echo) Apply(context.Context, []state.Host) error                 { return nil }
func (e *echo) Probe(context.Context, wire.Probe) (wire.Outcome, error)   { return e.said, nil }
func (e *echo) Drops(context.Context) (wire.Drops, error)                 { return wire.Drops{}, nil }
func (e *echo) UnderlayFrames(context.Context) (map[string]uint64, error) { return nil, nil }
func (e *echo) Forget(context.Context, ...state.Place) error              { return nil }
func (e *echo) Advance(context.Context, time.Duration) error              { return nil }
func (e *echo) Close() error                                              { return nil }
func (e *echo) Inject(context.Context, wire.Port, [][]byte) ([]wire.Emission, error) {
	return nil, nil
}

// heard is an oracle that an echo listens to.
type heard struct {
	*oracle.Oracle
	by *echo
}

func (h heard) Probe(p wire.Probe) (out wire.Outcome, err error) {
	h.by.said, err = h.Oracle.Probe(p)
	return h.by.said, err
}

// What scenarios of policies expect of probes, the oracle says by itself: it is an
// independent truth, and no program has run.
func TestTheOracleAgreesWithEveryPolicyScenario(t *testing.T) {
	for _, name := range scenarios.Names() {
		if !strings.HasPrefix(name, "policy-") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s, err := scenarios.Load(name)
			g.Expect(err).NotTo(HaveOccurred())
			e := &echo{}
			probes := s.Steps[:0:0]
			for _, step := range s.Steps {
				if step.Probe != nil || step.Table != nil || step.Change != nil || step.Advance != 0 || step.Forget {
					probes = append(probes, step)
				}
			}
			s.Steps = probes
			r, err := run.Run(t.Context(), s, run.Config{
				Wires:   []run.Factory{{Name: e.Name(), Open: func(context.Context) (wire.Wire, error) { return e, nil }}},
				Oracle:  func() run.Oracle { return heard{oracle.New(), e} },
				Compile: compile.View.Hosts,
			})
			g.Expect(err).NotTo(HaveOccurred())
			for _, v := range r.Runs {
				for _, step := range v.Steps {
					for _, c := range step.Checks {
						g.Expect(c.Failures).To(BeEmpty(), "line %d: %s: %s", step.Line, step.Name, c.Name)
					}
				}
			}
		})
	}
}
