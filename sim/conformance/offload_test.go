// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"context"
	"errors"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/sim/conformance"
)

func TestOffloadTakenForGrantedIsAFailure(t *testing.T) {
	g := NewWithT(t)
	taken := func(context.Context) (error, error) { return nil, errors.New("it was taken") }
	g.Expect(conformance.Offload(t.Context(), taken)[0].Failure).To(Equal("it was taken"))
}
