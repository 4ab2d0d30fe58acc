/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_TRANSLATE_H
#define MIZAR_TRANSLATE_H

/* Addresses and ports are put into a packet.
 *
 * Contract: TRANSLATION_TO puts them in as the destination, TRANSLATION_FROM as the
 * source. Every checksum follows by what has changed under it (RFC 1624): one that
 * was wrong stays wrong, a UDP checksum of zero stays zero (RFC 768). Later fragments
 * have addresses alone. Pointers of struct pkt are good afterwards. */

#include "checksum.h"
#include "crc.h"
#include "flow.h"
#include "parse.h"

/* Writes an address in the place of another one of its family, of so many words; what
 * sums over it change by. */
static __always_inline __u32 replace_address(void *at, const void *addr, __u32 words)
{
	__u32 *to = at;
	__u64 sum = 0;

#pragma unroll
	for (__u32 i = 0; i < 4; i++) {
		if (i >= words)
			break;
		sum += sum_change(to[i], load32(addr + i * 4));
		to[i] = load32(addr + i * 4);
	}
	return sum_narrow(sum);
}

/* Puts an address in the place of one of the two, `words` long, at `from` and behind it.
 * Two ends never have the same address: who is the backend that he asks for meets
 * himself as the frontend, and the other address becomes what the one was. */
static __always_inline __u32 put_between(void *from, __u32 words, enum translation t,
					 const __u8 *addr)
{
	void *to = from + words * 4;
	void *at = t == TRANSLATION_TO ? to : from, *other = t == TRANSLATION_TO ? from : to;
	__u32 was[4] = {}, changed;

#pragma unroll
	for (__u32 i = 0; i < 4; i++) {
		if (i < words)
			was[i] = load32(at + i * 4);
	}
	changed = replace_address(at, addr, words);
	if (load32(at + words * 4 - 4) != load32(other + words * 4 - 4))
		return changed;
	if (words == 4 && !addr_equal(at, other))
		return changed;
	return sum_narrow((__u64)changed + replace_address(other, was, words));
}

/* Into the IP header at the cursor; false: it is not there. */
static __always_inline bool put_address(struct cursor c, bool v4, enum translation t,
					const __u8 *addr, __u32 *changed)
{
	struct ipv6hdr *ip6;
	struct iphdr *ip;

	if (!v4) {
		ip6 = take(&c, sizeof(*ip6));
		if (!ip6)
			return false;
		*changed = put_between(&ip6->saddr, 4, t, addr);
		return true;
	}
	ip = take(&c, sizeof(*ip));
	if (!ip)
		return false;
	*changed = put_between(&ip->saddr, 1, t, addr + 12);
	ip->check = sum_adjust(ip->check, *changed);
	return true;
}

/* Into SCTP's header of a packet of so many bytes from there on, of which the checksum
 * does not look at addresses; false: it is not there, or not whole. */
static __always_inline bool put_sctp_port(struct cursor c, enum translation t, __be16 port,
					  __u32 length)
{
	struct udphdr *ports = take(&c, SCTP_HEADER);
	__u32 changed; /* of the first four bytes, as they lie in memory */

	if (!ports)
		return false;
	if (t == TRANSLATION_TO) {
		changed = (__u32)(ports->dest ^ port) << 16;
		ports->dest = port;
	} else {
		changed = ports->source ^ port;
		ports->source = port;
	}
	if (changed)
		*(__u32 *)((void *)ports + 8) ^= crc_change(changed, length);
	return length || !changed;
}

/* What put_port is to put in. */
struct new_port {
	enum translation translation;
	__be16 port;
	__u8 protocol;
	__u32 addresses; /* what a sum over them has changed by */
	__u32 length; /* bytes from the transport header on; 0: in fragments */
};

/* Into an echo, whose number is the port of who asks. */
static __always_inline bool put_echo_id(hook_ctx *ctx, struct cursor c, const struct new_port *n)
{
	struct echo *head = take(&c, sizeof(*head));
	__u32 changed;

	if (!head)
		return false;
	changed = sum_narrow((__u64)(__u16)~head->id + n->port);
	head->id = n->port;
	/* Of IPv4's no address is in the sum. */
	hook_resum(ctx, &head->check, n->protocol == IPPROTO_ICMPV6 ? n->addresses : 0, changed,
		   false);
	return true;
}

/* Into the transport header at the cursor; false: it is not there. Pointers into the
 * packet are dead then, where HOOK_RESUM_MOVES. */
