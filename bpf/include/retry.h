/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_RETRY_H
#define MIZAR_RETRY_H

/* Packets that come back: with the location (send-back), because the endpoint is
 * not where this host took it to be (not-here), or because they go nowhere
 * (refusal). Who refuses a packet turns it round, so that none is lost to a row
 * that was out of date.
 *
 * Contract: what comes back was sent here, by an endpoint of this host, and is
 * believed only from whom it was sent to or with the token that it was sent with.
 * TTL was counted when it left; the MTU is looked at anew, because it goes on to
 * another host. */

#include "ask.h"
#include "icmp.h"
#include "snat.h"
#include "tunnel.h"

/* The endpoint is not here: back to the host that sent the packet. */
static __always_inline enum drop_reason prepare_not_here(struct pkt *p, const struct tunnel *t,
							 struct outgoing *out)
{
	stage(p, STAGE_NOT_HERE);
	out->host = hosts_row(p, t->peer);
	if (!out->host)
		return DROP_NO_HOST;
	out->verdict = VERDICT_NOT_HERE;
	out->label.generation = t->generation;
	out->label.option = GENEVE_NOT_HERE;
	return fits(p, out->host);
}

/* The endpoint of this host that has sent what comes back. */
static __always_inline bool find_sender(struct pkt *p, struct sender *from)
{
	struct local *source = locals_row(p, &p->source);

	if (!source)
		return false;
	from->index = source->endpoint;
	from->row = endpoints_row(p, from->index);
	return from->row;
}

/* This host has asked for the packet's destination with that token; `open`: and was not
 * told yet. Packets that asked one after the other come back after the first of them. */
static __always_inline bool has_asked(struct pkt *p, __u32 token, bool *open)
{
	const struct path *path = paths_row(p, &p->destination);

	*open = path && path->state == PATH_ASKED && path->token == token;
	return *open || (path && path->state == PATH_LEARNED && !path->tell && token &&
			 path->token == token);
}

/* A packet came back with the location: learn it, and go there. The answer to a question
 * that several packets, or fragments of one, ask together is good for each of them. */
static __always_inline enum drop_reason prepare_resend(struct pkt *p, const struct tunnel *t,
						       struct outgoing *out)
{
	struct sender from = {};
	struct tracked *k = NULL;
	struct path row = {.state = PATH_LEARNED};
	enum drop_reason reason;
	bool open;

	stage(p, STAGE_SEND_BACK);
	if (!find_sender(p, &from))
		return DROP_SEND_BACK;
	if (!has_asked(p, t->option.token, &open) && !asked_together(p, t->option.token))
		return DROP_SEND_BACK;
	row.host = peer_number(p, addr_words(t->option.host));
	out->host = row.host ? hosts_row(p, row.host) : NULL;
	if (!out->host)
		return DROP_NO_HOST;
	row.identity = t->option.found >> 8;
	row.generation = t->option.found;
	row.token = t->option.token;
	row.since = now();
	if (open) {
		/* Flows that know the way meet the path again: it may be another user's. */
		forget_flows(p, row.host);
		paths_put(p, &p->destination, &row);
	}
	out->verdict = VERDICT_RESEND;
	out->label.generation = row.generation;
	reason = note(p, &k);
	if (reason || !k)
		return reason;
	note_here(k, ROLE_SOURCE, from.index, from.row);
	note_away(k, row.identity, row.generation, row.host, open ? out->host : NULL);
	k->learned = row.since;
	return track(p, k);
}

/* It lives here by now. */
static __always_inline void remember_local(struct pkt *p, const struct local *to)
{
	struct path row = {.state = PATH_LOCAL, .host = to->endpoint};

	paths_put(p, &p->destination, &row);
}

