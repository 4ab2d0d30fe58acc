// SPDX-License-Identifier: Apache-2.0

package footprint

import (
	"fmt"
	"strings"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/sim/crowd"
	"github.com/mizar-net/mizar/sim/run"
)

// Row is the row of ACCEPTANCE that the lines are parts of.
const Row = "I6"

// Status of a line.
type Status string

// The statuses. What is not there yet has not passed.
const (
	Pass     Status = "pass"
	Miss     Status = "MISS"
	NotThere Status = "not there yet"
)

// Line is one limit of the row and what was measured.
type Line struct {
	// Name is the line's in the cells of the row, What says it for people.
	Name   string  `json:"name"`
	What   string  `json:"what"`
	Bytes  float64 `json:"bytes"`
	Limit  float64 `json:"limit"`
	Status Status  `json:"status"`
}

// The limits, in bytes; thousands and millions are decimal.
const (
	hostLimit     = 64_000_000
	endpointLimit = 4_000
	policyLimit   = 96
	flowLimit     = 208
	flowsLimit    = 131_072
	// judgedCPUs are those of the machine that a host is judged as, wherever it is
	// weighed: counters of rules are there for each CPU.
	judgedCPUs = 2
)

// perEndpoint are the maps of which an endpoint has rows at its own host, perHost
// those that are there whatever the number of endpoints; the directory is a
// bouncer's. A map that is in neither list is not weighed by anybody: a test
// fails.
var (
	perEndpoint = []string{bpf.RowMapEndpoints, bpf.RowMapLocals, bpf.RowMapPorts, bpf.RowMapBudgets, bpf.RowMapShares}
	perHost     = []string{
		bpf.RowMapDrops, bpf.RowMapHanded, bpf.RowMapHosts, bpf.RowMapPaths, bpf.RowMapPeerSlots, bpf.RowMapPeers, bpf.RowMapPrograms,
		bpf.RowMapRecords, bpf.RowMapRoutes,
		bpf.RowMapFlows, bpf.RowMapOpenings, bpf.RowMapFragments, bpf.RowMapTracked, bpf.RowMapRules,
		bpf.RowMapPolicySets, bpf.RowMapPolicyPeers, bpf.RowMapPolicyPrefixes, bpf.RowMapPolicyPorts,
		bpf.RowMapServices, bpf.RowMapChoices, bpf.RowMapBackends, bpf.RowMapAffinities,
		bpf.RowMapSubnets, bpf.RowMapUplinks, bpf.RowMapVerdicts, bpf.RowMapVirtuals, bpf.RowMapVpcs,
	}
)

// Judge holds weights against the limits. An endpoint has its share of the maps
// of its own host, one of as many as there can be, and rows of two addresses in
// the directories of as many bouncers as a subnet can have.
func Judge(w Weights) []Line {
	more := (w.On(judgedCPUs+1) - w.On(judgedCPUs)) / 1e6
	most := w.of(bpf.RowMapEndpoints).Most
	own := 0.0
	for _, name := range perEndpoint {
		own += w.of(name).share(w.Crowd.Endpoints, most)
	}
	flows := w.of(bpf.RowMapFlows)
	directory := w.of(bpf.RowMapDirectory)
	located := 2 * directory.share(directory.Rows, directory.Most)
	return []Line{
		within("memlock-host", fmt.Sprintf("a host of %d CPUs, all maps at their default sizes (each further CPU: %.1f MB)", judgedCPUs, more), w.On(judgedCPUs), hostLimit),
		within("memlock-endpoint-own", fmt.Sprintf("an endpoint at its own host, one of up to %d: %s", most, strings.Join(perEndpoint, ", ")), own, endpointLimit),
		within("memlock-endpoint-bouncer", "an endpoint of two addresses at a bouncer: directory", located, endpointLimit),
		within("memlock-endpoint", fmt.Sprintf("an endpoint, at its own host and at %d bouncers", bpf.MaxRoles), own+float64(bpf.MaxRoles)*located, endpointLimit),
		policyRow(w),
		within("memlock-flow", "a flow: flows", flows.share(0, flows.Most), flowLimit),
		atLeast("flows-by-default", "flows by default (a number, and at least so many)", float64(flows.Most), flowsLimit),
	}
}

// within is a line of what is there. What weighs nothing was not measured.
func within(name, what string, bytes, limit float64) Line {
	l := Line{Name: name, What: what, Bytes: bytes, Limit: limit, Status: Miss}
	if bytes > 0 && bytes <= limit {
		l.Status = Pass
	}
	return l
}

// policyRow is what the heaviest of the maps of policy weighs for each of its rows.
func policyRow(w Weights) Line {
	line := Line{Name: "memlock-policy-row", What: "a policy row", Limit: policyLimit, Status: NotThere}
	for _, name := range []string{bpf.RowMapPolicyPeers, bpf.RowMapPolicyPrefixes, bpf.RowMapPolicyPorts} {
		m := w.of(name)
		if m.Rows == 0 {
			continue
		}
		if each := within(line.Name, "a policy row: "+name, m.share(m.Rows, m.Most), policyLimit); each.Bytes > line.Bytes {
			line = each
		}
	}
	return line
}

// atLeast is a line of which more is better.
func atLeast(name, what string, number, limit float64) Line {
	l := Line{Name: name, What: what, Bytes: number, Limit: limit, Status: Miss}
	if number >= limit {
		l.Status = Pass
	}
	return l
}

// Typical is the crowd that the row is judged with: a host as full of endpoints
// as it can be, and a large directory.
var Typical = crowd.Crowd{Family: 4, VPCs: 1, Hosts: 64, Endpoints: 4095, Directory: 100_000, Guard: crowd.Guard{Peers: 10_000, Prefixes: 10_000, Rules: 500, Ranges: 500}}

// Prove measures a host and returns the evidence for the row, a cell for each
// line of what is there.
func Prove(measure func(crowd.Crowd) (Weights, error)) []run.Evidence {
	w, err := measure(Typical)
	if err != nil {
		return []run.Evidence{{Test: "memory of the maps", Rows: []string{Row}, Failure: "the harness: " + err.Error()}}
	}
	var all []run.Evidence
	for _, l := range Judge(w) {
		if l.Status == NotThere {
			continue
		}
		e := run.Evidence{Test: "memory: " + l.What, Rows: []string{Row}, Cell: run.Cell{Proto: l.Name, Verdict: "within"}}
		if l.Status != Pass {
			e.Failure = fmt.Sprintf("%.0f bytes, want at most %.0f and more than none", l.Bytes, l.Limit)
		}
		all = append(all, e)
	}
	return all
}
