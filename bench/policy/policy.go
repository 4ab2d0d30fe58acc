// SPDX-License-Identifier: Apache-2.0

// Package policy measures what policies cost beside packets: the control plane's time
// for endpoints that come, the rows that are written for them, and the bytes of a
// rule in the kernel.
package policy

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/identity"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/policy"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/dataplane/table"
)

// Added is what it takes to add endpoints, one after the other.
type Added struct {
	// Identities is "known" where others have had those of all that are added, or
	// "new" where nobody has.
	Identities string `json:"identities"`
	Endpoints  int    `json:"endpoints"`
	Policies   int    `json:"policies"`
	Hosts      int    `json:"hosts"`
	// Seconds is the control plane's time on one core, once for each time that it
	// was done: numbers for identities, policy, and the parts of the hosts that
	// change.
	Seconds []float64 `json:"seconds"`
	// Writes are rows written and deleted at all hosts together, by map.
	Writes map[string]int `json:"writes"`
}

// PolicyWrites are those of rows that say what is accepted.
func (a Added) PolicyWrites() int {
	n := 0
	for _, name := range policyMaps {
		n += a.Writes[name]
	}
	return n
}

// policyMaps are the maps that rules have rows in.
var policyMaps = []string{bpf.RowMapPolicySets, bpf.RowMapPolicyPeers, bpf.RowMapPolicyPrefixes, bpf.RowMapPolicyPorts}

// grown is the network that 1,000 endpoints come to.
var grown = size{namespaces: 10, hosts: 50, endpoints: 1000, apps: 100, policies: 1000}

// Add adds 1,000 endpoints to as many under 1,000 policies, so often.
func Add(ctx context.Context, times int) ([]Added, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var all []Added
	for _, kind := range []string{"known", "new"} {
		after := grown
		after.endpoints *= 2
		if kind == "new" {
			after.owned = grown.endpoints
		}
		a := Added{Identities: kind, Endpoints: grown.endpoints, Policies: grown.policies, Hosts: grown.hosts}
		if err := a.measure(ctx, grown, after, times); err != nil {
			return nil, fmt.Errorf("add endpoints of %s identities: %w", kind, err)
		}
		all = append(all, a)
	}
	return all, nil
}

