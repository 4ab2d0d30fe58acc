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
	t.Run("features", func(t *testing.T) { m.features(ctx, t) })
	t.Run("overlay between machines", func(t *testing.T) { m.overlay(ctx, t) })
	t.Run("foreign stack", func(t *testing.T) { m.abroad(ctx, t) })
}
