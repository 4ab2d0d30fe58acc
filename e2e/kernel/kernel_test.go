//go:build kernel

// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
)

// TestAnotherKernel boots the machines once and shows all on them.
func TestAnotherKernel(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), whole)
	defer cancel()
	m := boot(ctx, t, NewWithT(t))
	defer m.end(t)
	t.Run("each by itself", func(t *testing.T) {
		for name, show := range map[string]func(t *testing.T){
			// Programs for the tour in memory record what they do: that is more than the
			// verifier of this kernel takes.
			"features":                    func(t *testing.T) { m.features(ctx, t) },
			"the tour between namespaces": func(t *testing.T) { m.tour(ctx, t, "h2", "veth") },
		} {
			t.Run(name, func(t *testing.T) { t.Parallel(); show(t) })
		}
	})
	t.Run("overlay between machines", func(t *testing.T) { m.overlay(ctx, t) })
	t.Run("foreign stack", func(t *testing.T) { m.abroad(ctx, t) })
}
