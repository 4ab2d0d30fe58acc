/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_RELAY_H
#define MIZAR_RELAY_H

/* The roles of bouncer and divider: packets for endpoints elsewhere, and
 * packets that a bouncer sent back with the location.
 *
 * Contract: only what asks for it (return-to-sender) is relayed, and at most
 * RELAY_LIMIT times. A host that relays neither learns nor tracks. */

#include "deliver.h"
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

/* To the source host, with the location it asked for. */
static __always_inline enum drop_reason
prepare_send_back(struct pkt *p, const struct tunnel *t, const struct next *n, struct outgoing *out)
{
	struct host *found = hosts_row(p, n->host);
	__u32 asker;

	stage(p, STAGE_SEND_BACK);
	asker = peer_number(p, t->option.host);
	out->host = asker ? hosts_row(p, asker) : NULL;
	if (!out->host || !found)
		return DROP_NO_HOST;
	out->verdict = VERDICT_SEND_BACK;
	out->label.option = GENEVE_SEND_BACK;
	out->label.found = n->identity << 8 | n->generation;
	addr_copy(out->label.host, found->addr);
	return DROP_NONE;
}

/* To the endpoint's host, or to a bouncer that knows it. */
static __always_inline enum drop_reason prepare_relay(struct pkt *p, const struct tunnel *t,
						      struct outgoing *out)
{
	struct next n = {};
	enum drop_reason reason;

	stage(p, STAGE_RELAY);
	if (t->option.type != GENEVE_RETURN)
		return DROP_NOT_OURS;
	if (!t->option.limit)
		return DROP_RELAY_LIMIT;
	reason = find_next(p, &n);
	if (reason)
		return reason;
	out->label.generation = t->generation;
	out->label.token = t->option.token;
	if (n.located && t->option.flags & RETURN_SEND_BACK)
		return prepare_send_back(p, t, &n, out);
	out->host = hosts_row(p, n.host);
	if (!out->host)
		return DROP_NO_HOST;
	out->verdict = VERDICT_RELAY;
	out->label.option = GENEVE_RETURN;
	out->label.flags = t->option.flags;
	out->label.limit = t->option.limit - 1;
	out->label.source_generation = t->option.source_generation;
	addr_copy(out->label.host, t->option.host);
	return DROP_NONE;
}

/* Our own packet came back with the location: learn it, and go there. */
static __always_inline enum drop_reason prepare_resend(struct pkt *p, const struct tunnel *t,
						       struct outgoing *out)
{
	struct path *asked = paths_row(p, &p->destination);
	struct path row = {.state = PATH_LEARNED};

	stage(p, STAGE_SEND_BACK);
	if (!asked || asked->state != PATH_ASKED || asked->token != t->option.token)
		return DROP_SEND_BACK;
	row.host = peer_number(p, t->option.host);
	out->host = row.host ? hosts_row(p, row.host) : NULL;
	if (!out->host)
		return DROP_NO_HOST;
	row.identity = t->option.found >> 8;
	row.generation = t->option.found;
	row.since = now();
	paths_put(p, &p->destination, &row);
	out->verdict = VERDICT_RESEND;
	out->label.generation = row.generation;
	return DROP_NONE;
}

/* Back onto the underlay, under new outer headers. */
static __always_inline enum drop_reason bounce(struct pkt *p, const struct tunnel *t)
{
	struct outgoing out = {.label.identity = t->identity};
	enum drop_reason reason;
	__u32 ifindex;

	if (t->option.type == GENEVE_SEND_BACK)
		reason = prepare_resend(p, t, &out);
	else
		reason = prepare_relay(p, t, &out);
	if (!reason)
		reason = carry_congestion(p, t->tos);
	if (reason)
		return reason;
	ifindex = out.host->ifindex;
	reason = encapsulate(p, out.host, &out.label, t->length);
	return reason ? reason : decide(p, out.verdict, hook_bounce(p->ctx), ifindex);
}

#endif
