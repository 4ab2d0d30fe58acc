/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_RELAY_H
#define MIZAR_RELAY_H

/* The roles of bouncer and divider: packets for endpoints elsewhere, and
 * packets that a bouncer sent back with the location.
 *
 * Contract: only what asks for it (return-to-sender) is relayed, and at most
 * RELAY_LIMIT times. A host that relays neither learns nor tracks. */

#include "encapsulate.h"
#include "learn.h"
#include "locate.h"

/* Who is next: the endpoint's host, or a bouncer that knows it. */
static __always_inline enum drop_reason find_next(struct pkt *p, struct next *n)
{
	struct location *l = directory_row(p, &p->destination);
	struct vpc *v;

	if (l) {
		n->host = l->host;
		n->identity = l->identity;
		n->generation = l->generation;
		n->located = true;
		return l->host ? DROP_NONE : DROP_NO_ENDPOINT;
	}
	v = vpcs_row(p, &p->destination.vni);
	if (!v)
		return DROP_NOT_OURS;
	return v->divider ? divide(p, n) : DROP_NO_ENDPOINT;
}

static __always_inline enum drop_reason bounce(struct pkt *p, const struct tunnel *t,
					       const struct host *h, const struct label *l,
					       enum verdict verdict)
{
	__u32 ifindex = h->ifindex;
	enum drop_reason reason = encapsulate(p, h, l, t->length);

	return reason ? reason : decide(p, verdict, HOOK_BOUNCE, ifindex);
}

/* To the source host, with the location it asked for. */
static __always_inline enum drop_reason send_back(struct pkt *p, const struct tunnel *t,
						  const struct next *n, struct label *l)
{
	struct host *found = hosts_row(p, n->host);
	struct host *h;
	__u32 asker;

	stage(p, STAGE_SEND_BACK);
	asker = peer_number(p, t->option.host);
	h = asker ? hosts_row(p, asker) : NULL;
	if (!h || !found)
		return DROP_NO_HOST;
	l->option = GENEVE_SEND_BACK;
	l->found = n->identity << 8 | n->generation;
	addr_copy(l->host, found->addr);
	return bounce(p, t, h, l, VERDICT_SEND_BACK);
}

static __always_inline enum drop_reason relay(struct pkt *p, const struct tunnel *t)
{
	struct label l = {.identity = t->identity, .generation = t->generation};
	struct next n = {};
	enum drop_reason reason;
	struct host *h;

	stage(p, STAGE_RELAY);
	if (t->option.type != GENEVE_RETURN)
		return DROP_NOT_OURS;
	if (!t->option.limit)
		return DROP_RELAY_LIMIT;
	reason = find_next(p, &n);
	if (reason)
		return reason;
	l.token = t->option.token;
	if (n.located && t->option.flags & RETURN_SEND_BACK)
		return send_back(p, t, &n, &l);
	h = hosts_row(p, n.host);
	if (!h)
		return DROP_NO_HOST;
	l.option = GENEVE_RETURN;
	l.flags = t->option.flags;
	l.limit = t->option.limit - 1;
	addr_copy(l.host, t->option.host);
	return bounce(p, t, h, &l, VERDICT_RELAY);
}

/* Our own packet came back with the location: learn it, and go there. */
static __always_inline enum drop_reason resend(struct pkt *p, const struct tunnel *t)
{
	struct path *asked = paths_row(p, &p->destination);
	struct path row = {.state = PATH_LEARNED};
	struct label l = {.identity = t->identity};
	struct host *h;

	stage(p, STAGE_SEND_BACK);
	if (!asked || asked->state != PATH_ASKED || asked->token != t->option.token)
		return DROP_SEND_BACK;
	row.host = peer_number(p, t->option.host);
	h = row.host ? hosts_row(p, row.host) : NULL;
	if (!h)
		return DROP_NO_HOST;
	row.identity = t->option.found >> 8;
	row.generation = t->option.found;
	row.since = now();
	paths_put(p, &p->destination, &row);
	l.generation = row.generation;
	return bounce(p, t, h, &l, VERDICT_RESEND);
}

#endif
