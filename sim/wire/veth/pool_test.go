// SPDX-License-Identifier: Apache-2.0

package veth_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/veth"
)

// A wire that is closed leaves its programs to the next one, and nothing that they
// have learned or counted.
func TestAPoolHandsOutWhatIsEmpty(t *testing.T) {
	g := NewWithT(t)
	var pool veth.Pool
	t.Cleanup(func() { NewWithT(t).Expect(pool.Close()).To(Succeed()) })
	use := func() (used []*dataplane.Datapath) {
		w, err := pool.Open()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(w.Apply(t.Context(), compile.Hosts(set()))).To(Succeed())
		for _, host := range []string{"h1", "h2", "h3"} {
			d := w.Datapath(host)
			g.Expect(d.Paths()).To(BeEmpty())
			g.Expect(d.Drops()).To(BeEmpty())
			used = append(used, d)
		}
		out, err := w.Probe(t.Context(), wire.Probe{Proto: wire.UDP, From: "default/a1", To: addr("10.0.1.2"), Port: 53, Count: 2})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(out.Requests).To(HaveEach(HaveField("Delivered", true)))
		out, err = w.Probe(t.Context(), wire.Probe{Proto: wire.UDP, From: "default/a1", To: addr("10.0.0.99"), Port: 53, Count: 1, Timeout: 100 * time.Millisecond})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(out.Requests).To(HaveEach(HaveField("Delivered", false)))
		g.Expect(w.Datapath("h1").Paths()).NotTo(BeEmpty())
		g.Expect(w.Datapath("h3").Drops()).To(ContainElement(BeNumerically(">", 0)))
		g.Expect(w.Close()).To(Succeed())
		return used
	}
	g.Expect(use()).To(ConsistOf(use()))
}
