// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/mizar-net/mizar/bpf"
)

// puts names what the translation of a flow's row puts in.
var puts = map[bpf.RowTranslation]string{
	bpf.RowTranslationTRANSLATION_TO: "backend", bpf.RowTranslationTRANSLATION_FROM: "frontend",
	bpf.RowTranslationTRANSLATION_OUTSIDE: "outside", bpf.RowTranslationTRANSLATION_SOURCE: "leavesAs", bpf.RowTranslationTRANSLATION_FACE: "faceOf",
}

// flow tells a flow's row: its state, who opened it, where its ends are, and what
// accepted it.
func (d decoding) flow(f bpf.RowFlow) {
	d.set("state", bpf.RowFlowState(f.State).String())
	d.set("seen", (time.Duration(f.Seen) * time.Second).String())
	from := f.Opener & 1
	d.set("from", d.end(f, from))
	d.set("to", d.end(f, from^1))
	kind := bpf.RowTranslation(f.Translation)
	if kind != bpf.RowTranslationTRANSLATION_NONE {
		at := netip.AddrPortFrom(netip.AddrFrom16(f.Addr).Unmap(), port(f.Port))
		d.set(puts[kind], at.String())
	}
	if kind == bpf.RowTranslationTRANSLATION_FACE {
		d.set("vni", fmt.Sprint(f.Set[0])) // it is in no VPC itself, and has no policy
		return
	}
	if f.Charged != 0 {
		d.set("charged", named(d.names.Endpoints, uint32(f.Charged)))
	}
	d.sets(uint64(f.Set[0]), uint64(f.Set[1]))
	for i, rule := range f.Rule {
		if rule != 0 {
			d.set(bpf.RowDirection(i).String()+"Rule", named(d.names.Rules, rule))
		}
	}
}

// end is who an end of a flow is, or behind which host; "" if neither is known.
func (d decoding) end(f bpf.RowFlow, end uint8) string {
	switch e := f.End[end]; {
	case e.Endpoint != 0:
		return named(d.names.Endpoints, uint32(e.Endpoint))
	case e.Host != 0:
		return "host " + named(d.names.Hosts, uint32(e.Host))
	case e.Identity != 0:
		return fmt.Sprintf("identity %d", e.Identity)
	}
	return ""
}

// sets tells the numbers of policy sets, by direction.
func (d decoding) sets(numbers ...uint64) {
	for i, number := range numbers {
		if number != 0 {
			d.set(bpf.RowDirection(i).String(), named(d.names.Sets, uint32(number)))
		}
	}
}

// judgement tells what a policy row says; nothing of a row that is not in use.
func (d decoding) judgement(j bpf.RowJudgement) {
	verdict := bpf.RowPolicyVerdict(j.Word & 3)
	if verdict == bpf.RowPolicyVerdictPOLICY_NONE {
		if j.Of != 0 {
			d.set("class", fmt.Sprint(j.Of))
		}
		return
	}
	d.set("verdict", verdict.String())
	d.set("rank", fmt.Sprint(j.Word>>2))
	d.set("rule", named(d.names.Rules, j.Of))
}

// policySet tells a set: what it looks at, and what it says of the rest.
func (d decoding) policySet(s bpf.RowPolicySet) {
	if s.Number == 0 {
		return
	}
	d.set("name", named(d.names.Sets, s.Number))
	for name, has := range map[string]uint8{"peers": s.Peers, "prefixes": s.Prefixes} {
		if has != 0 {
			d.set(name, "yes")
		}
	}
	rest := decoding{names: d.names, row: Row{}}
	rest.judgement(s.Fallback)
	d.set("fallback", rest.row["verdict"]+" by "+rest.row["rule"])
}

// portText is a port of a row, in network order; "" for 0.
func portText(n uint16) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(port(n))
}
