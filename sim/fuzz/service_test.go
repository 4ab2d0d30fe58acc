// SPDX-License-Identifier: Apache-2.0

package fuzz

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bpf"
)

// The seeds reach what the host does for services, inside and outside.
func TestSeedsReachServices(t *testing.T) {
	g := NewWithT(t)
	b := benchOf(t, None)
	was := b.verdicts[bpf.RowVerdictVERDICT_SERVE.String()]
	reasons := []bpf.RowDropReason{
		bpf.RowDropReasonDROP_NO_BACKEND, bpf.RowDropReasonDROP_NO_SERVICE, bpf.RowDropReasonDROP_FRAGMENT_UNKNOWN,
		bpf.RowDropReasonDROP_FLOW_TAKEN, bpf.RowDropReasonDROP_TTL,
	}
	before := map[bpf.RowDropReason]uint64{}
	for _, r := range reasons {
		before[r] = b.drops[r.String()]
	}
	for _, s := range EndpointSeeds() {
		try(t, endpointCase(0, s), (*Bench).Endpoint)
	}
	for _, s := range UplinkSeeds() {
		try(t, uplinkCase(0, s), (*Bench).Uplink)
	}
	g.Expect(b.verdicts[bpf.RowVerdictVERDICT_SERVE.String()]).To(BeNumerically(">", was+10))
	for _, r := range reasons {
		g.Expect(b.drops[r.String()]).To(BeNumerically(">", before[r]), r.String())
	}
}
