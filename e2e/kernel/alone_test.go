//go:build kernel

// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"context"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane/feature"
)

// features holds what the machines' kernel can do against what the programs need,
// and prints it beside the kernel that this process runs on.
func (m *machines) features(ctx context.Context, t *testing.T) {
	g := NewWithT(t)
	here, err := feature.Running(ctx)
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	var there feature.Report
	m.call(ctx, g, "ours", "Features", ports["ours"].mac(), &there)
	var table strings.Builder
	g.Expect(feature.Write(&table, there, here)).To(Succeed())
	t.Logf("what kernels can do:\n%s", table.String())

	for _, f := range there.Features {
		if f.Missing != "" {
			t.Logf("%s: %s", f.Name, f.Missing)
		}
	}
	g.Expect(there.Kernel).To(HavePrefix("6.1."), "the oldest kernel that is promised")
	g.Expect(there.Lacks()).To(BeEmpty())
	for name, missing := range map[string]string{
		feature.TCX:                          "TCX needs kernel 6.6 or later",
		feature.Jumbo:                        "",
		"program uplink, live":               "",
		"program endpoint, live":             "",
		"program course, live":               "",
		"program fragment, live":             "",
		"native XDP on virtio_net":           "",
		"native XDP on virtio_net, MTU 9000": "native hook: failed to attach link: create link: invalid argument",
		"helper KtimeGetCoarseNs of XDP":     "",
		"running a program over a frame":     "",
		"map LRUHash":                        "",
	} {
		f, err := there.Find(name)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(f.Missing).To(ContainSubstring(missing), name)
		g.Expect(f.Missing == "").To(Equal(missing == ""), "%s: %q", name, f.Missing)
	}
}
