// SPDX-License-Identifier: Apache-2.0

package flat

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/sim/steps"
)

// measuredAs are measurements in which all packets execute so many instructions, by the
// number of policies, and rules weigh so much.
func measuredAs(instructions func(Amount) int, bytes func(Amount) float64) map[Amount]Measured {
	all := map[Amount]Measured{}
	for _, a := range axes {
		for _, amount := range a.amounts {
			m := Measured{Counts: map[Packet]steps.Count{}, Bytes: bytes(amount)}
			for _, p := range packets() {
				m.Counts[p] = steps.Count{Instructions: instructions(amount), Lookups: map[string]int{"flows": 1}}
			}
			all[amount] = m
		}
	}
	return all
}

// What grows is no evidence, by one instruction or by more bytes for each rule.
func TestWhatGrowsIsNoEvidence(t *testing.T) {
	g := NewWithT(t)
	same := func(Amount) int { return 500 }
	light := func(a Amount) float64 { return float64(150*a.rules() + 60*a.CIDRs) }
	sound := measuredAs(same, light)
	for _, a := range axes {
		g.Expect(a.evidence(sound)).To(HaveEach(HaveField("Failure", BeEmpty())), a.name)
		g.Expect(a.evidence(map[Amount]Measured{})).To(HaveEach(HaveField("Failure", Not(BeEmpty()))), "nothing measured")
	}
	g.Expect(weight(sound).Failure).To(BeEmpty())
	g.Expect(weight(map[Amount]Measured{}).Failure).NotTo(BeEmpty())

	walks := measuredAs(func(a Amount) int { return 499 + a.Policies }, light)
	g.Expect(axes[0].evidence(walks)).To(HaveEach(HaveField("Failure", ContainSubstring("10499"))))
	g.Expect(axes[1].evidence(walks)).To(HaveEach(HaveField("Failure", BeEmpty())))
	for _, heavy := range []func(Amount) float64{
		func(a Amount) float64 { return float64(600 * a.rules()) },
		func(a Amount) float64 { return float64(a.rules()*a.rules()) / 100 },
		func(a Amount) float64 { return float64(200 * a.CIDRs) },
	} {
		g.Expect(weight(measuredAs(same, heavy)).Failure).NotTo(BeEmpty())
	}
}
