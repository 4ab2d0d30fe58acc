/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_LEARN_H
#define MIZAR_LEARN_H

/* What a host takes from the options of tunnel packets.
 *
 * Contract: an answer counts only if it quotes the token of a question that is
 * open; what nobody asked for counts only if a bouncer of the destination's
 * subnet or a divider of its VPC relayed it, or this host's own directory says
 * the same. A row that would not change is not written. */

#include "flow.h"
#include "tunnel.h"

static __always_inline bool has_role(const struct roles *r, __u32 host)
{
	for (__u32 i = 0; i < MAX_ROLES; i++) {
		if (i >= r->count)
			break;
		if (r->host[i] == host)
			return true;
	}
	return false;
}

/* Whoever handed us the packet may say where its source is. */
static __always_inline bool vouches(struct pkt *p, const struct tunnel *t, const struct local *to,
				    __u32 host)
{
	struct endpoint *e = endpoints_row(p, to->endpoint);
	struct subnet *s = e ? subnets_row(p, e->subnet) : NULL;
	struct location *l;
	struct vpc *v;

	if (s && has_role(&s->bouncers, t->peer))
		return true;
	v = vpcs_row(p, &t->vni);
	if (v && has_role(&v->dividers, t->peer))
		return true;
	l = directory_row(p, &p->source);
	return l && l->host == host;
}

/* The packet's source answers our question. */
static __always_inline void learn_answer(struct pkt *p, const struct tunnel *t, __u32 host)
{
	struct path *asked = paths_row(p, &p->source);
	struct path row = {.host = host,
			   .identity = t->identity,
			   .token = t->option.token,
			   .state = PATH_LEARNED,
			   .generation = t->option.source_generation};

	if (!asked || asked->state != PATH_ASKED || host != t->peer ||
	    asked->token != t->option.token)
		return;
	row.since = now();
	paths_put(p, &p->source, &row);
}

/* The packet's source asks: it will want to know where we are. */
static __always_inline void learn_asker(struct pkt *p, const struct tunnel *t,
					const struct local *to, __u32 host)
{
	struct path row = {.host = host,
			   .identity = t->identity,
			   .state = PATH_LEARNED,
			   .generation = t->option.source_generation,
			   .tell = 1};
	struct path *known = paths_row(p, &p->source);

	row.token = t->option.token;
	if (known && known->state == PATH_LEARNED && known->host == host &&
	    known->token == row.token && known->generation == row.generation)
		return;
	if (!vouches(p, t, to, host))
		return;
	row.since = now();
	/* Flows that know the way meet the path again. */
	if (known && known->state == PATH_LEARNED && known->host != host)
		forget_flows(p, known->host);
	forget_flows(p, host);
	paths_put(p, &p->source, &row);
}

static __always_inline void learn(struct pkt *p, const struct tunnel *t, const struct local *to)
{
	__u32 host;

	stage(p, STAGE_LEARN);
	host = peer_number(p, addr_words(t->option.host));
	/* What lives here is not learned from others. */
	if (!host || locals_row(p, &p->source))
		return;
	if (t->option.flags & RETURN_ANSWER)
		learn_answer(p, t, host);
	else
		learn_asker(p, t, to, host);
}

#endif
