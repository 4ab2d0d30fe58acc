// SPDX-License-Identifier: Apache-2.0

package property_test

import (
	"context"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/sim/fault"
	"github.com/mizar-net/mizar/sim/property"
	"github.com/mizar-net/mizar/sim/wire"
)

// withoutPolicy opens wires on which no policy counts.
func withoutPolicy(t *testing.T) property.Open {
	sound := open(t)
	for _, f := range fault.All() {
		if f.Name == "no-policy" {
			return func(ctx context.Context) (wire.Wire, error) {
				w, err := sound(ctx)
				return f.Plant(w), err
			}
		}
	}
	t.Fatal("there is no such fault")
	return nil
}

// A search draws the same cases every time, and what it finds has nothing in it that
// could be left out: here two endpoints, a policy that says nothing and a conversation.
func TestWhatIsFoundIsSmallAndTheSameEveryTime(t *testing.T) {
	g := NewWithT(t)
	broken := withoutPolicy(t)
	first, err := property.Search{Cases: 50, Seed: 7}.Run(t.Context(), broken)
	g.Expect(err).NotTo(HaveOccurred())
	again, err := property.Search{Cases: 50, Seed: 7}.Run(t.Context(), broken)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again).To(Equal(first))
	g.Expect(first.Wrong).To(ContainSubstring("the oracle wants dropped"))
	_, items, _ := strings.Cut(first.Text, "objects:\n")
	g.Expect(strings.Split(strings.TrimSpace(items), "\n")).To(HaveLen(2+1+1+1), "%s", items)

	trial := property.NewTrial(broken)
	g.Expect(trial.Minimal(t.Context(), first.Text)).To(Equal(first.Text))
	g.Expect(trial.Run(t.Context(), first.Text)).To(Equal(first.Wrong))
}

// Who stops a search gets no finding.
func TestAStoppedSearchFindsNothing(t *testing.T) {
	g := NewWithT(t)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	found, err := property.Search{Cases: 50}.Run(ctx, withoutPolicy(t))
	g.Expect(err).To(MatchError(context.Canceled))
	g.Expect(found.Text).To(BeEmpty())
}
