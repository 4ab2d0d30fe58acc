// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/flow"
)

// Agents end flows without being asked to, unless they do not run.
func TestAgentsEndFlows(t *testing.T) {
	g := NewWithT(t)
	d, err := loadOne()
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	defer d.Close()
	old := flow.Row{Key: bpf.RowFlowKey{}.OfVPC(0, 6), Settled: true, Row: bpf.RowFlow{State: uint8(bpf.RowFlowStateFLOW_CLOSED)}}
	g.Expect(d.ImportFlows([]flow.Row{old})).To(Equal(1))
	left := func() int {
		flows, _, err := d.Flows()
		g.Expect(err).NotTo(HaveOccurred())
		return len(flows)
	}
	behind := &agent{path: d}
	behind.behind.Store(true)
	g.Expect(behind.Collect(t.Context(), 1<<62)).To(Equal(flow.Collected{}))
	g.Expect(left()).To(Equal(1))
	a := newAgent(d)
	g.Eventually(left).Should(BeZero())
	g.Expect(a.end()).To(Succeed())
}
