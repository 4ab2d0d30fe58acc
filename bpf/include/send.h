/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_SEND_H
#define MIZAR_SEND_H

/* An endpoint's packet to another host: directly once the way is learned, by
 * way of a bouncer or divider before.
 *
 *             no row ──ask──► ASKED ──answer or send-back──► LEARNED
 *                               │ a second packet within a second asks to be
 *                               └ sent back; a later one asks anew
 */

#include "encapsulate.h"
#include "deliver.h"
#include "locate.h"

/* Names this host in the option, in the family the peer is reached by. */
static __always_inline void label_return(struct label *l, const struct host *h, __u32 token,
					 __u8 flags)
{
	l->option = GENEVE_RETURN;
	l->token = token;
	l->flags = flags;
	l->limit = RELAY_LIMIT;
	addr_copy(l->host, h->source);
}

/* The way is learned. */
static __always_inline enum drop_reason prepare_direct(struct pkt *p, struct path *path,
						       struct outgoing *out)
{
	out->verdict = VERDICT_SEND;
	out->label.generation = path->generation;
	out->host = hosts_row(p, path->host);
	if (!out->host)
		return DROP_NO_HOST;
	if (path->tell) {
		path->tell = 0;
		table_stored(p, TABLE_PATHS, &p->destination, sizeof(p->destination));
		label_return(&out->label, out->host, path->token, RETURN_ANSWER);
	}
	return DROP_NONE;
}

/* Remembers what was asked, or what this host's own directory said. */
static __always_inline void remember(struct pkt *p, const struct next *n, __u32 token, __u64 time)
{
	struct path row = {.token = token, .since = time, .state = PATH_ASKED};

	if (n->located) {
		row.state = PATH_LEARNED;
		row.host = n->host;
		row.identity = n->identity;
		row.generation = n->generation;
	}
	paths_put(p, &p->destination, &row);
}

/* The way is not learned: ask, with the packet itself. */
static __always_inline enum drop_reason prepare_asking(struct pkt *p, const struct endpoint *e,
						       const struct path *path,
						       struct outgoing *out)
{
	struct next n = {};
	enum drop_reason reason;
	struct subnet *s;
	__u64 time = now();
	__u32 token;

	stage(p, STAGE_ASK);
	s = same_subnet(p, e) ? subnets_row(p, e->subnet) : NULL;
	reason = s ? ask_bouncer(p, s, &n) : ask_divider(p, &n);
	if (reason)
		return reason;
	out->verdict = n.located ? VERDICT_SEND : VERDICT_ASK;
	out->label.generation = n.generation;
	out->host = hosts_row(p, n.host);
	if (!out->host)
		return DROP_NO_HOST;
	if (path && path->state == PATH_ASKED && !n.located && time - path->since < SECOND) {
		label_return(&out->label, out->host, path->token, RETURN_SEND_BACK);
		return DROP_NONE;
	}
	token = make_token(p, time);
	remember(p, &n, token, time);
	label_return(&out->label, out->host, token, 0);
	return DROP_NONE;
}

/* To the host that the path names, or to one that knows it. */
static __always_inline enum drop_reason send(struct pkt *p, const struct endpoint *e,
					     struct path *path)
{
	struct outgoing out = {.label.identity = e->identity,
			       .label.source_generation = e->generation};
	enum drop_reason reason;
	__u32 ifindex;

	if (path && path->state == PATH_LEARNED)
		reason = prepare_direct(p, path, &out);
	else
		reason = prepare_asking(p, e, path, &out);
	if (!reason)
		reason = route(p, e);
	if (reason)
		return reason;
	ifindex = out.host->ifindex;
	reason = encapsulate(p, out.host, &out.label, 0);
	return reason ? reason : decide(p, out.verdict, hook_redirect(ifindex), ifindex);
}

#endif
