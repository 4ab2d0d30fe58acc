/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_SEND_H
#define MIZAR_SEND_H

/* An endpoint's packet to another host: directly once the way is learned, by
 * way of a bouncer or divider before. */

#include "ask.h"
#include "outside.h"

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

/* What is known of the destination before policy judges the packet. */
static __always_inline enum drop_reason begin_sending(struct pkt *p, const struct sender *from,
						      struct path *path, struct outgoing *out,
						      struct tracked *k)
{
	enum drop_reason reason;

	if (has_way(p, k))
		return go_along(p, k, out);
	if (!path || path->state != PATH_LEARNED)
		return begin_asking(p, from, k);
	reason = prepare_direct(p, path, out);
	if (reason)
		return reason;
	/* While there is something to tell, the path is met again. */
	note_away(k, path->identity, path->generation, path->host, path->tell ? NULL : out->host);
	k->learned = path->since;
	return DROP_NONE;
}

/* Whoever opened the flow is outside: the answer takes the way there. */
static __always_inline enum drop_reason begin_leaving(struct pkt *p, struct outgoing *out,
						      struct tracked *k)
{
	struct host *h = NULL;
	__u32 number = outside_number(p, &h);

	out->host = h;
	if (!h)
		return DROP_NO_HOST;
	out->verdict = VERDICT_LEAVE;
	note_away(k, 0, 0, number, h);
	k->learned = now();
	return DROP_NONE;
}

/* Who the destination is has to be found out once more. */
static __always_inline void forget_destination(struct tracked *k)
{
	k->known = 0;
	k->heard = 0;
	k->identity[ROLE_DESTINATION] = 0;
	k->host[ROLE_DESTINATION] = 0;
}

/* Out of the uplink as it is, to the next hop. */
static __always_inline enum drop_reason leave_plainly(struct pkt *p, const struct host *h)
{
	__u32 ifindex = h->ifindex;
	struct cursor c;

	stage(p, STAGE_DELIVER);
	if (h->vlan && hook_resize(p->ctx, sizeof(struct vlan)))
		return DROP_NO_ROOM;
	c = (struct cursor){.pos = hook_data(p->ctx), .end = hook_end(p->ctx)};
	if (!write_ethernet(&c, h))
		return DROP_NO_ROOM;
	return decide(p, VERDICT_LEAVE, hook_redirect(ifindex), ifindex);
}

/* Out of the uplink. */
static __always_inline enum drop_reason leave(struct pkt *p, const struct endpoint *e,
					      const struct outgoing *out)
{
	__u32 ifindex = out->host->ifindex;
	enum drop_reason reason;

	route(p, e);
	if (out->verdict == VERDICT_LEAVE)
		return leave_plainly(p, out->host);
	reason = encapsulate(p, out->host, &out->label, 0);
	return reason ? reason : decide(p, out->verdict, hook_redirect(ifindex), ifindex);
}

/* The other fragments of the packet will follow this one. */
static __always_inline void lead_directly(struct tracked *k, const struct path *path,
					  const struct label *l)
{
	struct next n = {path->host, path->identity, path->generation, true};

	lead(k, &n, l);
}

/* To the host that the path names, or to one that knows it. */
static __always_inline enum drop_reason prepare_sending(struct pkt *p, const struct sender *from,
							struct path *path, struct outgoing *out,
							struct tracked *k, enum drop_reason judged)
{
	enum drop_reason reason = judged;

	out->label.source_generation = from->row->generation;
	/* Others may have learned it meanwhile. */
	if (!out->host || judged == TRACK_ASK) {
		forget_destination(k);
		reason = prepare_asking(p, from, path, out, k, judged);
	} else if (is_fragment(p) && path && !k->follows) {
		lead_directly(k, path, &out->label);
	}
	if (!reason)
		reason = fits(p, out->host);
	if (!reason && path && out->label.flags & RETURN_ANSWER) {
		stage(p, STAGE_PATH);
		note_told(p, path);
	}
	return reason;
}

#endif
