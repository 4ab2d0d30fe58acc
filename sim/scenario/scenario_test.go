// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/sim/golden"
	"github.com/mizar-net/mizar/sim/link"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/wire"
)

var rewrite = flag.Bool("rewrite", false, "write the errors that were read as the wanted ones")

func TestLoadGood(t *testing.T) {
	g := NewWithT(t)
	s, err := scenario.Load(os.DirFS("testdata/good"), "two.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.Name).To(Equal("two"))
	g.Expect(s.Wires).To(Equal([]string{"testrun", "veth"}))
	g.Expect(s.Families).To(Equal([]int{4, 6}))
	g.Expect(s.Objects.Endpoints).To(HaveLen(4))
	g.Expect(s.Objects.Hosts[0].MTU).To(Equal(1500))
	g.Expect(s.Steps).To(HaveLen(7))

	probe := s.Steps[0].Probe
	g.Expect(probe.Protos).To(Equal([]wire.Proto{wire.ICMP, wire.UDP}))
	g.Expect(probe.From).To(Equal("default/red-1"))
	g.Expect(probe.To).To(Equal(scenario.Target{Endpoint: "default/red-2"}))
	g.Expect(probe.Expect.Overhead).To(Equal(map[int]int{4: 58, 6: 78}))
	verdict, ok := s.Steps[1].Table.Cell(0, 0, 1)
	g.Expect(ok).To(BeTrue())
	g.Expect(verdict).To(Equal(scenario.Deliver))
	g.Expect(s.Steps[2].Send.Frames[1].SrcMAC).To(BeEquivalentTo(s.Objects.Endpoints[1].MAC))
	g.Expect(s.Steps[3].Change.Objects.Endpoints).To(HaveLen(3))
	g.Expect(s.Steps[5].Advance).To(Equal(2 * time.Second))
	g.Expect(*s.Steps[6].Assert.UnderlayFrames).To(BeZero())
}

func TestVariantsHaveOneUnderlayFamily(t *testing.T) {
	g := NewWithT(t)
	s, err := scenario.Load(os.DirFS("testdata/good"), "two.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	variants := s.Variants()
	g.Expect(variants).To(HaveLen(2))
	g.Expect(variants[0].Objects.Hosts[0].Addresses[0].Is4()).To(BeTrue())
	g.Expect(variants[1].Objects.Hosts[0].Addresses).To(HaveLen(1))
	g.Expect(variants[1].Objects.Hosts[0].Addresses[0].Is6()).To(BeTrue())
	g.Expect(variants[1].Steps[3].Change.Objects.Hosts[1].Addresses[0].Is6()).To(BeTrue())
	g.Expect(s.Objects.Hosts[0].Addresses).To(HaveLen(2), "the scenario itself is untouched")
}

func TestServicesAreTalkedTo(t *testing.T) {
	g := NewWithT(t)
	s, err := scenario.Load(os.DirFS("testdata/good"), "service.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.Objects.Services).To(HaveLen(3))
	g.Expect(s.Objects.EndpointSlices).To(HaveExactElements(
		And(HaveField("Name", "db-1"), HaveField("Service()", "default/db")), HaveField("Name", "more-1")))

	to := func(step int) (scenario.Target, uint16) { return s.Steps[step].Probe.To, s.Steps[step].Probe.Port }
	web, port := to(0)
	g.Expect(web.String()).To(Equal("Service/blue/web"))
	g.Expect(port).To(BeEquivalentTo(80))
	four, ok := web.Service.Addr(4)
	g.Expect([]any{four.String(), ok}).To(Equal([]any{"10.96.0.1", true}))
	six, _ := web.Service.Addr(6)
	g.Expect(six.String()).To(Equal("fd96::1"))
	g.Expect(s.Steps[0].Probe.Expect.Backends).To(Equal(1))
	_, port = to(1)
	g.Expect(port).To(BeEquivalentTo(53))
	_, port = to(2)
	g.Expect(port).To(BeEquivalentTo(7), "icmp has none")
	g.Expect(s.Steps[3].Table.To[0].String()).To(Equal("Service/db"))
	g.Expect(s.Steps[4].Trace.Probe.Port).To(BeEquivalentTo(5432), "the only one")
	g.Expect(s.Steps[5].Traffic.Port).To(BeEquivalentTo(53))
	g.Expect(s.Steps[7].Change.Objects.Services).To(HaveLen(2))
	db, port := to(8)
	four, _ = db.Service.Addr(4)
	g.Expect([]any{four.String(), port}).To(Equal([]any{"10.96.0.3", uint16(5433)}), "as it is then")
	_, ok = db.Service.Addr(6)
	g.Expect(ok).To(BeFalse())
}

// TestBad reads each file of testdata/bad and compares the errors with the
// file beside it. Run with -rewrite after reading the difference.
func TestBad(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(files).NotTo(BeEmpty())
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			g := NewWithT(t)
			_, err := scenario.Load(os.DirFS("testdata/bad"), filepath.Base(file))
			g.Expect(err).To(HaveOccurred())
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *rewrite {
				g.Expect(os.WriteFile(golden, []byte(err.Error()+"\n"), 0o644)).To(Succeed())
			}
			want, readErr := os.ReadFile(golden)
			g.Expect(readErr).NotTo(HaveOccurred())
			g.Expect(err.Error() + "\n").To(Equal(string(want)))
			g.Expect(err.Error()).To(ContainSubstring(filepath.Base(file)+":"), "file and line")
		})
	}
}