/* The way that was learned meanwhile. */
static __always_inline enum drop_reason prepare_detour(struct pkt *p, const struct path *path,
						       struct outgoing *out)
{
	if (now() - path->since >= SECOND)
		return DROP_NOT_HERE;
	out->host = hosts_row(p, path->host);
	if (!out->host)
		return DROP_NO_HOST;
	out->verdict = VERDICT_RESEND;
	out->label.generation = path->generation;
	return DROP_NONE;
}

/* The packet's flow took its destination to be behind the host that says it is not:
 * the path may be forgotten by now. */
static __always_inline bool flow_named(struct pkt *p, const struct tracked *k, __u32 host)
{
	struct flow *f = flows_row_of(p->record, p->stage, &k->key);

	if (!f)
		f = openings_row_of(p->record, p->stage, &k->key);
	return f && end_of(f, other_end(k->side))->host == host;
}

/* The endpoint is here by now. */
static __always_inline enum drop_reason prepare_delivery(struct pkt *p, const struct path *path,
							 struct tracked *k, struct local *to)
{
	struct endpoint *e = endpoints_row(p, to->endpoint);

	if (!e)
		return DROP_NOT_HERE;
	note_here(k, ROLE_DESTINATION, to->endpoint, e);
	if (!path || path->state != PATH_LOCAL)
		remember_local(p, to);
	return track(p, k);
}

/* A packet came back because its endpoint is not there: deliver it if the
 * endpoint is here now (`to` is set then), else ask for it. */
static __always_inline enum drop_reason prepare_retry(struct pkt *p, const struct tunnel *t,
						      struct outgoing *out, struct local **to)
{
	struct sender from = {};
	struct tracked *k = NULL;
	enum drop_reason reason;
	struct path *path;

	stage(p, STAGE_NOT_HERE);
	if (!find_sender(p, &from))
		return DROP_NOT_HERE;
	reason = note(p, &k);
	if (reason || !k)
		return reason;
	stage(p, STAGE_NOT_HERE);
	note_here(k, ROLE_SOURCE, from.index, from.row);
	path = paths_row(p, &p->destination);
	if (!path && !flow_named(p, k, t->peer))
		return DROP_NOT_HERE;
	if (path && path->state == PATH_LEARNED && path->host != t->peer)
		return prepare_detour(p, path, out);
	forget_flows(p, t->peer);
	*to = locals_row(p, &p->destination);
	if (*to)
		return prepare_delivery(p, path, k, *to);
	if (path && path->state == PATH_LOCAL)
		return DROP_NOT_HERE;
	out->label.source_generation = from.row->generation;
	k->follows = is_fragment(p);
	reason = begin_asking(p, &from, k);
	if (reason)
		return reason;
	reason = track(p, k);
	if (reason && reason != TRACK_ASK)
		return reason;
	return prepare_asking(p, &from, path, out, k, reason);
}

/* The frontend that the packet of the noted key was sent to by its endpoint. A function of
 * its own: it is verified once. */
__noinline int recall_view(struct record *record)
{
	struct tracked *k = tracked_row();
	struct flow *f;

	if (!k || k->belongs != BELONGS_FLOW)
		return 0;
	f = flows_row_of(record, STAGE_REFUSE, &k->key);
	if (!f)
		f = openings_row_of(record, STAGE_REFUSE, &k->key);
	if (!f || f->translation != TRANSLATION_FROM || k->side != f->opener)
		return 0;
	turn_to(&k->backend, f->addr, f->port, TRANSLATION_TO);
	k->translation = TRANSLATION_TO;
	return 1;
}

/* Makes a packet that came back, and is noted, what its endpoint has sent: that is
 * quoted. */
static __always_inline enum drop_reason as_sent(struct pkt *p, struct tracked *k)
{
	return k && recall_view(p->record) ? turn_tracked(p, k) : DROP_NONE;
}

/* A packet that came back and does not go on: its endpoint is told, as it would
 * have been when the packet left. The reason stays, said or not. */
static __always_inline enum drop_reason give_up(struct pkt *p, const struct tunnel *t,
						enum drop_reason reason)
{
	struct complaint c = {.reason = reason, .mtu = p->fits, .before = t->length};
	struct local *source = is_final(reason) ? locals_row(p, &p->source) : NULL;
	__u32 ifindex;

