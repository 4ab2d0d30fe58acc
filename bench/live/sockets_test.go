// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bench/machine"
	"github.com/mizar-net/mizar/bench/report"
	"github.com/mizar-net/mizar/bench/suite"
)

// shortly is one short sample of each.
var shortly = suite.Plan{Loads: 1, Rounds: 1, Sample: 2 * time.Millisecond}

func lastCPU(t *testing.T) int {
	t.Helper()
	cpu, err := machine.LastCPU()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return cpu
}

func oneCPU(t *testing.T) CPUs {
	cpu := lastCPU(t)
	return CPUs{Sender: cpu, Receiver: cpu}
}

func TestEndpointsAskAndAnswer(t *testing.T) {
	g := NewWithT(t)
	figures, omitted, err := RunSockets(context.Background(), suite.Filter{Names: []string{"tcp-rr"}, Families: []int{4, 6}}, oneCPU(t), shortly)
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	g.Expect(omitted).To(BeEmpty())
	profiles := len(rrProfiles())
	g.Expect(figures).To(HaveLen(2 * 3 * 3 * profiles))
	for _, f := range figures {
		g.Expect(f.Net().Median).To(BeNumerically(">", 0), f.ID())
		g.Expect(f.FloorCost()).To(BeNumerically(">", 0), f.ID())
		g.Expect(f.Devices).To(HaveLen(6), f.ID())
	}
	byName := map[string]report.Figure{}
	for _, f := range figures {
		byName[f.ID()] = f
	}
	for _, connections := range []int{1, 10, 40} {
		of := func(value string) float64 {
			return byName[fmt.Sprintf("sockets/tcp-rr/%s/xdp/v6/%d", value, connections)].Net().Median
		}
		g.Expect(of("p99")).To(BeNumerically(">=", of("p50")), "%d connections", connections)
		g.Expect(of("rate")*of("p50")/1e6).To(BeNumerically("<", 2*connections), "no more are under way than are asked")
	}
}

func TestOneStreamOrALineThatSaysWhyNot(t *testing.T) {
	g := NewWithT(t)
	figures, omitted, err := RunSockets(context.Background(), suite.Filter{Names: []string{"tcp-stream/9000"}, Families: []int{6}}, oneCPU(t), shortly)
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	if iperf3() != nil {
		g.Expect(figures).To(BeEmpty())
		g.Expect(omitted).To(ContainElement(HaveField("Why", ContainSubstring("apt-get install iperf3"))))
		return
	}
	g.Expect(len(figures) + len(omitted)).To(Equal(len(streamProfiles())))
	for _, f := range figures {
		g.Expect(f.Net().Median).To(BeNumerically(">", 0.01), f.ID())
	}
}

// TestToolsThatAreMissingAreNamed looks for tools where there are none.
func TestToolsThatAreMissingAreNamed(t *testing.T) {
	g := NewWithT(t)
	t.Setenv("PATH", t.TempDir())
	all, omitted := bouts(suite.Filter{Families: []int{4, 6}, Only: suite.Targets()})
	g.Expect(all).To(BeEmpty())
	g.Expect(omitted).To(ConsistOf(And(HaveField("Cases", "tcp-stream/1500"), HaveField("Why", ContainSubstring("apt-get install iperf3")))))

	_, omitted = jobs(suite.Filter{Families: []int{4, 6}})
	g.Expect(omitted).To(ConsistOf(And(HaveField("Cases", "two-hosts/netfilter"), HaveField("Why", ContainSubstring("apt-get install nftables")))))
}

// TestNothingStaysOfARunThatIsInterrupted cancels in the middle.
func TestNothingStaysOfARunThatIsInterrupted(t *testing.T) {
	g := NewWithT(t)
	ctx, cancel := context.WithCancel(context.Background())
	plan := shortly
	plan.Rounds, plan.Progress = 40, func(int, int) { cancel() }
	names := []string{"tcp-stream/1500/xdp", "tcp-rr"}
	_, _, err := RunSockets(ctx, suite.Filter{Names: names, Families: []int{4}}, oneCPU(t), plan)
	g.Expect(err).To(MatchError(context.Canceled), "root is needed")
	g.Expect(children(g)).To(BeEmpty())
}

// children are the processes that this one has started.
func children(g Gomega) []string {
	lists, err := filepath.Glob("/proc/self/task/*/children")
	g.Expect(err).NotTo(HaveOccurred())
	var all []string
	for _, list := range lists {
		b, err := os.ReadFile(list)
		if err != nil {
			continue // a thread that has ended
		}
		all = append(all, strings.Fields(string(b))...)
	}
	return all
}

// TestConntrackIsProven holds the check against a rig without rules.
func TestConntrackIsProven(t *testing.T) {
	g := NewWithT(t)
	without, err := newVXLAN(context.Background(), suite.Key{Family: 6, Flows: 1}, stackSink)
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	defer without.close()
	_, err = without.sample(lastCPU(t), 1)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(without.tracked(endpoint(6, 1))).To(MatchError(ContainSubstring("conntrack has no flow to fd00:a::11")))
}

func TestOffloadsThatADeviceDoesNotHaveAreRefused(t *testing.T) {
	g := NewWithT(t)
	r, err := build(context.Background(), underlay{family: 4, mtu: 1500, overhead: 100})
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	defer r.close()
	g.Expect(r.eachHost(func(int) error { return offloads{"teleport": true}.set(wire) })).To(MatchError(ContainSubstring("teleport")))
	g.Expect(r.eachHost(func(int) error { return offloads{segmentation: false, gro: true}.set(wire) })).To(Succeed())
}
