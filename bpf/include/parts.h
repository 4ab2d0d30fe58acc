/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_PARTS_H
#define MIZAR_PARTS_H

/* Headers of packets in parts (sk_buffs), of which pointers reach the first alone.
 *
 * Contract: used before any pointer into the packet is taken. Headers that lie in
 * the first part already stay: to bring more would copy payload. Functions of
 * their own, which are verified once; XDP needs neither. */

#include <linux/tcp.h>

#include "geneve.h"
#include "parse.h"

/* The headers of TCP or UDP over IP without anything between lie before the end:
 * so they do in a packet that a stack sends. */
static __always_inline bool is_plain(struct cursor *c)
{
	struct ethhdr *eth = take(c, sizeof(*eth));
	struct iphdr *ip = take(c, sizeof(*ip));
	__u8 protocol;

	if (!eth || !ip)
		return false;
	if (*ethertype(eth) == bpf_htons(ETH_P_IPV6)) {
		protocol = ((struct ipv6hdr *)ip)->nexthdr;
		if (!take(c, sizeof(struct ipv6hdr) - sizeof(*ip)))
			return false;
	} else {
		protocol = ip->protocol;
		if (*(__u8 *)ip != IP_PLAIN)
			return false;
	}
	return (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) &&
	       take(c, sizeof(struct tcphdr));
}

/* Brings the headers of an endpoint's frame into the first part; 0 or a negative
 * errno. */
__noinline int gather(hook_ctx *ctx)
{
	struct cursor c = {.pos = hook_data(ctx), .end = hook_end(ctx)};

	return is_plain(&c) ? 0 : hook_pull(ctx, HEADERS_MAX);
}

/* The outer headers, without a tag or options of IP, and what is_plain asks for
 * behind them. */
static __always_inline bool is_plain_tunnel(hook_ctx *ctx)
{
	struct cursor c = {.pos = hook_data(ctx), .end = hook_end(ctx)};
	struct ethhdr *eth = take(&c, sizeof(*eth));
	struct iphdr *ip = take(&c, sizeof(*ip));
	struct geneve *g;

	if (!eth || !ip)
		return false;
	if (*ethertype(eth) == bpf_htons(ETH_P_IPV6) &&
	    !take(&c, sizeof(struct ipv6hdr) - sizeof(*ip)))
		return false;
	if (!take(&c, sizeof(struct udphdr)))
		return false;
	g = take(&c, sizeof(*g));
	return g && take(&c, (g->version_length & 0x3f) * 4) && is_plain(&c);
}

/* The same for what arrives from the underlay. */
__noinline int gather_tunnel(hook_ctx *ctx)
{
	return is_plain_tunnel(ctx) ? 0 : hook_pull(ctx, HEADERS_MAX);
}

#endif
