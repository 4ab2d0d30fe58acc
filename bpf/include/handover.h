/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_HANDOVER_H
#define MIZAR_HANDOVER_H

/* From a program for what most packets are to one for the others.
 *
 * Contract: the packet is handed over unchanged and not counted yet. What was
 * found out about it goes with it, so that it is neither parsed nor verified
 * twice; pointers are taken anew. */

#include "tunnel.h"

/* What the parser has found; `length` bytes lie before the endpoint's frame. */
static __always_inline void put_down(const struct pkt *p, struct handed *h, __u32 length)
{
	h->source = p->source;
	h->destination = p->destination;
	h->sport = p->sport;
	h->dport = p->dport;
	h->l3_length = p->l3_length;
	h->ethertype = p->ethertype;
	h->l4 = p->l4 ? distance(hook_data(p->ctx), p->l4) : 0;
	h->length = length;
	h->protocol = p->protocol;
	h->fragment = p->fragment;
	h->tos = p->tos;
	h->ttl = p->ttl;
	h->fragment_id = p->fragment_id;
	h->unopened = p->unopened;
	h->translation = TRANSLATION_NONE;
}

/* What has come from outside, as if it had come through the tunnel from nobody. */
static __always_inline void put_down_outside(const struct pkt *p, struct handed *h, __u8 generation,
					     __u8 type, __u32 length)
{
	put_down(p, h, length);
	h->identity = 0;
	h->peer = 0;
	h->generation = generation;
	h->outer_tos = p->tos;
	h->type = type;
	h->flags = 0;
	h->limit = 0;
	h->source_generation = 0;
	h->token = 0;
}

/* What an endpoint of this host has sent. */
static __always_inline enum drop_reason hand_over_sent(struct pkt *p, __u32 endpoint, bool served)
{
	struct handed *h = handed_row();

	if (!h)
		return DROP_NO_PROGRAM;
	put_down(p, h, 0);
	h->endpoint = endpoint;
	if (served)
		return next_program(p, PROGRAM_SERVICE);
	if (p->fragment != FRAGMENT_NONE)
		return next_program(p, PROGRAM_FRAGMENT);
	return next_program(p, PROGRAM_COURSE);
}

/* What came through the tunnel. */
static __always_inline enum drop_reason hand_over(struct pkt *p, const struct tunnel *t,
						  enum program to)
{
	struct handed *h = handed_row();

	if (!h)
		return DROP_NO_PROGRAM;
	put_down(p, h, t->length);
	h->identity = t->identity;
	h->peer = t->peer;
	h->generation = t->generation;
	h->outer_tos = t->tos;
	h->type = t->option.type;
	h->flags = t->option.flags;
	h->limit = t->option.limit;
	h->source_generation = t->option.source_generation;
	h->found = t->option.found;
	h->token = t->option.token;
	addr_copy(h->host, t->option.host);
	return next_program(p, to);
}

/* Pointers to the headers that were found before, `untagged` bytes nearer now. */
static __always_inline bool find_again(struct pkt *p, const struct handed *h, __u32 untagged)
{
	void *data = hook_data(p->ctx);
	void *end = hook_end(p->ctx);
	struct cursor c = {.pos = data + bounded(h->length - untagged, 0x1ff), .end = end};
	struct cursor l4 = {.pos = data + bounded(h->l4 - untagged, 2 * HEADERS_MAX - 1),
			    .end = end};

	p->eth = take(&c, sizeof(struct ethhdr));
	if (!p->eth)
		return false;
	if (p->ethertype == ETH_P_IP)
		p->l3 = take(&c, sizeof(struct iphdr));
	else
		p->l3 = take(&c, sizeof(struct ipv6hdr));
	if (h->l4)
		p->l4 = take(&l4, sizeof(struct udphdr));
	return p->l3;
}

static __always_inline bool take_up(struct pkt *p, const struct handed *h, __u32 untagged)
{
	p->source = h->source;
	p->destination = h->destination;
	p->sport = h->sport;
	p->dport = h->dport;
	p->l3_length = h->l3_length;
	p->ethertype = h->ethertype;
	p->protocol = h->protocol;
	p->fragment = h->fragment;
	p->tos = h->tos;
	p->ttl = h->ttl;
	p->fits = 0;
	p->fragment_id = h->fragment_id;
	p->unopened = h->unopened;
	p->translation = h->translation;
	return find_again(p, h, untagged);
}

/* Returns the sender's index in endpoints; 0: the headers can't be found again. */
static __always_inline __u32 take_over_sent(struct pkt *p)
{
	struct handed *h = handed_row();

	return h && take_up(p, h, 0) ? h->endpoint : 0;
}

static __always_inline bool take_over(struct pkt *p, struct tunnel *t)
{
	struct handed *h = handed_row();
	__u32 untagged = hook_untag(p->ctx);

	if (!h || !take_up(p, h, untagged))
		return false;
	t->length = bounded(h->length - untagged, 0x1ff);
	t->identity = h->identity;
	t->peer = h->peer;
	t->vni = p->source.vni;
	t->generation = h->generation;
	t->tos = h->outer_tos;
	t->option.type = h->type;
	t->option.flags = h->flags;
	t->option.limit = h->limit;
	t->option.source_generation = h->source_generation;
	t->option.found = h->found;
	t->option.token = h->token;
	addr_copy(t->option.host, h->host);
	return true;
}

#endif
