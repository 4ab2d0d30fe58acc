// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"slices"

	"github.com/mizar-net/mizar/sim/scenario"
)

// table has a conversation for each marked pair, talk and family.
func (r *runner) table(ctx context.Context, t *scenario.Table) ([]Check, *Matrix, error) {
	var checks []Check
	m := newMatrix(t)
	relayed := map[string]map[string]bool{} // by wire, then host
	for _, pair := range r.pairs(t) {
		answers, err := r.converse(ctx, pair.conversation)
		if err != nil {
			return nil, nil, err
		}
		if pair.expect.Verdict == "" {
			pair.expect.Verdict = became(answers.oracle, pair.to)
		} else {
			pair.entry.Expected = string(pair.expect.Verdict)
		}
		found := pair.checks(answers)
		checks = append(checks, found...)
		m.add(pair, answers, found)
		for _, a := range answers.wires {
			if relayed[a.who] == nil {
				relayed[a.who] = map[string]bool{}
			}
			a.relays(relayed[a.who])
		}
	}
	if len(t.Relays) > 0 {
		for _, w := range r.wires {
			checks = append(checks, spread(w.Name(), relayed[w.Name()], t.Relays))
		}
	}
	return checks, m, nil
}

// pair is the conversation of one cell of a truth table.
type pair struct {
	conversation
	entry Entry
}

// pairs are the conversations of a table. A pair without a family in common
// has none.
func (r *runner) pairs(t *scenario.Table) []pair {
	var all []pair
	for i, from := range t.From {
		for j, to := range t.To {
			for k, talk := range t.Talks {
				verdict, ok := t.Cell(k, i, j)
				if !ok {
					continue
				}
				p := &scenario.Probe{
					From: from, To: to, Family: t.Family, Port: talk.Port,
					Expect: scenario.Expect{Verdict: verdict},
				}
				talks, err := r.conversations(p, talk.Proto)
				if err != nil {
					continue
				}
				for _, c := range talks {
					c.elsewhere = true
					all = append(all, pair{c, Entry{
						From: scenario.Short(from), To: to.String(), Talk: talk.String(), Family: c.cell.Family,
					}})
				}
			}
		}
	}
	return all
}

// relays notes the hosts between the first and the last on the way of requests.
func (a answer) relays(seen map[string]bool) {
	for _, p := range a.requests {
		for i := 1; i+1 < len(p.Hosts); i++ {
			seen[p.Hosts[i]] = true
		}
	}
}

// spread checks that each host has relayed.
func spread(who string, relayed map[string]bool, want []string) Check {
	got := make([]string, 0, len(relayed))
	for host := range relayed {
		got = append(got, host)
	}
	slices.Sort(got)
	c := Check{Name: "hosts that relay", Wire: who, Cell: Cell{Proto: "counters", Wire: who}, Seen: "relayed by " + join(got)}
	for _, host := range want {
		if !relayed[host] {
			c.Failures = append(c.Failures, Failure{
				Field: "hosts that relay", Who: who, Got: join(got), Against: "the scenario", Want: host + " among them",
			})
		}
	}
	return c
}
