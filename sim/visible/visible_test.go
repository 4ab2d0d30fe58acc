// SPDX-License-Identifier: Apache-2.0

package visible_test

import (
	"context"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/sim/visible"
)

func TestFlowsAreVisible(t *testing.T) {
	g := NewWithT(t)
	for _, e := range visible.Prove(t.Context(), visible.Command) {
		g.Expect(e.Failure).To(BeEmpty(), "%s (root is needed)", e.Test)
		t.Logf("%s: %s", e.Cell, e.Test)
	}
}

// A command that hides what accepted a flow is found out.
func TestWhatIsHiddenIsFound(t *testing.T) {
	found := false
	for _, e := range visible.Prove(t.Context(), func(ctx context.Context, args ...string) (string, error) {
		text, err := visible.Command(ctx, args...)
		return strings.ReplaceAll(text, "x/web ingress[0]", "x/web ingress[1]"), err
	}) {
		found = found || strings.Contains(e.Failure, "what accepted it: want x/web ingress[0], got x/web ingress[1]")
	}
	NewWithT(t).Expect(found).To(BeTrue())
}