static __always_inline bool put_port(hook_ctx *ctx, struct cursor c, const struct new_port *n)
{
	bool udp = n->protocol == IPPROTO_UDP;
	struct udphdr *ports;
	__u16 *check, was;

	if (n->protocol == IPPROTO_SCTP)
		return put_sctp_port(c, n->translation, n->port, n->length);
	if (n->protocol == IPPROTO_ICMP || n->protocol == IPPROTO_ICMPV6)
		return put_echo_id(ctx, c, n);
	ports = take(&c, sizeof(*ports));
	if (!ports)
		return false;
	check = &ports->check;
	if (!udp) {
		struct tcphdr *tcp = (void *)ports;

		if (!take(&c, sizeof(*tcp) - sizeof(*ports)))
			return false;
		check = &tcp->check;
	}
	was = n->translation == TRANSLATION_TO ? ports->dest : ports->source;
	if (n->translation == TRANSLATION_TO)
		ports->dest = n->port;
	else
		ports->source = n->port;
	hook_resum(ctx, check, n->addresses, sum_narrow((__u64)(__u16)~was + n->port), udp);
	return true;
}

/* Where the headers are that struct pkt points to. */
struct headers {
	__u32 eth, l3, l4; /* bytes from the packet's beginning; l4 0: there is none */
};

static __always_inline struct headers headers_of(const struct pkt *p)
{
	void *data = hook_data(p->ctx);

	return (struct headers){distance(data, p->eth), distance(data, p->l3),
				p->l4 ? distance(data, p->l4) : 0};
}

/* Pointers to the same headers once more. */
static __always_inline bool headers_again(struct pkt *p, const struct headers *h)
{
	void *data = hook_data(p->ctx);
	struct cursor c = {.pos = data + bounded(h->eth, 0x1ff), .end = hook_end(p->ctx)};

	p->eth = take(&c, sizeof(struct ethhdr));
	c.pos = data + bounded(h->l3, 0x1ff);
	if (p->ethertype == ETH_P_IP)
		p->l3 = take(&c, sizeof(struct iphdr));
	else
		p->l3 = take(&c, sizeof(struct ipv6hdr));
	c.pos = data + bounded(h->l4, 2 * HEADERS_MAX - 1);
	p->l4 = NULL;
	if (h->l4)
		p->l4 = take(&c, sizeof(struct udphdr));
	if (p->eth && p->l3 && (p->l4 || !h->l4))
		return true;
	p->l4 = NULL;
	return false;
}

/* Notes in struct pkt what the packet has now. */
static __always_inline void note_put(struct pkt *p, enum translation t, const __u8 *addr,
				     __be16 port)
{
	if (t == TRANSLATION_TO) {
		addr_copy(p->destination.addr, addr);
		p->dport = port;
	} else {
		addr_copy(p->source.addr, addr);
		p->sport = port;
	}
}

/* A packet of a flow that is known, whole; false: the headers are not there. */
static __always_inline bool translate(struct pkt *p, enum translation t, const __u8 *addr,
				      __be16 port)
{
	struct cursor c = {.pos = p->l3, .end = hook_end(p->ctx)};
	struct new_port n = {.translation = t, .port = port, .protocol = p->protocol};
	struct headers h = {};

	stage(p, STAGE_TRANSLATE);
	if (HOOK_RESUM_MOVES)
		h = headers_of(p);
	if (!p->l4 || !put_address(c, p->ethertype == ETH_P_IP, t, addr, &n.addresses))
		return false;
	c.pos = p->l4;
	n.length = p->l3_length - distance(p->l3, p->l4);
	if (!put_port(p->ctx, c, &n))
		return false;
	note_put(p, t, addr, port);
	return !HOOK_RESUM_MOVES || headers_again(p, &h);
}

/* A packet that is tracked, whose headers are at those offsets; 0: they are not there. */
static __always_inline int turn_whole(hook_ctx *ctx, struct tracked *k, __u32 l3, __u32 l4)
{
	struct cursor c = {.end = hook_end(ctx)};
	struct new_port n = {.protocol = protocol_of(&k->key), .length = k->length};
	const struct turn *turn;
	enum translation t;

	t = k->translation == TRANSLATION_TO ? TRANSLATION_TO : TRANSLATION_FROM;
	turn = t == TRANSLATION_TO ? &k->backend : &k->turn;
	n.translation = t;
	n.port = turn->port;
	c.pos = hook_data(ctx) + bounded(l3, 0x1ff);
	if (!put_address(c, addr_mapped(turn->addr), t, turn->addr, &n.addresses))
		return 0;
	if (!l4)
		return 1;
	c.pos = hook_data(ctx) + bounded(l4, 2 * HEADERS_MAX - 1);
	return put_port(ctx, c, &n);
}

#endif