func TestReplayRules(t *testing.T) {
	g := NewWithT(t)
	text := `title: rules
topology:
  hosts: {h1: {addresses: [192.0.2.1]}}
  vpcs: {red: {vni: 100, dividers: {hosts: [h1]}}}
  subnets: {red-a: {vpc: red, cidrs: [10.0.0.0/24], bouncers: {hosts: [h1]}}}
  endpoints: {red-1: {subnet: red-a, host: h1, addresses: [10.0.0.2]}}
steps:
- replay:
    at: red-1
    file: in.pcap
    golden: out.pcapng
    ignore: ["outer.*"]
    mask: {inner.ip.tos: 0xfc, inner.eth.src: "ff:ff:ff:00:00:00"}
    relations: {outer.sport: entropy, outer.tos: inner.ip.tos, geneve.return.token: echoed}
    unordered: [{at: red-1}, {uplink: h1, packets: [2, 3]}]
`
	files := fstest.MapFS{"x.yaml": {Data: []byte(text)}, "in.pcap": {}, "out.pcapng": {}}
	s, err := scenario.Load(files, "x.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	p := s.Steps[0].Replay
	g.Expect(p.Ignore).To(Equal([]string{"outer.*"}))
	g.Expect(p.Mask).To(Equal(map[string]string{"inner.ip.tos": "0xfc", "inner.eth.src": "ff:ff:ff:00:00:00"}))
	g.Expect(p.Relations).To(HaveKeyWithValue("outer.sport", golden.Entropy))
	g.Expect(p.Relations).To(HaveKeyWithValue("geneve.return.token", golden.Echoed))
	g.Expect(p.Unordered).To(Equal([]golden.Group{{Port: "endpoint:default/red-1"}, {Port: "uplink:h1", Packets: []int{2, 3}}}))

	delete(files, "out.pcapng")
	_, err = scenario.Load(files, "x.yaml")
	g.Expect(err).To(MatchError(ContainSubstring("out.pcapng")))
	file := filepath.Join(t.TempDir(), "x.yaml")
	g.Expect(os.WriteFile(file, []byte(text), 0o644)).To(Succeed())
	g.Expect(os.WriteFile(filepath.Join(filepath.Dir(file), "in.pcap"), nil, 0o644)).To(Succeed())
	_, err = scenario.LoadFile(file)
	g.Expect(err).To(HaveOccurred())
	_, err = scenario.LoadFileToUpdate(file)
	g.Expect(err).NotTo(HaveOccurred(), "golden captures are written by the run")
}

func TestTimeFaultsAndTraffic(t *testing.T) {
	g := NewWithT(t)
	s, err := scenario.Load(os.DirFS("testdata/good"), "time.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.Seed).To(Equal(7))
	step := func(i int) scenario.Step { return s.Steps[i] }
	g.Expect(step(0).Traffic.Every).To(Equal(scenario.DefaultEvery))
	g.Expect(step(1).Advance).To(Equal(500 * time.Millisecond))
	g.Expect(step(2).Advance).To(Equal(1500*time.Millisecond), "what is left until 2s")
	g.Expect(step(2).Kind()).To(Equal("at"))

	before, _ := s.Objects.Endpoint("red-1")
	moved, _ := step(3).Change.Objects.Endpoint("red-1")
	g.Expect(moved.Host).To(Equal("h2"))
	g.Expect(moved.MAC).To(Equal(before.MAC))
	again, _ := step(4).Change.Objects.Endpoint("red-2")
	g.Expect(again.MAC).To(Equal([6]byte{2, 5: 3}))
	g.Expect(again.Host).To(Equal("h1"))
	labelled, _ := step(5).Change.Objects.Endpoint("red-2")
	g.Expect(labelled.Labels).To(Equal(map[string]string{"app": "web"}))
	g.Expect(labelled.Host).To(Equal("h1"), "after what went before")
	subnet, _ := step(6).Change.Objects.Subnet("red-a")
	g.Expect(subnet.Bouncers.Count).To(Equal(1))
	vpc, _ := step(7).Change.Objects.VPC("red")
	g.Expect(vpc.Dividers.Hosts).To(Equal([]string{"h2"}))
	unchanged, _ := s.Objects.Endpoint("red-1")
	g.Expect(unchanged.Host).To(Equal("h1"))

	lossy := link.Link{Out: link.Way{Loss: 20, Delay: 5 * time.Millisecond}}
	g.Expect(step(8).Fault.Condition.Link).To(Equal(lossy))
	lossy.Down, lossy.MTU = true, 1400
	g.Expect(step(9).Fault.Condition.Link).To(Equal(lossy), "what is not named stays")
	g.Expect(step(10).Fault.Condition.Link).To(Equal(link.Link{}))
	g.Expect(step(12).Fault.Condition).To(Equal(wire.Condition{Dead: true, Agent: wire.Killed}))
	g.Expect(*step(13).Clock).To(Equal(scenario.Clock{Host: "h1", Step: 5 * time.Second}))
	g.Expect(step(14).Assert.Down).To(Equal(map[string][]string{"h1": {"h2"}, "h2": nil}))
	stop := step(15).Stop
	g.Expect(*stop.Survived).To(BeTrue())
	g.Expect(*stop.Gap.Most).To(Equal(time.Second))
	g.Expect(stop.Lost.Least).To(BeNil())
	g.Expect(stop.Delay).To(BeNil())
}

func TestASelectionKeepsWhatItsStepsDependOn(t *testing.T) {
	g := NewWithT(t)
	s, err := scenario.Load(os.DirFS("testdata/good"), "time.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	one := s.Select(scenario.Selection{Name: regexp.MustCompile("^stop$")})
	g.Expect(one.Steps).To(HaveLen(len(s.Steps)-1), "all but the assert")
}

func TestPoliciesAndNamespacesChange(t *testing.T) {
	g := NewWithT(t)
	s, err := scenario.Load(os.DirFS("testdata/good"), "policy.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	keys := func(step int) (all []string) {
		for _, p := range s.Steps[step].Change.Objects.Policies {
			all = append(all, p.Key())
		}
		return all
	}
	web, _ := s.Objects.Endpoint("web")
	g.Expect(web.Labels).To(Equal(map[string]string{"app": "web"}))
	g.Expect(web.Ports).To(HaveLen(1))
	g.Expect(s.Objects.Namespace("blue").Labels).To(HaveKeyWithValue("team", "a"))
	g.Expect(s.Objects.Namespace("yellow").Labels).To(HaveKeyWithValue("team", "d"))
	g.Expect(s.Steps[0].Change.Objects.Namespace("blue").Labels).To(HaveKeyWithValue("team", "b"))
	g.Expect(s.Steps[1].Change.Objects.Namespace("green").Labels).To(HaveKeyWithValue("team", "c"), "a namespace that was not written")
	g.Expect(keys(2)).To(Equal([]string{"blue/deny", "blue/more", "default/all", "default/web"}))
	g.Expect(keys(3)).To(Equal([]string{"blue/more", "default/all", "default/web"}))
	replaced, _ := s.Steps[3].Change.Objects.Policy("web")
	g.Expect(replaced.Spec.Ingress).To(BeEmpty())
	g.Expect(keys(4)).To(Equal([]string{"blue/more", "default/all"}))
}
