// SPDX-License-Identifier: Apache-2.0

package testrun_test

import (
	"encoding/binary"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// aged is a way for a flow to come into a state, and how long it is to stay there
// without a packet.
type aged struct {
	name  string
	say   func(s talk)
	state bpf.RowFlowState
	table string
	lasts time.Duration
}

func syn(s talk)      { s.tcp(client, server, 4000, 80, frame.SYN) }
func answered(s talk) { syn(s); s.tcp(server, client, 80, 4000, frame.SYN|frame.ACK) }
func shaken(s talk)   { answered(s); s.tcp(client, server, 4000, 80, frame.ACK) }
func halfShut(s talk) { shaken(s); s.tcp(server, client, 80, 4000, frame.FIN|frame.ACK) }
func shut(s talk)     { halfShut(s); s.tcp(client, server, 4000, 80, frame.FIN|frame.ACK) }
func reset(s talk)    { shaken(s); s.tcp(client, server, 4000, 80, frame.RST) }

func asked(s talk) {
	s.say(client, server, frame.Spec{Kind: frame.UDP, SrcPort: 4000, DstPort: 80})
}

func replied(s talk) {
	asked(s)
	s.say(server, client, frame.Spec{Kind: frame.UDP, SrcPort: 80, DstPort: 4000})
}

func echo(s talk) { s.say(client, server, frame.Spec{Kind: frame.Echo, ID: 7}) }

func echoed(s talk) {
	echo(s)
	s.say(server, client, frame.Spec{Kind: frame.EchoReply, ID: 7})
}

// cut has policy refuse what it accepted before.
func cut(say func(s talk)) func(s talk) {
	return func(s talk) {
		say(s)
		s.g.Expect(s.w.Apply(s.t.Context(), guarded(func(p *policies) { p.isolate(client, state.Egress, nil); p.isolate(server, state.Ingress, nil) }))).To(Succeed())
		say(s)
	}
}

// The time-outs are written down here once more: those of flow.go are what is
// tested.
var ages = []aged{
	{"SYN", syn, bpf.RowFlowStateFLOW_OPENING, "openings", time.Minute},
	{"SYN-ACK", answered, bpf.RowFlowStateFLOW_REPLIED, "openings", time.Minute},
	{"handshake", shaken, bpf.RowFlowStateFLOW_ESTABLISHED, "flows", 2*time.Hour + 4*time.Minute},
	{"one FIN", halfShut, bpf.RowFlowStateFLOW_CLOSING, "flows", 4 * time.Minute},
	{"two FIN", shut, bpf.RowFlowStateFLOW_CLOSED, "flows", 10 * time.Second},
	{"RST", reset, bpf.RowFlowStateFLOW_CLOSED, "flows", 10 * time.Second},
	{"a datagram", asked, bpf.RowFlowStateFLOW_OPENING, "openings", 30 * time.Second},
	{"and another back", replied, bpf.RowFlowStateFLOW_ESTABLISHED, "flows", 5 * time.Minute},
	{"an echo", echo, bpf.RowFlowStateFLOW_OPENING, "openings", time.Minute},
	{"a connection that is cut", cut(shaken), bpf.RowFlowStateFLOW_CUT, "flows", 5 * time.Minute},
	{"datagrams that are cut", cut(replied), bpf.RowFlowStateFLOW_CUT, "flows", 30 * time.Second},
	{"and its reply", echoed, bpf.RowFlowStateFLOW_ESTABLISHED, "flows", time.Minute},
}

// Every state that packets bring a flow into has its time in the kernel's maps, at
// either host, and the flow is gone a second later (row F1).
func TestEveryStateHasItsTime(t *testing.T) {
	g := NewWithT(t)
	machines := map[string]testrun.Machine{}
	w := testrun.New(func(host string) (testrun.Machine, error) {
		m, err := pool.Make(host)
		machines[host] = m
		return m, err
	})
	t.Cleanup(func() { NewWithT(t).Expect(w.Close()).To(Succeed()) })
	for _, a := range ages {
		for _, family := range []int{4, 6} {
			look := func(says string, matches types.GomegaMatcher) {
				for _, host := range []string{"h1", "h3"} {
					g.Expect(flowsAt(g, machines[host])).To(matches, "%s over IPv%d at %s: %s", a.name, family, host, says)
				}
			}
			g.Expect(w.Apply(t.Context(), guarded(nil))).To(Succeed(), "root is needed")
			a.say(talk{g, t, w, family})
			there := Equal(map[string][]bpf.RowFlowState{a.table: {a.state}})
			look("the state", there)
			g.Expect(w.Advance(t.Context(), a.lasts)).To(Succeed())
			look("it is there until its time is up", there)
			g.Expect(w.Advance(t.Context(), time.Second)).To(Succeed())
			look("its time is up", BeEmpty())
		}
	}
}

// flowsAt are the states of all flows that a machine has, by the map.
func flowsAt(g Gomega, m testrun.Machine) map[string][]bpf.RowFlowState {
	all := map[string][]bpf.RowFlowState{}
	for _, name := range []string{"flows", "openings"} {
		rows, err := m.(testrun.Glass).Rows(name)
		g.Expect(err).NotTo(HaveOccurred())
		for _, b := range rows {
			var row bpf.RowFlow
			_, err := binary.Decode(b, binary.NativeEndian, &row)
			g.Expect(err).NotTo(HaveOccurred())
			all[name] = append(all[name], bpf.RowFlowState(row.State))
		}
	}
	return all
}
