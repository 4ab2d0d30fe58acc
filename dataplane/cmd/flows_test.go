// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/flow"
	"github.com/mizar-net/mizar/dataplane/names"
)

const now = 5000 * time.Second

// talk is a row of a flow from 10.0.0.2, which is behind the host, to 10.0.0.3 at
// another one.
func talk(protocol uint8, from, to uint16, state bpf.RowFlowState) (bpf.RowFlowKey, bpf.RowFlow) {
	key, side := flow.Key(100, protocol,
		flow.End{Addr: netip.MustParseAddr("10.0.0.2"), Port: from}, flow.End{Addr: netip.MustParseAddr("10.0.0.3"), Port: to})
	row := bpf.RowFlow{Seen: 4990, Opener: uint8(side), State: uint8(state)}
	row.End[side].Endpoint, row.End[side].Identity = 4, 17
	row.End[side^1].Host, row.End[side^1].Identity, row.End[side^1].Generation = 1, 18, 3
	return key, row
}

// hosts are two: one that has left names and holds a flow in every state, and one
// that holds a flow of IPv6 which nobody knows anything of.
func hosts() []host {
	named := host{
		namespace: "mizar-lab-host:h1",
		names: names.Names{
			Network: "lab", Host: "h1", VPCs: map[uint32]string{100: "red"}, Hosts: map[uint32]string{0: "h1", 1: "h2"},
			Endpoints: map[uint32]string{4: "default/a"}, Sets: map[uint32]string{9: "web"}, Rules: map[uint32]string{7: "default/web egress[0]"},
		},
		settled: map[bpf.RowFlowKey]bpf.RowFlow{}, openings: map[bpf.RowFlowKey]bpf.RowFlow{},
	}
	for s := bpf.RowFlowStateFLOW_OPENING; s <= bpf.RowFlowStateFLOW_CUT; s++ {
		key, row := talk(6, 4000, 80+uint16(s), s)
		into := named.settled
		if s <= bpf.RowFlowStateFLOW_REPLIED {
			into = named.openings
		}
		if s == bpf.RowFlowStateFLOW_ESTABLISHED {
			row.Set, row.Rule, row.Charged = [2]uint32{9, 10}, [2]uint32{7, 0}, 4
		}
		into[key] = row
	}
	key, side := flow.Key(7, 47, flow.End{Addr: netip.MustParseAddr("fd00::2")}, flow.End{Addr: netip.MustParseAddr("fd00::1")})
	row := bpf.RowFlow{Seen: 4000, Opener: uint8(side), State: uint8(bpf.RowFlowStateFLOW_ESTABLISHED), Rule: [2]uint32{5, 6}, Set: [2]uint32{1, 0}}
	row.End[side].Endpoint = 2
	nameless := host{namespace: "other", settled: map[bpf.RowFlowKey]bpf.RowFlow{key: row}}
	return []host{named, nameless}
}

// get prints what the flags ask for.
func get(t *testing.T, f filter, output string) string {
	t.Helper()
	var out, aside bytes.Buffer
	if err := f.check(); err != nil {
		t.Fatal(err)
	}
	if err := (show{&out, &aside}).flows(hosts(), &f, now, output); err != nil {
		t.Fatal(err)
	}
	return out.String() + aside.String()
}

func TestEveryStateIsShown(t *testing.T) {
	NewWithT(t).Expect(get(t, filter{}, "text")).To(Equal(strings.TrimLeft(`
HOST    VPC        PROTOCOL  FROM               TO                 STATE        TABLE     SEEN    LEFT   IDENTITIES  EGRESS                 INGRESS
lab/h1  red (100)  tcp       10.0.0.2:4000 [a]  10.0.0.3:81 at h2  opening      openings  10s     50s    17 > 18     -                      -
lab/h1  red (100)  tcp       10.0.0.2:4000 [a]  10.0.0.3:82 at h2  replied      openings  10s     50s    17 > 18     -                      -
lab/h1  red (100)  tcp       10.0.0.2:4000 [a]  10.0.0.3:83 at h2  established  flows     10s     2h3m   17 > 18     default/web egress[0]  set #10
lab/h1  red (100)  tcp       10.0.0.2:4000 [a]  10.0.0.3:84 at h2  closing      flows     10s     3m50s  17 > 18     -                      -
lab/h1  red (100)  tcp       10.0.0.2:4000 [a]  10.0.0.3:85 at h2  closed       flows     10s     due    17 > 18     -                      -
lab/h1  red (100)  tcp       10.0.0.2:4000 [a]  10.0.0.3:86 at h2  cut          flows     10s     4m50s  17 > 18     -                      -
other   (7)        47        fd00::2 [#2]       fd00::1            established  flows     16m40s  due    - > -       #5                     -
`, "\n")))
}

