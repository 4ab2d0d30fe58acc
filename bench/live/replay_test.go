// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bench/machine"
	"github.com/mizar-net/mizar/bench/suite"
	"github.com/mizar-net/mizar/bench/traffic"
	"github.com/mizar-net/mizar/sim/capture"
)

var short = suite.Plan{Loads: 1, Rounds: 1, Sample: time.Millisecond}

// TestShippedCapturesArrive holds what arrives to the comments of the captures,
// which say what an endpoint may send.
func TestShippedCapturesArrive(t *testing.T) {
	cpu, err := machine.LastCPU()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for _, s := range traffic.All() {
		g := NewWithT(t)
		c, err := traffic.Load(s.Name)
		g.Expect(err).NotTo(HaveOccurred())
		sent := 0
		for _, p := range c.Packets {
			if p.Comment == "send" {
				sent++
			}
		}
		share := float64(sent) / float64(len(c.Packets))
		f, err := Replay(context.Background(), c, cpu, short)
		g.Expect(err).NotTo(HaveOccurred(), "root is needed")
		g.Expect(f.Share.Expected).To(BeNumerically("~", share, 1e-9), s.Name)
		g.Expect(f.Delivered()).To(BeNumerically("~", share, 0.02), s.Name)
		g.Expect(f.Loads[0].Wrapper.Median).To(BeNumerically(">", 0), "%s: the generator alone", s.Name)
	}
}

// meters is a capture in a rig with the programs.
func meters(t *testing.T, to func(int) capture.Endpoint) *replayer {
	t.Helper()
	g := NewWithT(t)
	c, err := traffic.Load("short")
	g.Expect(err).NotTo(HaveOccurred())
	w, err := traffic.Sent(c, traffic.Roles{From: role(0), To: to, Gateway: gateway})
	g.Expect(err).NotTo(HaveOccurred())
	r, err := newReplayer(context.Background(), "programs", w.Frames, (*replayer).network)
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	t.Cleanup(func() { g.Expect(r.close()).To(Succeed()) })
	return r
}

// TestFramesToNobodyDoNotArrive rewrites a capture onto an address that nobody
// has.
func TestFramesToNobodyDoNotArrive(t *testing.T) {
	g := NewWithT(t)
	r := meters(t, func(int) capture.Endpoint { return role(7) })
	g.Expect(r.expected()).To(BeZero())
	cpu, err := machine.LastCPU()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.take(cpu, short)).To(Succeed())
	g.Expect(r.delivered).To(BeZero())
}

// TestSinkMustAgreeWithThePrograms plants a frame that has to be dropped and is
// not, and one that arrives with another length.
func TestSinkMustAgreeWithThePrograms(t *testing.T) {
	g := NewWithT(t)
	r := meters(t, func(int) capture.Endpoint { return role(1) })
	cpu, err := machine.LastCPU()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.take(cpu, short)).To(Succeed())
	length := r.arriving[0]
	for _, planted := range []int{0, length - 1} {
		r.arriving[0] = planted
		g.Expect(r.take(cpu, short)).To(MatchError(ContainSubstring("programs and sink disagree")))
	}
}