func (a *Added) measure(ctx context.Context, from, to size, times int) error {
	before, err := from.set()
	if err != nil {
		return err
	}
	after, err := to.set()
	if err != nil {
		return err
	}
	book, ledger, err := identity.Ledger{}.Step(before, time.Unix(0, 0))
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, e := range before.Endpoints {
		there[e.Key()] = true
	}
	var grown identity.Ledger
	for range times {
		if err := ctx.Err(); err != nil {
			return err
		}
		giver := ledger.Giver()
		spent, err := spend(policy.Compile(before, &book), func(c *policy.Compiler) error {
			for i := range after.Endpoints {
				if e := &after.Endpoints[i]; !there[e.Key()] {
					if err := add(e, giver, c); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		a.Seconds = append(a.Seconds, spent)
		grown = giver.Ledger()
	}
	later, _, err := grown.Step(after, time.Unix(0, 0))
	if err != nil {
		return err
	}
	a.Writes, err = writes(compile.View{Identities: &book}.Hosts(before), compile.View{Identities: &later}.Hosts(after))
	return err
}

// spend makes a change to a network that is compiled, and returns the seconds it took.
func spend(c *policy.Compiler, change func(*policy.Compiler) error) (float64, error) {
	c.Changes()
	runtime.GC() // of what is not measured
	began := time.Now()
	err := change(c)
	return time.Since(began).Seconds(), err
}

// add is what the control plane does when an endpoint has come.
func add(e *object.Endpoint, giver *identity.Giver, c *policy.Compiler) error {
	i, fresh, err := giver.Give("red", e, nil)
	if err != nil {
		return err
	}
	if fresh {
		c.SetIdentity(i)
	}
	c.SetEndpoint(policy.Endpoint{Key: e.Key(), Host: e.Host, VPC: "red", Namespace: e.Namespace, Labels: e.Labels, Identity: i.Number})
	for h := range c.Changes().Hosts {
		c.Host(h)
	}
	return nil
}

// writes are the rows that hosts write to hold the later states in the place of the
// earlier ones.
func writes(before, after []state.Host) (map[string]int, error) {
	all := map[string]int{}
	for i, s := range before {
		h := dataplane.NewHolder(memory())
		if _, err := h.Apply(s, machine(after[i])); err != nil {
			return nil, err
		}
		report, err := h.Apply(after[i], machine(after[i]))
		if err != nil {
			return nil, err
		}
		for name, count := range report {
			all[name] += count.Puts + count.Deletes
		}
	}
	return all, nil
}

// machine is one that has all that a state needs.
func machine(s state.Host) state.Local {
	l := state.Local{UplinkIndex: 1, UplinkMAC: state.MAC{2, 1}, Ports: map[string]uint32{}, NextHops: map[netip.Addr]state.MAC{}}
	for n, e := range s.Endpoints {
		l.Ports[e.Name] = uint32(n + 2)
	}
	for _, p := range s.Peers {
		for _, a := range p.Addresses {
			l.NextHops[a] = state.MAC{2, 2}
		}
	}
	return l
}

// memory are tables in Go maps.
func memory() dataplane.Tables {
	return dataplane.Tables{
		Hosts: &table.Memory[uint32, bpf.RowHost]{Title: bpf.RowMapHosts}, VPCs: &table.Memory[uint32, bpf.RowVpc]{Title: bpf.RowMapVpcs},
		Subnets: &table.Memory[uint32, bpf.RowSubnet]{Title: bpf.RowMapSubnets}, Endpoints: &table.Memory[uint32, bpf.RowEndpoint]{Title: bpf.RowMapEndpoints},
		Uplinks: &table.Memory[uint32, bpf.RowUplink]{Title: bpf.RowMapUplinks}, Peers: &table.Memory[bpf.RowUnderlayKey, bpf.RowPeer]{Title: bpf.RowMapPeers},
		PeerSlots: &table.Memory[uint32, bpf.RowPeerSlot]{Title: bpf.RowMapPeerSlots}, Locals: &table.Memory[bpf.RowAddrKey, bpf.RowLocal]{Title: bpf.RowMapLocals},
		Ports: &table.Memory[uint32, bpf.RowPort]{Title: bpf.RowMapPorts}, Directory: &table.Memory[bpf.RowAddrKey, bpf.RowLocation]{Title: bpf.RowMapDirectory},
		Routes: &table.Memory[bpf.RowPrefixKey, bpf.RowRoute]{Title: bpf.RowMapRoutes}, Paths: &table.Memory[bpf.RowAddrKey, bpf.RowPath]{Title: bpf.RowMapPaths},
		PolicySets:     &table.Memory[uint32, bpf.RowPolicySet]{Title: bpf.RowMapPolicySets},
		PolicyPeers:    &table.Memory[bpf.RowPolicyPeerKey, bpf.RowJudgement]{Title: bpf.RowMapPolicyPeers},
		PolicyPrefixes: &table.Memory[bpf.RowPolicyPrefixKey, bpf.RowJudgement]{Title: bpf.RowMapPolicyPrefixes},
		PolicyPorts:    &table.Memory[bpf.RowPolicyPortKey, bpf.RowJudgement]{Title: bpf.RowMapPolicyPorts},
		Services:       &table.Memory[bpf.RowServiceKey, bpf.RowService]{Title: bpf.RowMapServices},
		Choices:        &table.Memory[uint32, bpf.RowChoices]{Title: bpf.RowMapChoices},
		Backends:       &table.Memory[uint32, bpf.RowBackend]{Title: bpf.RowMapBackends},
		Flows:          &table.Memory[bpf.RowFlowKey, bpf.RowFlow]{Title: bpf.RowMapFlows}, Openings: &table.Memory[bpf.RowFlowKey, bpf.RowFlow]{Title: bpf.RowMapOpenings},
		Shares: &table.Memory[uint32, bpf.RowShare]{Title: bpf.RowMapShares},
	}
}
