/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_DEPART_H
#define MIZAR_DEPART_H

/* What leaves a VPC for the outside: answers to clients there, from the frontend that they
 * came to, and what endpoints send there, from an address of this host. */

#include "endpoint.h"
#include "snat.h"

/* The destination is outside: remembered at the cost of a question. */
static __always_inline void remember_outside(struct pkt *p, const struct sender *from)
{
	struct path row = {.since = now(), .state = PATH_OUTSIDE};

	if (spend_question(p, from->index, row.since))
		paths_put(p, &p->destination, &row);
}

static __always_inline enum drop_reason find_way_out(struct pkt *p, const struct sender *from,
						     __u8 leaves, struct outgoing *out)
{
	bool answers = p->translation == TRANSLATION_OUTSIDE;
	enum drop_reason reason;
	struct tracked *k = NULL;

	if (leaves & LEAVES_PERHAPS) {
		if (!may_leave(p))
			return DROP_NO_SUBNET;
		remember_outside(p, from);
	}
	reason = note(p, &k);
	if (reason || !k)
		return reason;
	k->fresh = 1;
	note_here(k, ROLE_SOURCE, from->index, from->row);
	if (answers) {
		k->translation = TRANSLATION_NONE;
		k->turn.translation = TRANSLATION_NONE;
	}
	reason = begin_leaving(p, out, k);
	if (!reason && leaves & LEAVES_JUDGED)
		lead_ports(p, k);
	else if (!reason)
		reason = track(p, k);
	if (!reason && !answers)
		reason = take_face(p, k);
	if (reason)
		return reason;
	keep_fragments(p);
	return turn_tracked(p, k);
}

static __always_inline enum drop_reason process_depart(struct pkt *p)
{
	struct sender from = {.index = take_over_sent(p)};
	struct handed *h = handed_row();
	struct outgoing out = {};
	enum drop_reason reason;

	if (!from.index || !h)
		return DROP_TRUNCATED;
	p->stage = STAGE_FLOW;
	p->port = hook_port(p->ctx);
	from.row = endpoints_row(p, from.index);
	if (!from.row)
		return DROP_NO_PORT;
	reason = find_way_out(p, &from, h->leaves, &out);
	if (!reason)
		reason = leave(p, from.row, &out);
	return reason ? refuse(p, &from, reason) : DROP_NONE;
}

#endif
