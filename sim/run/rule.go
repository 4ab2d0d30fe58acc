// SPDX-License-Identifier: Apache-2.0

package run

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/sim/wire"
)

// ruled holds the rules that are named for packets against the scenario's, and
// those of a wire against the ones that the oracle allows. A wire that recorded no
// steps names none.
func (t conversation) ruled(a, oracle answer) []Failure {
	var all []Failure
	if want := t.expect.Rule; want != "" {
		for _, who := range []answer{oracle, a} {
			if got, ok := who.names(want); !ok {
				all = append(all, Failure{Field: "rule", Who: who.who, Got: got, Against: "the scenario", Want: want})
			}
		}
	}
	if t.unknown {
		return all
	}
	for _, of := range []struct {
		field string
		a, b  []wire.Packet
	}{{"rules of the requests", a.requests, oracle.requests}, {"rules of the replies", a.replies, oracle.replies}} {
		for i := range min(len(of.a), len(of.b)) {
			got, want := rulesOf(of.a[i]), rulesOf(of.b[i])
			if of.b[i].Outdated || of.b[i].Vain {
				continue // an audited policy names what it would have said of somebody else
			}
			if slices.ContainsFunc(got, func(rule string) bool { return !slices.Contains(want, rule) }) {
				all = append(all, Failure{
					Field: of.field, Who: a.who, Got: listed(got), Against: oracle.who, Want: "some of " + listed(want),
				})
			}
		}
	}
	return all
}

// names says whether every request names a rule, or one of a policy and direction.
func (a answer) names(want string) (got string, ok bool) {
	for _, p := range a.requests {
		tells := len(p.Steps) > 0 || a.who == oracleSays
		if tells && !slices.ContainsFunc(rulesOf(p), func(r string) bool { return r == want || strings.HasPrefix(r, want+"[") }) {
			return listed(rulesOf(p)), false
		}
	}
	return "", true
}

// rulesOf are the rules that are named for a packet, or that its steps tell of.
func rulesOf(p wire.Packet) []string {
	all := slices.Clone(p.Rules)
	for _, s := range p.Steps {
		for _, j := range s.Judged {
			if j.Rule != "" {
				all = append(all, j.Rule)
			}
		}
	}
	return all
}

// readRules makes wires tell the names of rules.
func (r *runner) readRules() {
	for _, w := range r.wires {
		if reader, ok := w.(wire.RuleReader); ok {
			reader.ReadRules()
		}
	}
}

// readRows makes wires tell the rows that were met, too.
func (r *runner) readRows() {
	for _, w := range r.wires {
		if reader, ok := w.(wire.RowReader); ok {
			reader.ReadRows()
		}
	}
}

func listed(rules []string) string {
	if len(rules) == 0 {
		return "none"
	}
	return fmt.Sprintf("%q", rules)
}
