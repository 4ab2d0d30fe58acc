// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"slices"

	"github.com/mizar-net/mizar/sim/scenario"
)

// table has a conversation for each marked pair, protocol and family.
func (r *runner) table(ctx context.Context, t *scenario.Table) ([]Check, error) {
	var checks []Check
	relayed := map[string]map[string]bool{} // by wire, then host
	for _, talk := range r.pairs(t) {
		answers, err := r.converse(ctx, talk)
		if err != nil {
			return nil, err
		}
		checks = append(checks, talk.checks(answers)...)
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
	return checks, nil
}

// pairs are the conversations of a table. A pair without a family in common
// has none.
func (r *runner) pairs(t *scenario.Table) []conversation {
	var all []conversation
	for i, from := range t.Endpoints {
		for j, to := range t.Endpoints {
			verdict, ok := t.Cell(i, j)
			if !ok {
				continue
			}
			p := &scenario.Probe{
				From: from, To: to, Family: t.Family, Port: t.Port,
				Expect: scenario.Expect{Verdict: verdict},
			}
			for _, proto := range t.Protos {
				talks, err := r.conversations(p, proto)
				if err != nil {
					continue
				}
				for _, talk := range talks {
					talk.elsewhere = true
					all = append(all, talk)
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
