// SPDX-License-Identifier: Apache-2.0

package property

import (
	"context"
	"fmt"
	"math/rand/v2"
)

// seeded are dice that fall the same every time.
type seeded struct{ *rand.Rand }

// Roll is of [Dice].
func (s seeded) Roll(_ string, sides int) int { return s.IntN(sides) }

// drawing is a whole case.
func drawing(t Dice) *Drawn {
	d := Network(t)
	d.Converse(t)
	return d
}

// Search draws cases outside of tests: the same ones every time.
type Search struct {
	// Cases are how many are drawn at most, from the one with the number Seed on.
	Cases, Seed int
}

// Found is what a search has found.
type Found struct {
	// Cases are how many were drawn, Met their conversations by what became of the
	// first packet.
	Cases int
	Met   map[string]int
	// Text is the scenario file of the first case that failed, made as small as it
	// can be; Wrong is what is wrong in it. Empty: none failed.
	Text, Wrong string
}

// Run searches until a case fails on the wires that open opens. The error says that the
// context is done.
func (s Search) Run(ctx context.Context, open Open) (Found, error) {
	trial := NewTrial(open)
	for n := range s.Cases {
		text, wrong := drawing(seeded{rand.New(rand.NewPCG(uint64(s.Seed+n), 0))}).String(), ""
		if ctx.Err() == nil {
			wrong = trial.Run(ctx, text)
		}
		if ctx.Err() != nil {
			return Found{Cases: n, Met: trial.Met}, fmt.Errorf("stopped after %d drawn cases: %w", n, context.Cause(ctx))
		}
		if wrong != "" {
			text = trial.Minimal(ctx, text)
			return Found{Cases: n + 1, Met: trial.Met, Text: text, Wrong: trial.Run(ctx, text)}, ctx.Err()
		}
	}
	return Found{Cases: s.Cases, Met: trial.Met}, nil
}