func TestMachinesAreToldAll(t *testing.T) {
	g := NewWithT(t)
	var all []Flow
	g.Expect(json.Unmarshal([]byte(get(t, filter{states: []string{"established"}, vni: 100}, "json")), &all)).To(Succeed())
	g.Expect(all).To(Equal([]Flow{{
		Network: "lab", Host: "h1", Namespace: "mizar-lab-host:h1", VPC: "red", VNI: 100, Protocol: "tcp",
		From:  End{Address: netip.MustParseAddr("10.0.0.2"), Port: 4000, Endpoint: &Named{4, "default/a"}, Identity: 17},
		To:    End{Address: netip.MustParseAddr("10.0.0.3"), Port: 83, Host: &Named{1, "h2"}, Identity: 18, Generation: 3},
		State: "established", Table: "flows", SeenSeconds: 10, LeftSeconds: 7430,
		Egress: &Judged{Set: Named{9, "web"}, Rule: &Named{7, "default/web egress[0]"}}, Ingress: &Judged{Set: Named{10, ""}},
		Charged: &Named{4, "default/a"},
	}}))
	g.Expect(get(t, filter{vni: 1}, "json")).To(Equal("[]\n"), "none is a list too")
	g.Expect(get(t, filter{vni: 1}, "text")).To(Equal("no such flows at 2 hosts\n"))
}

func TestFiltersAreAllMet(t *testing.T) {
	count := func(f filter) int {
		var all []Flow
		NewWithT(t).Expect(json.Unmarshal([]byte(get(t, f, "json")), &all)).To(Succeed())
		return len(all)
	}
	for _, c := range []struct {
		f    filter
		want int
	}{
		{filter{}, 7}, {filter{vni: 100}, 6}, {filter{vni: 7}, 1},
		{filter{host: "h1"}, 6}, {filter{host: "lab/h1"}, 6}, {filter{host: "mizar-lab-host:h1"}, 6}, {filter{host: "other"}, 1},
		{filter{endpoint: "a"}, 6}, {filter{endpoint: "default/a"}, 6}, {filter{endpoint: "h2"}, 0},
		{filter{addresses: []string{"10.0.0.3"}}, 6}, {filter{addresses: []string{"10.0.0.0/30"}}, 6}, {filter{addresses: []string{"fd00::/64", "10.0.0.2"}}, 7},
		{filter{addresses: []string{"10.0.0.9"}}, 0},
		{filter{ports: []uint{4000}}, 6}, {filter{ports: []uint{81, 82}}, 2},
		{filter{protocols: []string{"tcp"}}, 6}, {filter{protocols: []string{"6"}}, 6}, {filter{protocols: []string{"47"}}, 1}, {filter{protocols: []string{"udp"}}, 0},
		{filter{states: []string{"cut", "closed"}}, 2}, {filter{states: []string{"established"}, vni: 7}, 1},
	} {
		NewWithT(t).Expect(count(c.f)).To(Equal(c.want), "%+v", c.f)
	}
}

func TestWhatNothingCanMatchIsRefused(t *testing.T) {
	for want, f := range map[string]filter{
		`--address: got "10.0.0", want an address such as 10.0.0.2`:  {addresses: []string{"10.0.0"}},
		`--address: got "10.0.0.0/40"`:                               {addresses: []string{"10.0.0.0/40"}},
		`--port: got 70000`:                                          {ports: []uint{70000}},
		`--vni: got 16777216`:                                        {vni: 1 << 24},
		`--proto: got "tpc", want one of [icmp icmpv6 sctp tcp udp]`: {protocols: []string{"tpc"}},
		`--state: got "open", want one of [opening replied`:          {states: []string{"open"}},
	} {
		NewWithT(t).Expect(f.check()).To(MatchError(ContainSubstring(want)))
	}
	g := NewWithT(t)
	err := show{}.flows(hosts(), &filter{host: "h9"}, now, "text")
	g.Expect(errors.Is(err, ErrNotHere)).To(BeTrue())
	g.Expect(err).To(MatchError(ContainSubstring("here are [lab/h1 other]")))
}

// The help says what every state means, and the time-outs that hold.
func TestHelpKnowsEveryState(t *testing.T) {
	g := NewWithT(t)
	help := flowsCommand().Long
	for _, s := range states() {
		g.Expect(help).To(MatchRegexp(`(?m)^  %s +\w`, s))
	}
	g.Expect(stateHelp).To(HaveLen(len(states())))
	g.Expect(help).To(ContainSubstring(fmt.Sprintf("TCP %s, ICMP %s, others %s", short(flow.EstablishedTCP), short(flow.Echo), short(flow.Established))))
}

func TestShortDurations(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 61 * time.Second: "1m1s", 2 * time.Minute: "2m", 7440 * time.Second: "2h4m", 3 * time.Hour: "3h", time.Hour + time.Second: "1h",
	} {
		NewWithT(t).Expect(short(d)).To(Equal(want))
	}
}

// A flow that leaves is told once, with what it is taken for outside.
func TestAFlowThatLeavesSaysAsWhat(t *testing.T) {
	g := NewWithT(t)
	key, row := talk(17, 4000, 53, bpf.RowFlowStateFLOW_ESTABLISHED)
	row.Translation, row.Addr, row.Port = uint8(bpf.RowTranslationTRANSLATION_SOURCE), netip.MustParseAddr("192.0.2.1").As16(), 0x49ee // 61001
	face, _ := flow.Key(0, 17, flow.PutIn(row), flow.End{Addr: netip.MustParseAddr("10.0.0.3"), Port: 53})
	h := host{settled: map[bpf.RowFlowKey]bpf.RowFlow{key: row, face: {Translation: uint8(bpf.RowTranslationTRANSLATION_FACE)}}}
	all := h.flows(now)
	g.Expect(all).To(HaveLen(1))
	g.Expect(all[0].Face.String()).To(Equal("192.0.2.1:61001"))
	g.Expect(all[0].opener()).To(HaveSuffix(" as 192.0.2.1:61001"))
}
