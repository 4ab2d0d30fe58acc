// SPDX-License-Identifier: Apache-2.0

package encode

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/state"
)

const (
	// maxRank leaves two bits of a word for the verdict.
	maxRank = 1<<30 - 1
	// portBits is the length of a whole key of policy_ports: class, protocol,
	// zeros, port. classBits is that of "whatever has no other row".
	portBits, classBits = 64, 32
)

// policy fills in the rows of sets, peers, prefixes and ports.
func (e *encoder) policy() error {
	classes := make(map[string]state.PortClass, len(e.host.Policy.Classes))
	for _, c := range e.host.Policy.Classes {
		if _, ok := classes[c.Name]; ok {
			return fmt.Errorf("port class %s: given twice", c.Name)
		}
		classes[c.Name] = c
		if err := e.class(c); err != nil {
			return fmt.Errorf("port class %s: %w", c.Name, err)
		}
	}
	e.sets = make(map[string]state.PolicySet, len(e.host.Policy.Sets))
	for _, s := range e.host.Policy.Sets {
		if _, ok := e.sets[s.Name]; ok {
			return fmt.Errorf("policy set %s: given twice", s.Name)
		}
		e.sets[s.Name] = s
		if err := e.set(s, classes); err != nil {
			return fmt.Errorf("policy set %s: %w", s.Name, err)
		}
	}
	return nil
}

func (e *encoder) set(s state.PolicySet, classes map[string]state.PortClass) error {
	number := e.index.Sets[setName(s)]
	row := bpf.RowPolicySet{Number: number, Peers: flag(len(s.Peers) > 0), Prefixes: flag(len(s.Prefixes) > 0)}
	var err error
	if row.Fallback, err = e.judgement(s.Default); err != nil {
		return fmt.Errorf("default: %w", err)
	}
	e.rows.PolicySets[number%bpf.Sets()] = row
	for _, p := range s.Peers {
		if p.Identity > maxIdentity {
			return fmt.Errorf("identity %d is more than %d", p.Identity, maxIdentity)
		}
		row, err := e.peerRow(p.Class, classes)
		if err != nil {
			return fmt.Errorf("identity %d: %w", p.Identity, err)
		}
		key := bpf.RowPolicyPeerKey{Set: number, Identity: p.Identity}
		if _, ok := e.rows.PolicyPeers[key]; ok {
			return fmt.Errorf("identity %d: given twice", p.Identity)
		}
		e.rows.PolicyPeers[key] = row
	}
	for _, p := range s.Prefixes {
		row, err := e.peerRow(p.Class, classes)
		if err != nil {
			return fmt.Errorf("prefix %s: %w", p.Prefix, err)
		}
		key := PolicyPrefix(number, p.Prefix)
		if _, ok := e.rows.PolicyPrefixes[key]; ok {
			return fmt.Errorf("prefix %s: given twice", p.Prefix)
		}
		e.rows.PolicyPrefixes[key] = row
	}
	e.separate(number, s.Prefixes)
	return nil
}

// separate keeps prefixes of IPv6 that are as wide as to have the place of IPv4 in
// them, as ::/0 has, from saying anything of IPv4.
func (e *encoder) separate(set uint32, prefixes []state.PolicyPrefix) {
	v4 := PolicyPrefix(set, netip.PrefixFrom(netip.IPv4Unspecified(), 0))
	if _, ok := e.rows.PolicyPrefixes[v4]; ok {
		return
	}
	mapped := netip.AddrFrom16(netip.IPv4Unspecified().As16())
	for _, p := range prefixes {
		if p.Prefix.Contains(mapped) {
			e.rows.PolicyPrefixes[v4] = bpf.RowJudgement{}
			return
		}
	}
}

// peerRow is the row of a peer that has a class: nothing, what the class says of all
// alike, or the class.
func (e *encoder) peerRow(class string, classes map[string]state.PortClass) (bpf.RowJudgement, error) {
	c, ok := classes[class]
	if !ok {
		return bpf.RowJudgement{}, fmt.Errorf("the state has no port class %s", class)
	}
	switch {
	case len(c.Ranges) == 0:
		return bpf.RowJudgement{}, nil
	case isInline(c):
		return e.judgement(c.Ranges[0].Judgement)
	}
	return bpf.RowJudgement{Word: classRows(c), Of: e.index.Classes[class]}, nil
}

// isInline says that a class says one thing of everything: it needs no rows.
func isInline(c state.PortClass) bool { return len(c.Ranges) == 1 && c.Ranges[0].Protocol == 0 }

func (e *encoder) judgement(j state.Judgement) (bpf.RowJudgement, error) {
	verdicts := map[state.Verdict]bpf.RowPolicyVerdict{
		state.Accept: bpf.RowPolicyVerdictPOLICY_ACCEPT,
		state.Deny:   bpf.RowPolicyVerdictPOLICY_DENY,
		state.Audit:  bpf.RowPolicyVerdictPOLICY_AUDIT,
	}
	verdict, ok := verdicts[j.Verdict]
	if !ok {
		return bpf.RowJudgement{}, fmt.Errorf("rule %q: verdict %d is none", j.Rule, j.Verdict)
	}
	if j.Rank > maxRank {
		return bpf.RowJudgement{}, fmt.Errorf("rule %q: rank %d is more than %d", j.Rule, j.Rank, maxRank)
	}
	return bpf.RowJudgement{Word: j.Rank<<2 | uint32(verdict), Of: e.index.Rules[j.Rule]}, nil
}

