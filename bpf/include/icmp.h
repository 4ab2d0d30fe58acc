/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_ICMP_H
#define MIZAR_ICMP_H

/* ICMP (RFC 792, RFC 1812) and ICMPv6 (RFC 4443) that the overlay itself says to
 * an endpoint, in the name of the gateway of its subnet.
 *
 * Contract: an error takes the place of the packet that it is about, and quotes
 * as much of it as is allowed, in whole words. Nothing is said about later
 * fragments and about errors. An endpoint gets no more than its budget. */

#include "budget.h"
#include "checksum.h"
#include "deliver.h"
#include "finish.h"

/* Types of RFC 792; linux/icmp.h drags a C library in. */
enum icmp_type {
	ICMP_ECHO_REPLY = 0,
	ICMP_UNREACHABLE = 3,
	ICMP_SOURCE_QUENCH = 4,
	ICMP_REDIRECT = 5,
	ICMP_ECHO = 8,
	ICMP_TIME_EXCEEDED = 11,
	ICMP_PARAMETER_PROBLEM = 12,
};

#define ICMP_TTL 64
#define ICMP_TOS 0xc0 /* internetwork control: RFC 1812, 4.3.2.5 */
#define QUOTE4 548 /* with 28 bytes of headers the 576 that every host takes */
#define QUOTE6 1232 /* with 48 the 1280 that every link carries */

/* The head of both kinds; `rest` is the MTU where there is one. */
struct icmp_error {
	__u8 type;
	__u8 code;
	__u16 check;
	__be32 rest;
};

/* What is said, to whom. */
struct complaint {
	enum drop_reason reason;
	__u32 endpoint; /* index in endpoints of who is told */
	__u16 mtu; /* that would have fit */
	__u16 before; /* bytes before the inner Ethernet header */
	bool v4;
	__u32 quote; /* bytes */
	struct icmp_error head;
};

/* Type and code for a reason; false when nothing is said about it. */
static __always_inline bool explain(struct complaint *c)
{
	__u16 said4, said6; /* type, code */

	switch (c->reason) {
	case DROP_TTL:
		said4 = 11 << 8;
		said6 = 3 << 8;
		break;
	case DROP_MTU:
		said4 = 3 << 8 | 4;
		said6 = 2 << 8;
		break;
	case DROP_NO_ENDPOINT:
		said4 = 3 << 8 | 1;
		said6 = 1 << 8 | 3;
		break;
	case DROP_NO_SUBNET:
		said4 = 3 << 8;
		said6 = 1 << 8;
		break;
	case DROP_GATEWAY:
	case DROP_NO_SERVICE:
	case DROP_NO_BACKEND:
		said4 = 3 << 8 | 3;
		said6 = 1 << 8 | 4;
		break;
	default:
		return false;
	}
	c->head.type = (c->v4 ? said4 : said6) >> 8;
	c->head.code = c->v4 ? said4 : said6;
	c->head.check = 0;
	c->head.rest = 0;
	if (c->reason != DROP_MTU)
		return true;
	if (!c->v4 && c->mtu < MTU6_LEAST)
		c->mtu = MTU6_LEAST;
	c->head.rest = bpf_htonl(c->mtu);
	return true;
}

/* What a host says of a question of another is final, not a gap in what it knows. */
static __always_inline bool is_final(enum drop_reason reason)
{
	return reason == DROP_NO_ENDPOINT || reason == DROP_NO_SUBNET || reason == DROP_MTU;
}

static __always_inline bool is_error_type(__u8 type, bool v4)
{
	if (!v4)
		return type < 128;
	return type == ICMP_UNREACHABLE || type == ICMP_SOURCE_QUENCH || type == ICMP_REDIRECT ||
	       type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETER_PROBLEM;
}

/* Errors about errors would never end. */
static __always_inline bool is_icmp_error(const struct pkt *p)
{
	__u8 type;

	if (!p->l4)
		return false;
	type = *(__u8 *)p->l4;
	if (p->ethertype == ETH_P_IPV6)
		return p->protocol == IPPROTO_ICMPV6 && is_error_type(type, false);
	return p->protocol == IPPROTO_ICMP && is_error_type(type, true);
}

/* Sum over `bytes`, whole words, from an offset in the packet on. A function of
 * its own: it is verified once. */
__noinline __u32 sum_packet(hook_ctx *ctx, __u32 offset, __u32 bytes)
{
	void *end = hook_end(ctx);
	__u64 sum = 0;

	if (offset > HEADERS_MAX)
		return 0;
	for (__u32 i = 0; i < QUOTE6 / 4; i++) {
		void *word = hook_data(ctx) + bounded(offset, 2 * HEADERS_MAX - 1) + i * 4;

		if (i * 4 >= bytes || word + 4 > end)
			break;
		sum += load32(word);
	}
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	return sum_fold(sum);
}

/* Who tells it, and between which Ethernet addresses. */
struct teller {
	const void *addr4, *addr6;
	const void *to, *from;
};

