// SPDX-License-Identifier: Apache-2.0

package fuzz

import (
	"errors"
	"strings"
	"testing"
)

// TestSpoiledAtEveryOffset: frames cut off at every offset, and with every byte
// of their headers turned over, meet the fate that the oracle says.
func TestSpoiledAtEveryOffset(t *testing.T) {
	for _, e := range Prove(t.Context(), Load) {
		t.Log(e.Test)
		if e.Failure != "" {
			t.Errorf("%s: %s", e.Test, e.Failure)
		}
	}
}

// TestNothingIsShownWithoutPrograms: a harness that cannot load them fails.
func TestNothingIsShownWithoutPrograms(t *testing.T) {
	for _, e := range Prove(t.Context(), func(Role) (*Bench, error) { return nil, errors.New("not today") }) {
		if !strings.Contains(e.Failure, "not today") {
			t.Errorf("%s: failure %q, want the harness's", e.Cell.Proto, e.Failure)
		}
	}
}
