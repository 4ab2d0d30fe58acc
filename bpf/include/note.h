/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_NOTE_H
#define MIZAR_NOTE_H

/* What is noted of a packet before its flow is looked at: which flow it belongs to,
 * and who its ends are.
 *
 * Contract: fragments have the ports of their first one (fragment.h); one that comes
 * before it belongs to no flow. */

#include "fragment.h"
#include "quote.h"
#include "track.h"

/* Which ports tell the packet's flow apart, and whether it belongs to one. */
static __always_inline enum drop_reason note_ports(struct pkt *p, struct tracked *k, __be16 *from,
						   __be16 *to)
{
	*from = p->sport;
	*to = p->dport;
	k->flags = 0;
	k->belongs = BELONGS_FLOW;
	k->follows = 0;
	k->led = 0;
	if (is_fragment(p))
		recall_fragments(p, k);
	if (p->fragment == FRAGMENT_LATER) {
		*from = k->parts.from;
		*to = k->parts.to;
		if (!k->parts.begun)
			k->belongs = BELONGS_FRAGMENT;
		return DROP_NONE;
	}
	if (!p->l4)
		return DROP_NONE;
	if (p->protocol == IPPROTO_TCP)
		return tcp_flags(p, &k->flags) ? DROP_NONE : DROP_TRUNCATED;
	if (is_icmp(p) && !echo_ports(p->l4, p->ethertype == ETH_P_IP, from, to))
		k->belongs = is_icmp_error(p) ? BELONGS_QUOTED : BELONGS_ALONE;
	return DROP_NONE;
}

/* Begins to track a packet: what it says itself. */
static __always_inline enum drop_reason note(struct pkt *p, struct tracked **noted)
{
	struct tracked *k = tracked_row();
	enum drop_reason reason;
	__be16 from, to;

	stage(p, STAGE_FLOW);
	if (!k)
		return DROP_NO_PROGRAM;
	*noted = k;
	reason = note_ports(p, k, &from, &to);
	if (reason)
		return reason;
	k->side = flow_key(p, &k->key, from, to);
	k->known = 0;
	k->doubt = 0;
	k->heard = 0;
	k->learned = 0;
	k->unopened = p->unopened;
	k->bytes = p->bytes;
	k->length = 0;
	if (p->l4 && p->fragment == FRAGMENT_NONE)
		k->length = p->l3_length - distance(p->l3, p->l4);
	k->fresh = 0;
	k->settled = 0;
	k->translation = p->translation & ~TRANSLATION_SELF;
	k->turn.translation = k->translation ? TRANSLATION_FROM : TRANSLATION_NONE;
#pragma unroll
	for (int i = 0; i < 2; i++) {
		k->endpoint[i] = 0;
		k->identity[i] = 0;
		k->host[i] = 0;
		k->epoch[i] = 0;
		k->generation[i] = 0;
	}
	if (k->belongs == BELONGS_QUOTED && p->l4 &&
	    !quoted_key(p->ctx, distance(hook_data(p->ctx), p->l4) + sizeof(struct echo), k))
		k->belongs = BELONGS_ALONE;
	return DROP_NONE;
}

/* An end that is behind this host. */
static __always_inline void note_here(struct tracked *k, enum role role, __u32 index,
				      const struct endpoint *e)
{
	k->endpoint[role] = index;
	k->identity[role] = e->identity;
	k->generation[role] = e->generation;
	if (role == ROLE_DESTINATION)
		k->known = 1;
}

/* A destination that was learned to be behind another host; none: who it is is
 * known, and the way there is still to be asked for, or to be told. */
static __always_inline void note_away(struct tracked *k, __u32 identity, __u8 generation,
				      __u32 number, const struct host *h)
{
	k->known = 1;
	k->doubt = 0;
	k->identity[ROLE_DESTINATION] = identity;
	k->generation[ROLE_DESTINATION] = generation;
	if (!h)
		return;
	k->host[ROLE_DESTINATION] = number;
	k->epoch[ROLE_DESTINATION] = h->epoch;
}

/* The fragments behind a first one follow its ports. */
static __always_inline void lead_ports(const struct pkt *p, struct tracked *k)
{
	__u32 side = k->side & 1;

	if (p->fragment != FRAGMENT_FIRST || k->belongs != BELONGS_FLOW)
		return;
	k->parts.from = k->key.port[side];
	k->parts.to = k->key.port[other_end(side)];
	k->parts.begun = 1;
	k->led = 1;
}

/* What becomes of a packet whose ends are noted: DROP_NONE, a reason, or
 * TRACK_ASK. */
static __always_inline enum drop_reason track(struct pkt *p, struct tracked *k)
{
	enum drop_reason reason;

	stage(p, STAGE_JUDGE);
	if (k->belongs == BELONGS_FLOW)
		reason = track_flow(p->record, k);
	else
		reason = track_alone(p->record, k);
	if (!reason)
		lead_ports(p, k);
	return reason;
}

#endif
