// SPDX-License-Identifier: Apache-2.0

package property

import (
	"context"
	"fmt"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/sim/oracle"
	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/wire"
)

// Open opens the testrun wire, or one like it.
type Open func(context.Context) (wire.Wire, error)

// config is that of the runs of cases.
func config(open Open) run.Config {
	return run.Config{
		Wires:   []run.Factory{{Name: "testrun", Open: open}},
		Oracle:  func() run.Oracle { return oracle.New() },
		Compile: compile.View.Hosts,
	}
}

// Trial draws cases, and holds what programs do with packets to what the oracle says of
// the objects alone: who is reached, by which way, and by the name of which rule.
type Trial struct {
	config run.Config
	// Keep is given the text of every case that fails; nil: nobody is. The smallest
	// is the last one.
	Keep func(text string)
	// Cases are how many were drawn, Met the conversations by what became of their
	// first packet: "drop policy_egress", "service deliver ".
	Cases int
	Met   map[string]int
}

// NewTrial returns one on wires that open opens.
func NewTrial(open Open) *Trial { return &Trial{config: config(open), Met: map[string]int{}} }

// Case draws one and says where the programs disagree with the oracle, and in what; or
// nothing.
func (r *Trial) Case(ctx context.Context, t Dice) string {
	text := drawing(t).String()
	r.Cases++
	wrong := r.Run(ctx, text)
	if wrong == "" {
		return ""
	}
	if r.Keep != nil {
		r.Keep(text)
	}
	return wrong + "\n" + text
}

// Run runs the text of a case and says what is wrong, or nothing.
func (r *Trial) Run(ctx context.Context, text string) string {
	s, err := decode(text)
	if err != nil {
		return err.Error()
	}
	result, err := run.Run(ctx, s, r.config)
	if err != nil {
		return err.Error()
	}
	for _, v := range result.Runs {
		for _, step := range v.Steps {
			for _, c := range step.Checks {
				r.meet(c.Cell)
				if len(c.Failures) > 0 {
					return fmt.Sprintf("line %d, %s: %v", step.Line, c.Name, c.Failures)
				}
			}
		}
	}
	return ""
}

// meet counts what became of a conversation; those with frontends by themselves.
func (r *Trial) meet(c run.Cell) {
	outcome := c.Verdict + " " + c.Reason
	if c.Path == "service" {
		outcome = "service " + outcome
	}
	r.Met[outcome]++
}

// fails says whether a text is a scenario in which something is wrong.
func (r *Trial) fails(ctx context.Context, text string) bool {
	s, err := decode(text)
	if err != nil {
		return false
	}
	result, err := run.Run(ctx, s, r.config)
	return err == nil && result.Status == run.Fail
}
