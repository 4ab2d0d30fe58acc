// SPDX-License-Identifier: Apache-2.0

package load

import (
	"testing"

	. "github.com/onsi/gomega"
)

// TestEverythingIsDoneAsOftenAsAsked and each step writes what it says, or
// Measure fails.
func TestEverythingIsDoneAsOftenAsAsked(t *testing.T) {
	g := NewWithT(t)
	figures, err := Measure(t.Context(), Plan{Loads: 2, Most: 1000})
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	rows := map[string]int{}
	for _, f := range figures {
		times := 2
		if f.Name == "load" {
			times *= 4 // once a host: three sizes of endpoints, one of the directory
		}
		g.Expect(f.Seconds).To(HaveLen(times), f.Name)
		g.Expect(f.Seconds).To(HaveEach(BeNumerically(">", 0)), f.Name)
		rows[f.Name] = f.Rows
	}
	g.Expect(rows).To(HaveLen(1 + 3*4))
	g.Expect(rows["apply/directory/1000"]).To(BeNumerically(">", 1000))
	g.Expect(rows["change/directory/1000"]).To(Equal(1))
	g.Expect(rows["again/endpoints/4095"]).To(Equal(0))
	g.Expect(rows["apply/endpoints/4095"]).To(BeNumerically(">=", 4*4095), "endpoints, two locals and a port each")
}

func TestStepsThatWriteSomethingElseAreRefused(t *testing.T) {
	g := NewWithT(t)
	g.Expect(expected("apply", 0)).NotTo(Succeed())
	g.Expect(expected("again", 1)).NotTo(Succeed())
	g.Expect(expected("change", 2)).NotTo(Succeed())
	g.Expect(expected("change", 1)).To(Succeed())
}

func TestRate(t *testing.T) {
	f := Figure{Rows: 100, Seconds: []float64{1, 2, 9}}
	NewWithT(t).Expect(f.Rate()).To(Equal(50.0))
}
