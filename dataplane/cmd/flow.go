// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/flow"
	"github.com/mizar-net/mizar/dataplane/names"
)

// Flow is a flow entry as it is shown. Numbers are those of the host's rows; a
// number without a name is one that nobody has left a name for.
type Flow struct {
	// Host is the name of the host that has the entry, Network that of the
	// simulated network it is in, Namespace the network namespace of its devices;
	// "" where there is none.
	Network   string `json:"network,omitempty"`
	Host      string `json:"host,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	VPC       string `json:"vpc,omitempty"`
	VNI       uint32 `json:"vni"`
	// Protocol is tcp, udp, icmp, icmpv6, sctp, or the number.
	Protocol string `json:"protocol"`
	// From opened the flow.
	From End `json:"from"`
	To   End `json:"to"`
	// State is the name of the entry's state, Table the map that it is in:
	// "openings" of flows in which one side has spoken, "flows" of the others.
	State string `json:"state"`
	Table string `json:"table"`
	// SeenSeconds is how long ago the last packet was, a few seconds coarse;
	// LeftSeconds how long the entry stays without another, 0 if its time is up.
	SeenSeconds int `json:"seenSeconds"`
	LeftSeconds int `json:"leftSeconds"`
	// Egress and Ingress say what accepted it at this host; nil: policy had nothing
	// to say here.
	Egress  *Judged `json:"egress,omitempty"`
	Ingress *Judged `json:"ingress,omitempty"`
	// Backend is where a flow to a frontend goes, in the view of who opened it;
	// Frontend where the same flow was opened to, in that of everybody else.
	Backend  *netip.AddrPort `json:"backend,omitempty"`
	Frontend *netip.AddrPort `json:"frontend,omitempty"`
	// Face is what who is outside of all VPCs takes From for.
	Face *netip.AddrPort `json:"face,omitempty"`
	// Charged is the endpoint of whose share of the map it is.
	Charged *Named `json:"charged,omitempty"`
}

// End is one end of a flow.
type End struct {
	Address netip.Addr `json:"address"`
	// Port is the end's own; of ICMP the identifier of who asks.
	Port uint16 `json:"port"`
	// Endpoint is set where the end is behind this host, Host where it was learned
	// to be behind another.
	Endpoint *Named `json:"endpoint,omitempty"`
	Host     *Named `json:"host,omitempty"`
	// Identity is 0 where it is not known, Generation that of the address's user.
	Identity   uint32 `json:"identity"`
	Generation uint8  `json:"generation"`
	// Closed says that it has sent a FIN.
	Closed bool `json:"closed,omitempty"`
}

// Judged is what accepted a flow in one direction.
type Judged struct {
	Set  Named  `json:"set"`
	Rule *Named `json:"rule,omitempty"`
}

// Named is a number in a row, and what it stands for if that is known.
type Named struct {
	Number uint32 `json:"number"`
	Name   string `json:"name,omitempty"`
}

// String is the name, or the number.
func (n Named) String() string {
	if n.Name == "" {
		return fmt.Sprintf("#%d", n.Number)
	}
	return n.Name
}

// named looks a number up; nil for 0, which stands for nothing.
func named(by map[uint32]string, number uint32) *Named {
	if number == 0 {
		return nil
	}
	return &Named{number, by[number]}
}

// host is what one host holds.
type host struct {
	namespace string
	names     names.Names
	// settled and openings are the rows of the two maps.
	settled, openings map[bpf.RowFlowKey]bpf.RowFlow
}

// flows are all flows of a host at a time of the clock that its programs read, in
// the order of their VPCs and ends.
func (h host) flows(now time.Duration) []Flow {
	var all []Flow
	for table, rows := range map[string]map[bpf.RowFlowKey]bpf.RowFlow{bpf.RowMapFlows: h.settled, bpf.RowMapOpenings: h.openings} {
		for key, row := range rows {
			if !isFace(row) {
				all = append(all, h.flow(key, row, now, table))
			}
		}
	}
	slices.SortFunc(all, compare)
	return all
}

// isFace says that a row is another flow's as the outside sees that, which tells of it
// itself.
func isFace(row bpf.RowFlow) bool {
	return bpf.RowTranslation(row.Translation) == bpf.RowTranslationTRANSLATION_FACE
}

func compare(a, b Flow) int {
	return cmp.Or(
		cmp.Compare(a.VNI, b.VNI), strings.Compare(a.Protocol, b.Protocol),
		a.From.Address.Compare(b.From.Address), a.To.Address.Compare(b.To.Address),
		cmp.Compare(a.To.Port, b.To.Port), cmp.Compare(a.From.Port, b.From.Port), strings.Compare(a.Table, b.Table),
	)
}

func (h host) flow(key bpf.RowFlowKey, row bpf.RowFlow, now time.Duration, table string) Flow {
	state, from := bpf.RowFlowState(row.State), row.Opener&1
	seen := max(0, now-time.Duration(row.Seen)*time.Second)
	left := max(0, flow.Timeout(key.Protocol(), state)-seen)
	ends := flow.Ends(key)
	f := Flow{
		Network: h.names.Network, Host: h.names.Host, Namespace: h.namespace,
		VPC: h.names.VPCs[key.VNI()], VNI: key.VNI(), Protocol: protocolName(key.Protocol()),
		From: h.end(ends[from], row, from), To: h.end(ends[from^1], row, from^1),
		State: state.String(), Table: table,
		SeenSeconds: int(seen / time.Second), LeftSeconds: int(left / time.Second),
		Egress: h.judged(row, bpf.RowDirectionDIRECTION_EGRESS), Ingress: h.judged(row, bpf.RowDirectionDIRECTION_INGRESS),
		Charged: named(h.names.Endpoints, uint32(row.Charged)),
	}
	f.translated(row)
	return f
}

// translated notes what the translation of a row puts in.
func (f *Flow) translated(row bpf.RowFlow) {
	in := flow.PutIn(row)
	at := netip.AddrPortFrom(in.Addr, in.Port)
	switch bpf.RowTranslation(row.Translation) {
	case bpf.RowTranslationTRANSLATION_TO:
		f.Backend = &at
	case bpf.RowTranslationTRANSLATION_FROM, bpf.RowTranslationTRANSLATION_OUTSIDE:
		f.Frontend = &at
	case bpf.RowTranslationTRANSLATION_SOURCE:
		f.Face = &at
	}
}

func (h host) end(e flow.End, row bpf.RowFlow, i uint8) End {
	at := row.End[i]
	return End{
		Address: e.Addr, Port: e.Port, Identity: at.Identity, Generation: at.Generation, Closed: at.Closed != 0,
		Endpoint: named(h.names.Endpoints, uint32(at.Endpoint)), Host: named(h.names.Hosts, uint32(at.Host)),
	}
}

func (h host) judged(row bpf.RowFlow, d bpf.RowDirection) *Judged {
	set := named(h.names.Sets, row.Set[d])
	if set == nil {
		return nil
	}
	return &Judged{Set: *set, Rule: named(h.names.Rules, row.Rule[d])}
}

// protocols have names; others are shown by number.
var protocols = map[uint8]string{1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6", 132: "sctp"}

func protocolName(number uint8) string {
	if name, ok := protocols[number]; ok {
		return name
	}
	return fmt.Sprint(number)
}
