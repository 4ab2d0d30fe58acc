/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_QUOTE_H
#define MIZAR_QUOTE_H

/* What ICMP errors quote: the flow that they belong to, and its translation.
 *
 * Contract: an error belongs to the flow that it quotes if who sent the quoted packet is
 * who gets the error (RFC 5508, 7). A translated flow's errors are translated, what they
 * quote as well, in the other direction (RFC 5508, 4.2). */

#include "icmp.h"
#include "translate.h"

/* Ports of a quoted transport header; echo requests have theirs. */
static __always_inline bool quoted_ports(struct cursor *c, __u8 protocol, bool v4, struct way *w)
{
	struct udphdr *ports = take(c, sizeof(*ports));

	if (!ports)
		return false;
	if (protocol == (v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return echo_ports((struct echo *)ports, v4, &w->sport, &w->dport);
	if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP) {
		w->sport = ports->source;
		w->dport = ports->dest;
	}
	return true;
}

/* Writes the key of the flow that the ICMP error quotes from an offset in the packet
 * on; 0: it quotes none that is its own. A function of its own: it is verified once. */
__noinline int quoted_key(hook_ctx *ctx, __u32 offset, struct tracked *k)
{
	__u8 from[16] __attribute__((aligned(8))), to[16] __attribute__((aligned(8)));
	struct way w = {from, to, 0, 0};
	struct cursor c;
	__u8 protocol;
	bool v4;

	if (!k || offset > HEADERS_MAX)
		return 0;
	v4 = addr_mapped(k->key.addr[0]);
	c = (struct cursor){.pos = hook_data(ctx) + bounded(offset, 2 * HEADERS_MAX - 1),
			    .end = hook_end(ctx)};
	if (v4) {
		struct iphdr *ip = take(&c, sizeof(*ip));

		if (!ip || ip->version != 4 || ip->ihl < 5 ||
		    !take(&c, bounded((ip->ihl - 5) * 4, 0x3c)))
			return 0;
		addr_map(from, ip->saddr);
		addr_map(to, ip->daddr);
		protocol = ip->protocol;
	} else {
		struct ipv6hdr *ip = take(&c, sizeof(*ip));

		if (!ip || ip->version != 6)
			return 0;
		addr_copy(from, &ip->saddr);
		addr_copy(to, &ip->daddr);
		protocol = ip->nexthdr;
	}
	if (!quoted_ports(&c, protocol, v4, &w))
		return 0;
	/* The error is on its way to a backend, what it quotes still from the frontend. */
	if (k->translation == TRANSLATION_TO && addr_equal(from, k->turn.addr)) {
		addr_copy(from, k->backend.addr);
		w.sport = k->backend.port;
	}
	if (!addr_equal(from, k->key.addr[other_end(k->side)]))
		return 0;
	k->quoted.vni_protocol = (k->key.vni_protocol & ~0xffU) | protocol;
	write_ends(&k->quoted, &w);
	return 1;
}

/* Where a quoted packet begins and ends to be put into. */
struct quote {
	void *l3, *l4;
	__u8 protocol;
};

/* Finds the headers of what is quoted at the cursor; false: they are not there. */
static __always_inline bool find_quote(struct cursor *c, bool v4, struct quote *q)
{
	struct ipv6hdr *ip6;
	struct iphdr *ip;

	q->l3 = c->pos;
	if (v4) {
		ip = take(c, sizeof(*ip));
		if (!ip || ip->ihl < 5 || !take(c, bounded((ip->ihl - 5) * 4, 0x3c)))
			return false;
		q->protocol = ip->protocol;
	} else {
		ip6 = take(c, sizeof(*ip6));
		if (!ip6)
			return false;
		q->protocol = ip6->nexthdr;
	}
	q->l4 = c->pos;
	return take(c, sizeof(struct udphdr));
}

/* Puts an address and a port into the packet that is quoted; what the sum over all of it
 * changes by. The checksum of its transport header is not the receiver's to see: it is
 * left but for UDP, which has it where every error quotes it. */
static __always_inline __u32 put_quoted(struct quote *q, bool v4, enum translation t,
					const struct turn *turn)
{
	struct udphdr *ports = q->l4;
	__be16 *port = t == TRANSLATION_TO ? &ports->dest : &ports->source;
	__u32 changed = 0, ported;
	__u16 was;

	if (q->protocol == (v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		port = &ports->len; /* where an echo has its number */
	ported = sum_narrow((__u64)(__u16) ~*port + turn->port);
	*port = turn->port;
	if (v4) {
		struct iphdr *ip = q->l3;

		changed = replace_address(t == TRANSLATION_TO ? &ip->daddr : &ip->saddr,
					  turn->addr + 12, 1);
		/* The header's own sum takes back what the address adds. */
		ip->check = sum_adjust(ip->check, changed);
	} else {
		struct ipv6hdr *ip6 = q->l3;

		changed = replace_address(t == TRANSLATION_TO ? (void *)&ip6->daddr
							      : (void *)&ip6->saddr,
					  turn->addr, 4);
	}
	was = ports->check;
	if (q->protocol == IPPROTO_UDP && was) {
		ports->check = sum_adjust(was, (__u64)changed + ported);
		return sum_narrow((__u64)(v4 ? 0 : changed) + ported + (__u16)~was + ports->check);
	}
	return sum_narrow((__u64)(v4 ? 0 : changed) + ported);
}

/* Translates an error whose headers are at those offsets; 0: they are not there. */
static __always_inline int turn_error(hook_ctx *ctx, struct tracked *k, __u32 l3, __u32 l4)
{
	struct cursor c = {.end = hook_end(ctx)};
	enum translation outer, inner;
	const struct turn *turn;
	struct icmp_error *head;
	struct quote q;
	__u32 changed = 0, quoted;
	void *at;
	bool v4;

	outer = k->translation == TRANSLATION_TO ? TRANSLATION_TO : TRANSLATION_FROM;
	inner = outer == TRANSLATION_TO ? TRANSLATION_FROM : TRANSLATION_TO;
	turn = outer == TRANSLATION_TO ? &k->backend : &k->turn;
	v4 = addr_mapped(turn->addr);
	c.pos = hook_data(ctx) + bounded(l3, 0x1ff);
	at = c.pos;
	if (!take(&c, v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr)))
		return 0;
	c.pos = hook_data(ctx) + bounded(l4, 2 * HEADERS_MAX - 1);
	head = take(&c, sizeof(*head));
	if (!head || !find_quote(&c, v4, &q))
		return 0;
	quoted = put_quoted(&q, v4, inner, turn);
	c.pos = at;
	if (k->turns_outer && !put_address(c, v4, outer, turn->addr, &changed))
		return 0;
	hook_resum(ctx, &head->check, v4 ? 0 : changed, quoted, false);
	return 1;
}

/* Puts in what has been found out of a packet that is tracked, whose headers are at
 * those offsets; 0: they are not there. A function of its own: it is verified once. */
__noinline int turn_packet(hook_ctx *ctx, __u32 l3, __u32 l4)
{
	struct tracked *k = tracked_row();

	if (!k)
		return 0;
	return k->belongs == BELONGS_QUOTED ? turn_error(ctx, k, l3, l4)
					    : turn_whole(ctx, k, l3, l4);
}

/* The same in a program that goes on with the packet: what has been found out of one
 * that is tracked is put in. */
static __always_inline enum drop_reason turn_tracked(struct pkt *p, struct tracked *k)
{
	struct headers h;

	/* Read twice, so that the verifier does not tell apart what comes after. */
	p->translation = *(volatile __u8 *)&k->translation;
	if (!*(volatile __u8 *)&k->translation)
		return DROP_NONE;
	stage(p, STAGE_TRANSLATE);
	h = headers_of(p);
	if (!turn_packet(p->ctx, h.l3, h.l4))
		return DROP_TRUNCATED;
	return headers_again(p, &h) ? DROP_NONE : DROP_TRUNCATED;
}

#endif
