// SPDX-License-Identifier: Apache-2.0

// Package overlay says which hosts bounce a subnet or divide a VPC, and which
// of them a pair of addresses asks.
//
// Both are rendezvous hashing: every candidate has a score of its own, the best
// score wins. When a host goes, only what it had moves; when one comes, it
// takes only its share. Nothing here depends on the order of candidates, on
// time or on chance, so every host finds the same answer by itself.
//
// The programs choose in the kernel by the same sums; a test of the datapath
// holds the two equal.
package overlay

import (
	"cmp"
	"hash/fnv"
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/controlplane/hash"
	"github.com/mizar-net/mizar/controlplane/object"
)

// Pair is what an asking host chooses by: two addresses of one VPC.
type Pair struct {
	VNI      uint32
	Src, Dst netip.Addr
}

// Hash mixes the VNI and the eight 32-bit words of either address, IPv4 as
// ::ffff:a.b.c.d.
func (p Pair) Hash() uint32 {
	return hash.Addr(hash.Addr(p.VNI, p.Src), p.Dst)
}

// Choose returns the candidate that a pair asks, "" when there is none: the best
// of those that are not down, or when all are, the best. Of equal scores the first
// in order of names wins.
func Choose(candidates []string, p Pair, down ...string) string {
	ranked := rank(candidates, p.Hash())
	for _, host := range ranked {
		if !slices.Contains(down, host) {
			return host
		}
	}
	if len(ranked) == 0 {
		return ""
	}
	return ranked[0]
}

// Next returns whom a host hands a question on that it cannot answer itself: the
// best candidate that is worse than the host and not down, "" when there is none.
// Each step is down the same order, so that no question goes round.
func Next(candidates []string, p Pair, after string, down ...string) string {
	others := slices.DeleteFunc(slices.Clone(candidates), func(host string) bool { return host == after })
	ranked := rank(append(others, after), p.Hash())
	for _, host := range ranked[slices.Index(ranked, after)+1:] {
		if !slices.Contains(down, host) {
			return host
		}
	}
	return ""
}

// Bouncers returns the hosts that bounce a subnet, in order of names. live are
// the names of all hosts that can.
func Bouncers(s object.Subnet, live []string) []string {
	return place(s.Bouncers, live, "bouncer/"+s.Name)
}

// Dividers returns the hosts that divide a VPC, in order of names. live are
// the names of all hosts that can.
func Dividers(v object.VPC, live []string) []string {
	return place(v.Dividers, live, "divider/"+v.Name)
}

// place returns the best hosts for a role, as many as the placement wants or
// there are. When none of the named candidates is live they keep the role: a role
// of nobody's helps nobody, and who believes them dead may be wrong.
func place(p object.Placement, live []string, key string) []string {
	candidates := live
	if len(p.Hosts) > 0 {
		candidates = slices.DeleteFunc(slices.Clone(live), func(host string) bool { return !slices.Contains(p.Hosts, host) })
	}
	if len(candidates) == 0 {
		candidates = p.Hosts
	}
	best := rank(candidates, Seed(key))
	best = best[:min(p.Count, len(best))]
	slices.Sort(best)
	return best
}

// rank orders hosts by their score for a hash, best first, and equal scores by
// name.
func rank(hosts []string, pair uint32) []string {
	scores := make(map[string]uint32, len(hosts))
	for _, host := range hosts {
		scores[host] = hash.Mix(pair ^ Seed(host))
	}
	ranked := slices.Clone(hosts)
	slices.SortFunc(ranked, func(a, b string) int {
		return cmp.Or(cmp.Compare(scores[b], scores[a]), cmp.Compare(a, b))
	})
	return ranked
}

// Seed is what rendezvous hashing knows a name by: its 32-bit FNV-1a.
func Seed(name string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(name))
	return h.Sum32()
}
