// SPDX-License-Identifier: Apache-2.0

package collector_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/flow"
	"github.com/mizar-net/mizar/dataplane/flow/collector"
	"github.com/mizar-net/mizar/dataplane/table"
)

// bubble is the clock of a test whose time passes only while everybody waits.
type bubble struct{ start time.Time }

func (b bubble) Now() (time.Duration, error) { return time.Hour + time.Since(b.start), nil }

// host is a datapath of Go maps.
type host struct {
	flows, openings table.Memory[bpf.RowFlowKey, bpf.RowFlow]
	shares          table.Memory[uint32, bpf.RowShare]
	// takes is how long each pass takes, fails what the next one ends with.
	takes time.Duration
	fails error
	// at are the times of all passes, tended of those that looked at all maps.
	at, tended []time.Duration
	// finds is what there is to be done each time.
	finds dataplane.Tended
}

func (h *host) Tend(now time.Duration) (dataplane.Tended, error) {
	h.tended = append(h.tended, now-time.Hour)
	return h.finds, nil
}

func (h *host) Collect(ctx context.Context, now time.Duration) (flow.Collected, error) {
	h.at = append(h.at, now-time.Hour)
	time.Sleep(h.takes) // of the bubble: nobody waits
	if err := h.fails; err != nil {
		h.fails = nil
		return flow.Collected{}, err
	}
	return flow.Collect(ctx, flow.Tables{Flows: &h.flows, Openings: &h.openings, Shares: &h.shares}, now)
}

// put enters flows that were seen an hour before the start and so many seconds.
func (h *host) put(g Gomega, first, n int, protocol uint8, state bpf.RowFlowState, seen int) {
	for port := first; port < first+n; port++ {
		key, _ := flow.Key(7, protocol, flow.End{Addr: netip.MustParseAddr("10.0.0.2"), Port: uint16(port)}, flow.End{Addr: netip.MustParseAddr("10.0.0.3"), Port: 80})
		into := &h.flows
		if state == bpf.RowFlowStateFLOW_OPENING {
			into = &h.openings
		}
		g.Expect(into.Put(key, bpf.RowFlow{Seen: uint32(3600 + seen), State: uint8(state)})).To(Succeed())
	}
}

// collect runs a collector of a host for a while, and returns what it reported.
func collect(t *testing.T, d time.Duration, make func(g Gomega) *host) (*host, []collector.Pass) {
	t.Helper()
	var h *host
	var passes []collector.Pass
	synctest.Test(t, func(t *testing.T) {
		h = make(NewWithT(t))
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		c := collector.Collector{Datapath: h, Clock: bubble{time.Now()}, Report: func(p collector.Pass) { passes = append(passes, p) }}
		c.Run(ctx)
		if ctx.Err() == nil {
			t.Error("it has ended by itself")
		}
	})
	return h, passes
}

func seconds(all ...float64) []time.Duration {
	var d []time.Duration
	for _, s := range all {
		d = append(d, time.Duration(s*float64(time.Second)))
	}
	return d
}

func TestFlowsEndWhenTheirTimeIsUp(t *testing.T) {
	g := NewWithT(t)
	_, passes := collect(t, 65*time.Second, func(g Gomega) *host {
		h := &host{}
		h.put(g, 1, 3, 6, bpf.RowFlowStateFLOW_CLOSED, 0)
		h.put(g, 1, 2, 17, bpf.RowFlowStateFLOW_OPENING, 0)
		h.put(g, 10, 4, 6, bpf.RowFlowStateFLOW_ESTABLISHED, 0)
		return h
	})
	removed, openings := []int{}, []int{}
	for _, p := range passes {
		g.Expect(p.Err).NotTo(HaveOccurred())
		removed, openings = append(removed, p.Flows.Removed), append(openings, p.Openings.Removed)
		g.Expect(p.Next).To(Equal(collector.Every))
	}
	g.Expect(removed).To(Equal([]int{0, 0, 3, 0, 0, 0, 0}), "closed flows have 10 s: at 20 s they are gone")
	g.Expect(openings).To(Equal([]int{0, 0, 0, 0, 2, 0, 0}), "openings have 30 s")
	g.Expect(passes[4].String()).To(Equal("removed 0 flows and 2 that were opening in 0s; 4 and 0 are left, the table is 0 % full"))
}

