// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestOffloadIsRefusedWhereThereIsNone(t *testing.T) {
	g := NewWithT(t)
	refusal, wrong := RefusesOffload(t.Context())
	g.Expect(wrong).NotTo(HaveOccurred())
	g.Expect(refusal).To(MatchError(And(ContainSubstring("uplink's program of host h1"), ContainSubstring("XDP mode offload"),
		ContainSubstring("native, generic or auto would do"))))
}
