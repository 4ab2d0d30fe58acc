// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"context"
	"net"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/attached"
	"github.com/mizar-net/mizar/dataplane/clock"
	"github.com/mizar-net/mizar/dataplane/flow"
	"github.com/mizar-net/mizar/dataplane/flow/collector"
	"github.com/mizar-net/mizar/dataplane/names"
	"github.com/mizar-net/mizar/sim/lab"
	"github.com/mizar-net/mizar/topology/netns"
)

// ahead is a clock that is ahead of the kernel's.
type ahead time.Duration

func (a ahead) Now() (time.Duration, error) {
	now, err := clock.Kernel{}.Now()
	return now + time.Duration(a), err
}

// openings is how many flows open at the hosts of a lab, by host.
func openings(g Gomega, name string) map[string]int {
	all, err := attached.Find()
	g.Expect(err).NotTo(HaveOccurred())
	defer attached.CloseAll(all)
	by := map[string]int{}
	for _, d := range all {
		n, err := names.Read(names.Dir, d.ID)
		g.Expect(err).NotTo(HaveOccurred())
		if n.Network != name {
			continue
		}
		rows, err := d.Tables.Openings.All()
		g.Expect(err).NotTo(HaveOccurred())
		by[n.Host] = len(rows)
		g.Expect(d.Namespace).To(Equal("mizar-" + name + "-host:" + n.Host))
		g.Expect(d.Devices).To(ContainElement(netns.UplinkDevice))
	}
	return by
}

// Flows of a lab end when somebody tends it, and not before.
func TestTendEndsFlows(t *testing.T) {
	g := NewWithT(t)
	name := up(t)
	var socket net.Conn
	g.Expect(netns.Enter(name, "a1", func() (err error) { socket, err = net.Dial("udp", "10.0.0.3:9"); return err })).To(Succeed())
	defer socket.Close()
	_, err := socket.Write([]byte("hello"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Eventually(func() map[string]int { return openings(g, name) }).Should(Equal(map[string]int{"h1": 1, "h2": 1}))

	tend := func(c clock.Clock) map[string]collector.Pass {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		passes := map[string]collector.Pass{}
		g.Expect(lab.Tend(ctx, name, lab.Tending{Clock: c, Report: func(host string, p collector.Pass) {
			passes[host] = p
			if len(passes) == 2 {
				cancel()
			}
		}})).To(Succeed())
		return passes
	}
	none := And(HaveField("Collected.Openings", flow.Count{Left: 1}), HaveField("WasTended", true))
	g.Expect(tend(nil)).To(And(HaveKeyWithValue("h1", none), HaveKeyWithValue("h2", none)))
	gone := HaveField("Collected.Openings", flow.Count{Removed: 1})
	g.Expect(tend(ahead(flow.Opening + time.Second))).To(And(HaveKeyWithValue("h1", gone), HaveKeyWithValue("h2", gone)))
	g.Expect(openings(g, name)).To(Equal(map[string]int{"h1": 0, "h2": 0}))
	// h2 has learned where the packet came from.
	g.Expect(tend(ahead(dataplane.PathAge + time.Minute))).To(HaveKeyWithValue("h2", HaveField("Paths", 1)))
	g.Expect(tend(ahead(dataplane.PathAge + time.Minute))).To(HaveKeyWithValue("h2", HaveField("Paths", 0)))
}

func TestTendEndsWithTheLab(t *testing.T) {
	g := NewWithT(t)
	name := up(t)
	down := false
	err := lab.Tend(t.Context(), name, lab.Tending{Every: time.Millisecond, Report: func(string, collector.Pass) {
		if !down {
			down = true
			g.Expect(lab.Down(name)).To(Succeed())
		}
	}})
	g.Expect(err).To(MatchError(ContainSubstring("is not up any more")))
	g.Expect(lab.Tend(t.Context(), name, lab.Tending{})).To(MatchError(ContainSubstring("it is not up")))
}