	if (!source)
		return reason;
	c.endpoint = source->endpoint;
	ifindex = source->door.ifindex;
	if (as_sent(p, tracked_row()))
		return reason;
	if (!complain(p, &c))
		decide(p, VERDICT_REFUSE, hook_redirect(ifindex), ifindex);
	return reason;
}

/* The packet's tunnel headers go, and it leaves, to the next hop outside. */
static __always_inline enum drop_reason leave_from_tunnel(struct pkt *p, const struct tunnel *t,
							  const struct host *h)
{
	__u32 ifindex = h->ifindex;
	struct cursor c;

	stage(p, STAGE_DELIVER);
	if (hook_resize(p->ctx, (h->vlan ? (int)sizeof(struct vlan) : 0) - t->length))
		return DROP_NO_ROOM;
	c = (struct cursor){.pos = hook_data(p->ctx), .end = hook_end(p->ctx)};
	if (!write_ethernet(&c, h))
		return DROP_NO_ROOM;
	return decide(p, VERDICT_LEAVE, hook_bounce(p->ctx), ifindex);
}

/* The divider knows no subnet with the destination: it is outside, and this host's
 * endpoints leave by themselves. The hop was counted when the packet was sent to ask. */
static __always_inline enum drop_reason leave_after_all(struct pkt *p, const struct tunnel *t,
							struct path *asked, struct local *source)
{
	struct endpoint *e = endpoints_row(p, source->endpoint);
	struct outgoing out = {};
	struct tracked *k = NULL;
	enum drop_reason reason;

	if (!e)
		return DROP_REFUSAL;
	asked->state = PATH_OUTSIDE;
	asked->since = now();
	table_stored(p, TABLE_PATHS, &p->destination, sizeof(p->destination));
	reason = note(p, &k);
	if (reason || !k)
		return reason;
	note_here(k, ROLE_SOURCE, source->endpoint, e);
	reason = begin_leaving(p, &out, k);
	if (!reason)
		reason = track(p, k);
	if (!reason)
		reason = take_face(p, k);
	if (!reason)
		reason = turn_tracked(p, k);
	return reason ? reason : leave_from_tunnel(p, t, out.host);
}

/* A packet came back because it goes nowhere: its endpoint is told. */
static __always_inline enum drop_reason report(struct pkt *p, const struct tunnel *t)
{
	struct complaint c = {
		.reason = t->option.found >> 24, .mtu = t->option.found, .before = t->length};
	struct local *source;
	struct tracked *k = NULL;
	struct path *asked;
	enum drop_reason reason;
	__u32 ifindex;

	stage(p, STAGE_REFUSE);
	source = locals_row(p, &p->source);
	asked = source ? paths_row(p, &p->destination) : NULL;
	if (!asked || asked->token != t->option.token || !is_final(c.reason))
		return DROP_REFUSAL;
	/* Packets that have asked together come back one after the other. */
	if (c.reason == DROP_NO_SUBNET && may_leave(p) &&
	    (asked->state == PATH_ASKED || asked->state == PATH_OUTSIDE))
		return leave_after_all(p, t, asked, source);
	if (asked->state != PATH_ASKED)
		return DROP_REFUSAL;
	c.endpoint = source->endpoint;
	ifindex = source->door.ifindex;
	reason = note(p, &k);
	if (!reason)
		reason = as_sent(p, k);
	if (!reason)
		reason = complain(p, &c);
	if (reason)
		return reason;
	/* Only this host knows that it ends here. */
	if (c.reason == DROP_NO_SUBNET && masquerades(p)) {
		decide(p, VERDICT_REFUSE, hook_redirect(ifindex), ifindex);
		return c.reason;
	}
	return decide(p, VERDICT_DELIVER, hook_redirect(ifindex), ifindex);
}

#endif
