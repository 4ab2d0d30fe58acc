// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/mizar-net/mizar/dataplane/state"
)

// eachEndpoint changes a copy of every endpoint.
func eachEndpoint(change func(*state.Endpoint)) func([]state.Host) {
	return func(hosts []state.Host) {
		for i := range hosts {
			hosts[i].Endpoints = slices.Clone(hosts[i].Endpoints)
			for j := range hosts[i].Endpoints {
				change(&hosts[i].Endpoints[j])
			}
		}
	}
}

// eachLocation changes a copy of every row of directories.
func eachLocation(change func(*state.Location)) func([]state.Host) {
	return func(hosts []state.Host) {
		for i := range hosts {
			hosts[i].Directory = slices.Clone(hosts[i].Directory)
			for j := range hosts[i].Directory {
				change(&hosts[i].Directory[j])
			}
		}
	}
}

// eachSet changes a copy of every set, which then is another revision.
func eachSet(change func(*state.PolicySet)) func([]state.Host) {
	return func(hosts []state.Host) {
		for i := range hosts {
			p := &hosts[i].Policy
			p.Sets = slices.Clone(p.Sets)
			for j := range p.Sets {
				change(&p.Sets[j])
			}
		}
	}
}

// eachClass changes a copy of every port class. Each class has ranges of its own.
func eachClass(change func(*state.PortClass)) func([]state.Host) {
	return func(hosts []state.Host) {
		for i := range hosts {
			p := &hosts[i].Policy
			p.Classes = slices.Clone(p.Classes)
			for j := range p.Classes {
				p.Classes[j].Ranges = slices.Clone(p.Classes[j].Ranges)
				change(&p.Classes[j])
			}
		}
	}
}

// eachJudgement changes all judgements: those of classes, and the defaults of sets.
func eachJudgement(change func(*state.Judgement)) func([]state.Host) {
	defaults := eachSet(func(s *state.PolicySet) { change(&s.Default) })
	ranges := eachClass(func(c *state.PortClass) {
		for i := range c.Ranges {
			change(&c.Ranges[i].Judgement)
		}
	})
	return func(hosts []state.Host) {
		defaults(hosts)
		ranges(hosts)
	}
}

// isolateNobody leaves endpoints without sets.
func isolateNobody(e *state.Endpoint) { e.Ingress, e.Egress = "", "" }

// keepAll lets all that was once accepted go on.
func keepAll(e *state.Endpoint) { e.KeepEstablished = true }

// keepNothing lets nothing go on that is not accepted any more.
func keepNothing(e *state.Endpoint) { e.KeepEstablished = false }

// forgetPeers leaves sets without identities.
func forgetPeers(s *state.PolicySet) { s.Peers = nil }

// forgetPrefixes leaves sets without addresses.
func forgetPrefixes(s *state.PolicySet) { s.Prefixes = nil }

// forgetFewPrefixes leaves sets without addresses that have few.
func forgetFewPrefixes(s *state.PolicySet) {
	if len(s.Prefixes) < few {
		s.Prefixes = nil
	}
}

// forgetPrefixes6 leaves sets without addresses of IPv6.
func forgetPrefixes6(s *state.PolicySet) {
	s.Prefixes = slices.DeleteFunc(slices.Clone(s.Prefixes), func(p state.PolicyPrefix) bool { return p.Prefix.Addr().Is6() })
}

// anyPort makes of a class that accepts something one that accepts all.
func anyPort(c *state.PortClass) {
	at := slices.IndexFunc(c.Ranges, func(r state.PortRange) bool { return r.Verdict == state.Accept })
	if at >= 0 {
		c.Ranges = []state.PortRange{{Last: 65535, Judgement: c.Ranges[at].Judgement}}
	}
}

// few is how many rules of a policy count where a fault leaves few, and how many blocks
// of addresses are few.
const few = 32

// fewRules denies what rules accept beyond the first few of their policy.
func fewRules(j *state.Judgement) {
	_, index, found := strings.Cut(j.Rule, "[")
	n, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
	if found && err == nil && n >= few {
		j.Verdict = state.Deny
	}
}

// strayRule lets the 18th rule of a policy open the next port as well.
func strayRule(c *state.PortClass) {
	for i := range c.Ranges {
		if r := &c.Ranges[i]; len(c.Ranges) == 1 && strings.HasSuffix(r.Rule, "[17]") {
			r.Last++
		}
	}
}

// lonePolicy denies what any policy but the first of a host accepts.
func lonePolicy(hosts []state.Host) {
	for i := range hosts {
		var names []string
		for _, c := range hosts[i].Policy.Classes {
			for _, r := range c.Ranges {
				names = append(names, policyOf(r.Rule))
			}
		}
		if len(names) == 0 {
			continue
		}
		first := slices.Min(names)
		eachClass(func(c *state.PortClass) {
			for k := range c.Ranges {
				if policyOf(c.Ranges[k].Rule) != first {
					c.Ranges[k].Verdict = state.Deny
				}
			}
		})(hosts[i : i+1])
	}
}

// policyOf is the policy that a rule is of.
func policyOf(rule string) string {
	name, _, _ := strings.Cut(rule, " ")
	return name
}

// enforceAudit denies what is only to be counted.
func enforceAudit(j *state.Judgement) {
	if j.Verdict == state.Audit {
		j.Verdict = state.Deny
	}
}

// nameless gives all rules one name.
func nameless(j *state.Judgement) { j.Rule = "somebody" }

// ordinaryHosts gives the hosts' own endpoints a number as any endpoint has.
func ordinaryHosts(hosts []state.Host) {
	const ordinary = 1<<24 - 9
	was := map[netip.Addr]bool{}
	eachEndpoint(func(e *state.Endpoint) {
		if e.IsHost() {
			e.Identity = ordinary
			for _, a := range e.Addresses {
				was[a] = true
			}
		}
	})(hosts)
	for i := range hosts {
		hosts[i].Directory = slices.Clone(hosts[i].Directory)
		for j := range hosts[i].Directory {
			if l := &hosts[i].Directory[j]; l.Identity == state.IdentityHost && was[l.Address] {
				l.Identity = ordinary
			}
		}
	}
}
