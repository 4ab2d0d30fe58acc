// SPDX-License-Identifier: Apache-2.0

package service

import (
	"testing"

	. "github.com/onsi/gomega"
)

// The tables of ten thousand services fit 64 MB: a hundred take no more than their share.
func TestTablesAreSmall(t *testing.T) {
	g := NewWithT(t)
	w, err := Weigh(100)
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	g.Expect(w.Rows).To(HaveKeyWithValue("services", 200))
	g.Expect(w.Rows).To(HaveKeyWithValue("backends", 1000))
	g.Expect(w.Rows["choices"]).To(BeNumerically("~", 3200, 10), "rows of zeros are not written")
	g.Expect(w.Bytes["choices"]).To(BeNumerically(">=", 3200*64))
	g.Expect(w.Total()).To(BeNumerically("<=", WeightLimit/100))
}

// A backend that goes and comes back changes the rows of its own service and no other's.
func TestAChangeWritesOneService(t *testing.T) {
	g := NewWithT(t)
	alone, beside := Changed{Backends: 20, Writes: map[string]int{}}, Changed{Backends: 20, Others: 10, Writes: map[string]int{}}
	g.Expect(alone.measure(t.Context(), 2)).To(Succeed(), "root is needed")
	g.Expect(beside.measure(t.Context(), 2)).To(Succeed())
	g.Expect(alone.Total()).To(And(HaveLen(4), HaveEach(BeNumerically(">", 0))))
	g.Expect(alone.Writes).To(And(HaveKeyWithValue("services", 1), HaveKey("choices"), HaveKey("backends"), HaveLen(3)))
	g.Expect(beside.Writes).To(Equal(alone.Writes))
}
