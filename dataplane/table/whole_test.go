// SPDX-License-Identifier: Apache-2.0

package table

import (
	"syscall"
	"testing"

	. "github.com/onsi/gomega"
)

// TestBatchThatDidNotBegin: kernels before 6.6 leave the count as it was given
// when they run out of memory before the first row.
func TestBatchThatDidNotBegin(t *testing.T) {
	g := NewWithT(t)
	g.Expect(whole(9, 9, syscall.ENOMEM)).To(Equal(0))
	g.Expect(whole(0, 9, syscall.ENOMEM)).To(Equal(0))
	g.Expect(whole(3, 9, syscall.ENOMEM)).To(Equal(3))
	g.Expect(whole(9, 9, nil)).To(Equal(9))
}
