/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_SEND_H
#define MIZAR_SEND_H

/* An endpoint's packet to another host: directly once the way is learned, by
 * way of a bouncer or divider before. */

#include "ask.h"

/* The way is learned. */
static __always_inline enum drop_reason prepare_direct(struct pkt *p, struct path *path,
						       struct outgoing *out)
{
	out->verdict = VERDICT_SEND;
	out->label.generation = path->generation;
	out->host = hosts_row(p, path->host);
	if (!out->host)
		return DROP_NO_HOST;
	if (path->tell)
		label_return(&out->label, out->host, path->token, RETURN_ANSWER);
	return DROP_NONE;
}

/* The answer goes out with this packet. */
static __always_inline void note_told(struct pkt *p, struct path *path)
{
	path->tell = 0;
	table_stored(p, TABLE_PATHS, &p->destination, sizeof(p->destination));
}

/* To the host that the path names, or to one that knows it. */
static __always_inline enum drop_reason send(struct pkt *p, const struct sender *from,
					     struct path *path)
{
	const struct endpoint *e = from->row;
	struct outgoing out = {.label.identity = e->identity,
			       .label.source_generation = e->generation};
	enum drop_reason reason;
	__u32 ifindex;

	if (path && path->state == PATH_LEARNED)
		reason = prepare_direct(p, path, &out);
	else
		reason = prepare_asking(p, from, path, &out);
	if (!reason)
		reason = fits(p, out.host);
	if (reason)
		return reason;
	if (path && out.label.flags & RETURN_ANSWER)
		note_told(p, path);
	route(p, e);
	ifindex = out.host->ifindex;
	reason = encapsulate(p, out.host, &out.label, 0);
	return reason ? reason : decide(p, out.verdict, hook_redirect(ifindex), ifindex);
}

#endif