// All maps are looked at once in five minutes, at passes.
func TestMapsAreTendedNowAndThen(t *testing.T) {
	g := NewWithT(t)
	h, passes := collect(t, 11*time.Minute, func(Gomega) *host {
		return &host{finds: dataplane.Tended{Paths: 3, Mended: dataplane.Report{"ports": {Deletes: 1}, "choices": {Puts: 2}}}}
	})
	g.Expect(h.tended).To(Equal(seconds(0, 300, 600)))
	g.Expect(passes[0]).To(And(HaveField("WasTended", true), HaveField("Paths", 3)))
	g.Expect(passes[0].String()).To(HaveSuffix("the table is 0 % full; forgot 3 paths; mended 2 rows of map choices; mended 1 rows of map ports"))
	g.Expect(passes[1]).To(And(HaveField("WasTended", false), HaveField("Paths", 0)))
}

func TestPassesBeginWhenTheyShouldHoweverLongTheyTake(t *testing.T) {
	g := NewWithT(t)
	h, passes := collect(t, 45*time.Second, func(Gomega) *host { return &host{takes: 3 * time.Second} })
	g.Expect(h.at).To(Equal(seconds(0, 10, 20, 30, 40)))
	g.Expect(passes).To(HaveEach(HaveField("Took", 3*time.Second)))
	h, _ = collect(t, 45*time.Second, func(Gomega) *host { return &host{takes: 14 * time.Second} })
	g.Expect(h.at).To(Equal(seconds(0, 14, 28, 42)), "one after the other, and none made up for")
}

func TestAFullTableIsCollectedMoreOften(t *testing.T) {
	for flows, want := range map[int][]time.Duration{
		0: seconds(0, 10, 20), 50: seconds(0, 10, 20), 51: seconds(0, 5, 10, 15, 20), 76: seconds(0, 2.5, 5, 7.5, 10, 12.5, 15, 17.5, 20),
		100: seconds(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20),
	} {
		h, _ := collect(t, 20500*time.Millisecond, func(g Gomega) *host {
			h := &host{}
			h.flows.Capacity = 100
			h.put(g, 1, flows, 6, bpf.RowFlowStateFLOW_ESTABLISHED, 0)
			return h
		})
		NewWithT(t).Expect(h.at).To(Equal(want), "%d of 100 flows", flows)
	}
}

// Once the old flows are gone, there is time again.
func TestItRestsWhenThereIsRoom(t *testing.T) {
	h, _ := collect(t, 35*time.Second, func(g Gomega) *host {
		h := &host{}
		h.flows.Capacity = 100
		h.put(g, 1, 95, 6, bpf.RowFlowStateFLOW_CLOSED, -8)
		return h
	})
	NewWithT(t).Expect(h.at).To(Equal(seconds(0, 1, 2, 3, 13, 23, 33)))
}

func TestAFailureIsToldAndTriedAgain(t *testing.T) {
	g := NewWithT(t)
	broken := errors.New("broken")
	_, passes := collect(t, 15*time.Second, func(Gomega) *host { return &host{fails: broken} })
	g.Expect(passes).To(HaveExactElements(HaveField("Err", broken), HaveField("Err", BeNil())))
	g.Expect(passes[0].String()).To(Equal("failed after 0s: broken"))
}

// A pass that is interrupted is not a failure, and nobody is told of it.
func TestItEndsInTheMiddleOfAPass(t *testing.T) {
	h, passes := collect(t, 5*time.Second, func(g Gomega) *host {
		h := &host{takes: 6 * time.Second}
		h.put(g, 1, 1, 6, bpf.RowFlowStateFLOW_CLOSED, -60)
		return h
	})
	g := NewWithT(t)
	g.Expect(passes).To(BeEmpty())
	g.Expect(h.flows.All()).To(HaveLen(1), "it was not touched")
}
