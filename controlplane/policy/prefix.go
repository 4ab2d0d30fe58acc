// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"net/netip"
	"slices"
)

// everywhere are the prefixes of anyone.
var everywhere = []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}

// granted is a prefix, and the rules that hold for all of its addresses that no
// longer prefix has, by their order.
type granted struct {
	prefix netip.Prefix
	rules  []int
}

// part is a block of some rule, at one of the prefixes that it is made of.
type part struct {
	prefix netip.Prefix
	// block tells blocks apart; of the same block, the exceptions end it.
	block int
	ends  bool
}

// fold makes a table of prefixes of the blocks of rules, by the rule's order, in
// which the longest prefix of an address alone says what holds. Every block is
// without its exceptions exactly, whatever others say of the same addresses. What
// says the same as the next shorter prefix is left out.
func fold(rules []tiered) []granted {
	parts, owner := partsOf(rules)
	slices.SortStableFunc(parts, func(a, b part) int {
		return cmp.Or(a.prefix.Addr().Compare(b.prefix.Addr()), cmp.Compare(a.prefix.Bits(), b.prefix.Bits()))
	})
	var out []granted
	var outer []level // from the shortest prefix to the longest
	for i := 0; i < len(parts); {
		prefix := parts[i].prefix
		for len(outer) > 0 && !outer[len(outer)-1].prefix.Contains(prefix.Addr()) {
			outer = outer[:len(outer)-1]
		}
		now := level{prefix: prefix}
		if len(outer) > 0 {
			now.blocks = slices.Clone(outer[len(outer)-1].blocks)
		}
		start := i
		for ; i < len(parts) && parts[i].prefix == prefix; i++ {
			if !parts[i].ends {
				now.add(parts[i].block)
			}
		}
		for _, p := range parts[start:i] {
			if p.ends {
				now.remove(p.block)
			}
		}
		now.orders = ordersOf(now.blocks, owner)
		var before []int
		if len(outer) > 0 {
			before = outer[len(outer)-1].orders
		}
		if !slices.Equal(before, now.orders) {
			out = append(out, granted{prefix, now.orders})
		}
		outer = append(outer, now)
	}
	return out
}

// level is a prefix on the way down, and the blocks that hold there, sorted.
type level struct {
	prefix netip.Prefix
	blocks []int
	orders []int
}

func (l *level) add(block int) {
	if at, there := slices.BinarySearch(l.blocks, block); !there {
		l.blocks = slices.Insert(l.blocks, at, block)
	}
}

func (l *level) remove(block int) {
	if at, there := slices.BinarySearch(l.blocks, block); there {
		l.blocks = slices.Delete(l.blocks, at, at+1)
	}
}

// partsOf takes blocks apart; owner is the order of the rule of each block.
func partsOf(rules []tiered) (parts []part, owner []int) {
	for order, r := range rules {
		blocks := r.blocks
		if r.anyone {
			for _, p := range everywhere {
				blocks = append(blocks, block{prefix: p})
			}
		}
		for _, b := range blocks {
			number := len(owner)
			owner = append(owner, order)
			parts = append(parts, part{prefix: b.prefix, block: number})
			for _, e := range b.except {
				parts = append(parts, part{prefix: e, block: number, ends: true})
			}
		}
	}
	return parts, owner
}

// ordersOf are the rules of blocks, sorted, each once. Blocks of one rule have
// successive numbers, so the orders come sorted.
func ordersOf(blocks, owner []int) []int {
	var orders []int
	for _, b := range blocks {
		if n := len(orders); n == 0 || orders[n-1] != owner[b] {
			orders = append(orders, owner[b])
		}
	}
	return orders
}