static __always_inline bool write_complaint4(struct cursor *c, struct pkt *p,
					     const struct teller *t, __u16 length)
{
	struct iphdr *ip = take(c, sizeof(*ip));

	if (!ip)
		return false;
	*(__u8 *)ip = 0x45;
	ip->tos = ICMP_TOS;
	ip->tot_len = bpf_htons(length);
	ip->id = 0;
	ip->frag_off = bpf_htons(IP_FLAG_DF);
	ip->ttl = ICMP_TTL;
	ip->protocol = IPPROTO_ICMP;
	ip->check = 0;
	ip->saddr = load32(t->addr4);
	ip->daddr = load32(p->source.addr + 12);
	ip->check = ~sum_fold(sum_words(ip, sizeof(*ip)));
	return true;
}

/* Adds what ICMPv6's checksum covers of the header to `sum`. */
static __always_inline bool write_complaint6(struct cursor *c, struct pkt *p,
					     const struct teller *t, __u16 length, __u32 *sum)
{
	struct ipv6hdr *ip = take(c, sizeof(*ip));

	if (!ip)
		return false;
	*(__be32 *)ip = bpf_htonl(0x60000000);
	ip->payload_len = bpf_htons(length);
	ip->nexthdr = IPPROTO_ICMPV6;
	ip->hop_limit = ICMP_TTL;
	addr_copy(&ip->saddr, t->addr6);
	addr_copy(&ip->daddr, p->source.addr);
	*sum += sum_words(&ip->saddr, 32) + bpf_htons(length) + bpf_htons(IPPROTO_ICMPV6);
	return true;
}

/* Writes the headers before the quoted packet; the frame is as long as it will
 * be by now. Either family's way takes and writes its own header: the verifier of
 * 6.1 does not know that the family that the length was chosen by is the one that
 * is asked for again later. */
static __always_inline bool write_complaint(struct pkt *p, const struct complaint *c,
					    const struct teller *t, __u32 quoted)
{
	struct cursor at = {.pos = hook_data(p->ctx), .end = hook_end(p->ctx)};
	struct ethhdr *eth = take(&at, sizeof(*eth));
	struct icmp_error *head;
	__u32 sum = quoted;

	if (!eth)
		return false;
	mac_copy(eth->h_dest, t->to);
	mac_copy(eth->h_source, t->from);
	*ethertype(eth) = c->v4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
	if (!(c->v4 ? write_complaint4(&at, p, t, sizeof(struct iphdr) + sizeof(*head) + c->quote)
		    : write_complaint6(&at, p, t, sizeof(*head) + c->quote, &sum)))
		return false;
	head = take(&at, sizeof(*head));
	if (!head)
		return false;
	*head = c->head;
	head->check = ~sum_fold(sum + sum_words(head, sizeof(*head)));
	return true;
}

/* Whether anything may be said, and is. */
static __always_inline bool may_complain(struct pkt *p, struct complaint *c)
{
	stage(p, STAGE_REFUSE);
	c->v4 = p->ethertype == ETH_P_IP;
	return p->fragment != FRAGMENT_LATER && !is_icmp_error(p) && explain(c);
}

/* Puts the error in the packet's place; the reason for which it could not. */
static __always_inline enum drop_reason put_complaint(struct pkt *p, struct complaint *c,
						      const struct teller *t)
{
	__u32 headers, from, linear, quoted;

	headers =
		(c->v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr)) + sizeof(struct icmp_error);
	linear = (__u32)(hook_end(p->ctx) - p->l3);
	c->quote = c->v4 ? QUOTE4 : QUOTE6;
	if (c->quote > p->l3_length)
		c->quote = p->l3_length;
	if (c->quote > linear)
		c->quote = linear;
	c->quote &= ~3U;
	from = sizeof(struct ethhdr) + headers;
	if (hook_resize(p->ctx, (int)headers - (int)c->before) ||
	    hook_trim(p->ctx, from + c->quote))
		return DROP_NO_ROOM;
	quoted = sum_packet(p->ctx, from, c->quote);
	return write_complaint(p, c, t, quoted) ? DROP_NONE : DROP_NO_ROOM;
}

/* The gateway of an endpoint tells it; the reason for which it could not, or may not:
 * then the packet is as it was, or lost with that reason. */
static __always_inline enum drop_reason complain(struct pkt *p, struct complaint *c)
{
	struct teller t = {};
	struct endpoint *e;
	struct subnet *s;

	if (!may_complain(p, c))
		return c->reason;
	e = endpoints_row(p, c->endpoint);
	s = e ? subnets_row(p, e->subnet) : NULL;
	if (!s)
		return c->reason;
	if (!spend_icmp(p, c->endpoint))
		return DROP_BUDGET;
	t.addr4 = s->gateway4;
	t.addr6 = s->gateway6;
	t.to = &e->door.mac;
	t.from = &e->door.gateway;
	return put_complaint(p, c, &t);
}

/* The index in budgets of all who are outside. */
#define OUTSIDERS 0

/* The host that somebody outside has come to tells him, from the address that he came to.
 * The frame has no tag. */
static __always_inline enum drop_reason complain_outside(struct pkt *p, struct complaint *c)
{
	struct mac to, from;
	struct teller t = {p->destination.addr + 12, p->destination.addr, &to, &from};

	if (!may_complain(p, c))
		return c->reason;
	if (!spend_icmp(p, OUTSIDERS))
		return DROP_BUDGET;
	mac_copy(&to, p->eth->h_source);
	mac_copy(&from, p->eth->h_dest);
	return put_complaint(p, c, &t);
}

#endif
