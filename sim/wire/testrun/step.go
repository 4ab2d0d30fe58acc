// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"fmt"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/kernel"
	"github.com/mizar-net/mizar/sim/wire"
)

// step tells what one program did, for people.
func step(h *host, a Arrival, port string, r Result) wire.Step {
	s := wire.Step{
		Host: h.name, Program: string(a.Program), Port: port,
		Verdict:     bpf.RowVerdict(r.Record.Verdict).String(),
		Action:      r.Action.String(),
		Judged:      judgements(r.Record),
		Stages:      stages(r.Record),
		HashLookups: int(r.Record.HashLookups), ArrayLookups: int(r.Record.ArrayLookups),
		Updates: int(r.Record.Updates),
		In:      a.Frame, Out: r.Frame,
	}
	switch bpf.RowVerdict(r.Record.Verdict) {
	case bpf.RowVerdictVERDICT_DROP:
		s.Reason = bpf.RowDropReason(r.Record.Reason).String()
		s.Out = nil
	case bpf.RowVerdictVERDICT_REFUSE:
		s.Reason = bpf.RowDropReason(r.Record.Reason).String()
	}
	return s
}

// judgements are what policy said of the packet, or had said of its flow.
func judgements(r bpf.RowRecord) []wire.Judged {
	var all []wire.Judged
	for i, rule := range r.Rule {
		if rule == 0 && r.Judged[i] == 0 {
			continue
		}
		j := wire.Judged{Direction: bpf.RowDirection(i).String(), Number: rule}
		if r.Judged[i] != 0 {
			j.Verdict = bpf.RowPolicyVerdict(r.Judged[i]).String()
		}
		all = append(all, j)
	}
	return all
}

// stages lists the rows that a packet met, each with its stage, and the stages
// in which it met none.
func stages(r bpf.RowRecord) []wire.Stage {
	used := r.Stage[:min(int(r.Stages), len(r.Stage))]
	var all []wire.Stage
	for i, s := range used {
		name := bpf.RowStage(s.Stage).String()
		access := bpf.RowAccess(s.Access)
		if access == bpf.RowAccessACCESS_NONE {
			entered := i+1 < len(used) && used[i+1].Stage == s.Stage
			if !entered {
				all = append(all, wire.Stage{Name: name})
			}
			continue
		}
		table := bpf.RowTable(s.Table)
		all = append(all, wire.Stage{
			Name: name, Map: table.String(), Access: access.String(),
			Key: append([]byte(nil), s.Key[:min(table.KeySize(), len(s.Key))]...),
			Hit: access != bpf.RowAccessACCESS_MISS,
		})
	}
	return all
}

// check holds what a program returned against what it recorded. A difference is
// a fault of the program, not a verdict.
func check(r Result) error {
	verdict := bpf.RowVerdict(r.Record.Verdict)
	if want := actions(verdict); !want[r.Action] {
		return fmt.Errorf("it returned %q but recorded verdict %q", r.Action, verdict)
	}
	lost := verdict == bpf.RowVerdictVERDICT_DROP || verdict == bpf.RowVerdictVERDICT_REFUSE
	if lost && r.Record.Reason == 0 {
		return fmt.Errorf("it dropped the packet and recorded no reason")
	}
	return nil
}

// actions are the XDP actions that carry out a verdict.
func actions(v bpf.RowVerdict) map[kernel.Action]bool {
	switch v {
	case bpf.RowVerdictVERDICT_DROP:
		return map[kernel.Action]bool{kernel.Drop: true}
	case bpf.RowVerdictVERDICT_PASS:
		return map[kernel.Action]bool{kernel.Pass: true}
	case bpf.RowVerdictVERDICT_ANSWER:
		return map[kernel.Action]bool{kernel.Transmit: true}
	case bpf.RowVerdictVERDICT_DELIVER:
		return map[kernel.Action]bool{kernel.Redirect: true}
	default:
		return map[kernel.Action]bool{kernel.Redirect: true, kernel.Transmit: true}
	}
}