// class fills in the rows of a class: a range of ports is cut into prefixes, at
// most two for each of the sixteen bits.
func (e *encoder) class(c state.PortClass) error {
	if isInline(c) {
		return nil
	}
	number := e.index.Classes[c.Name]
	for _, r := range c.Ranges {
		row, err := e.judgement(r.Judgement)
		if err != nil {
			return err
		}
		if r.Last < r.First || r.Protocol == 0 && (r.First != 0 || r.Last != 65535) {
			return fmt.Errorf("protocol %d, ports %d-%d: that is no range", r.Protocol, r.First, r.Last)
		}
		for _, key := range portKeys(number, r) {
			if !e.portRow(number, key, row) {
				return fmt.Errorf("protocol %d, ports %d-%d: given twice", r.Protocol, r.First, r.Last)
			}
		}
	}
	return nil
}

// portRow fills in a row of a class; false: there is one.
func (e *encoder) portRow(class uint32, key bpf.RowPolicyPortKey, row bpf.RowJudgement) bool {
	if key.Prefixlen == portBits {
		single := SinglePort(class, key.Protocol, network16(key.Port))
		_, taken := e.rows.PolicyPeers[single]
		e.rows.PolicyPeers[single] = row
		return !taken
	}
	_, taken := e.rows.PolicyPorts[key]
	e.rows.PolicyPorts[key] = row
	return !taken
}

// classRows says in which maps a class has rows: no other is asked.
func classRows(c state.PortClass) uint32 {
	var in bpf.RowClassRows
	for _, r := range c.Ranges {
		for _, key := range portKeys(0, r) {
			if key.Prefixlen == portBits {
				in |= bpf.RowClassRowsCLASS_SINGLES
			} else {
				in |= bpf.RowClassRowsCLASS_RANGES
			}
		}
	}
	return uint32(in)
}

// portKeys are the keys that together cover a range of ports.
func portKeys(class uint32, r state.PortRange) []bpf.RowPolicyPortKey {
	key := bpf.RowPolicyPortKey{Prefixlen: classBits, Class: network32(class)}
	if r.Protocol == 0 {
		return []bpf.RowPolicyPortKey{key}
	}
	key.Protocol = r.Protocol
	var keys []bpf.RowPolicyPortKey
	for first, last := uint32(r.First), uint32(r.Last); first <= last; {
		// The largest block that begins here and does not reach too far.
		block := bits.TrailingZeros32(first | 1<<16)
		for first+1<<block-1 > last {
			block--
		}
		key.Prefixlen, key.Port = uint32(portBits-block), network16(uint16(first))
		keys = append(keys, key)
		first += 1 << block
	}
	return keys
}

// singlePort marks keys of policy_peers that are of ports (SINGLE_PORT).
const singlePort = 1 << 31

// SinglePort is the key of a port that a class names by itself.
func SinglePort(class uint32, protocol uint8, port uint16) bpf.RowPolicyPeerKey {
	return bpf.RowPolicyPeerKey{Set: class, Identity: singlePort | uint32(protocol)<<16 | uint32(port)}
}

// IsSinglePort says what port a key of policy_peers is of, if it is of one.
func IsSinglePort(key bpf.RowPolicyPeerKey) (class uint32, protocol uint8, port uint16, ok bool) {
	return key.Set, uint8(key.Identity >> 16), uint16(key.Identity), key.Identity&singlePort != 0
}

// PolicyPrefix is the key of a prefix in a policy set.
func PolicyPrefix(set uint32, p netip.Prefix) bpf.RowPolicyPrefixKey {
	k := Prefix(set, p)
	return bpf.RowPolicyPrefixKey{Prefixlen: k.Prefixlen, Set: k.Vni, Addr: k.Addr}
}

// network32 and network16 have the bytes of a number in network order.
func network32(n uint32) uint32 {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return binary.NativeEndian.Uint32(b[:])
}

func network16(n uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], n)
	return binary.NativeEndian.Uint16(b[:])
}

// setNumbers are what an endpoint's row says of the sets that judge it.
func (e *encoder) setNumbers(p state.Endpoint) (numbers [2]uint32, err error) {
	for _, d := range []struct {
		name      string
		direction state.Direction
		at        bpf.RowDirection
	}{
		{p.Egress, state.Egress, bpf.RowDirectionDIRECTION_EGRESS},
		{p.Ingress, state.Ingress, bpf.RowDirectionDIRECTION_INGRESS},
	} {
		if d.name == "" {
			continue
		}
		s, ok := e.sets[d.name]
		if !ok {
			return numbers, fmt.Errorf("%s: the state has no policy set %s", d.direction, d.name)
		}
		if s.Direction != d.direction {
			return numbers, fmt.Errorf("%s: policy set %s is of %s", d.direction, d.name, s.Direction)
		}
		numbers[d.at] = e.index.Sets[setName(s)]
	}
	return numbers, nil
}

// setName is what a set has its number by: another revision is another set.
func setName(s state.PolicySet) string { return s.Name + "\x00" + s.Revision }

// SetName is the name of a set in [Index.Sets] without its revision.
func SetName(key string) string {
	for i := range key {
		if key[i] == 0 {
			return key[:i]
		}
	}
	return key
}

// ruleNames are the names of all rules that rows refer to.
func ruleNames(p state.Policy) []string {
	seen := map[string]bool{}
	var names []string
	add := func(j state.Judgement) {
		if !seen[j.Rule] {
			seen[j.Rule] = true
			names = append(names, j.Rule)
		}
	}
	for _, s := range p.Sets {
		add(s.Default)
	}
	for _, c := range p.Classes {
		for _, r := range c.Ranges {
			add(r.Judgement)
		}
	}
	return names
}
