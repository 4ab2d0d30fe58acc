/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_ASK_H
#define MIZAR_ASK_H

/* Asking where an endpoint is, with the packet itself.
 *
 *             no row ──ask──► ASKED ──answer or send-back──► LEARNED
 *                               │ a second packet within a second asks to be
 *                               └ sent back; a later one asks anew
 */

#include "encapsulate.h"
#include "deliver.h"
#include "locate.h"
#include "note.h"

/* An endpoint that something is sent for. */
struct sender {
	struct endpoint *row;
	__u32 index; /* in endpoints */
};

/* Names this host in the option, in the family the peer is reached by. */
static __always_inline void label_return(struct label *l, const struct host *h, __u32 token,
					 __u8 flags)
{
	l->option = GENEVE_RETURN;
	l->token = token;
	l->flags = flags;
	l->limit = RELAY_LIMIT;
	l->host = h->source;
}

static __always_inline bool is_gateway(const struct pkt *p, const struct subnet *s)
{
	return p->ethertype == ETH_P_IP ? load32(s->gateway4) == load32(p->destination.addr + 12)
					: addr_equal(s->gateway6, p->destination.addr);
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

/* The flags of a question. */
struct question {
	__u8 flags;
	__u8 again; /* what is added if it was asked before */
};

/* Asks with the packet itself. What is not judged yet must come back. */
static __always_inline enum drop_reason label_question(struct pkt *p, const struct sender *from,
						       const struct path *path,
						       const struct next *n, struct outgoing *out,
						       const struct question *q)
{
	__u64 time = now();
	__u32 token = 0;

	if (path && path->state == PATH_ASKED && !n->located && time - path->since < SECOND) {
		label_return(&out->label, out->host, path->token, q->flags | q->again);
		return DROP_NONE;
	}
	if (spend_question(p, from->index, time)) {
		token = make_token(p, time);
		remember(p, n, token, time);
	} else if (q->flags) {
		return DROP_FLOW_QUOTA;
	}
	label_return(&out->label, out->host, token, q->flags);
	return DROP_NONE;
}

/* The other fragments of the packet will go this way. */
static __always_inline void lead(struct tracked *k, const struct next *n, const struct label *l)
{
	k->parts.host = n->host;
	k->parts.state = n->located ? PATH_LEARNED : PATH_ASKED;
	k->parts.identity = n->identity;
	k->parts.generation = n->generation;
	k->parts.token = l->token;
	k->parts.flags = l->flags;
	k->led = 1;
}

/* Goes the way that another fragment of the packet went, at no cost to anybody's
 * budget, whatever was learned since. */
static __always_inline enum drop_reason go_along(struct pkt *p, struct tracked *k,
						 struct outgoing *out)
{
	const struct fragmented *f = &k->parts;

	out->host = hosts_row(p, f->host);
	if (!out->host)
		return DROP_NO_HOST;
	out->label.generation = f->generation;
	k->follows = 1;
	if (f->state == PATH_LEARNED) {
		out->verdict = VERDICT_SEND;
		note_away(k, f->identity, f->generation, 0, NULL);
		k->learned = now(); /* it was good enough for that one */
		return DROP_NONE;
	}
	out->verdict = VERDICT_ASK;
	label_return(&out->label, out->host, f->token, f->flags);
	k->doubt = 1;
	return DROP_NONE;
}

/* The packet will be judged when it comes back. */
static __always_inline bool is_judged_later(const struct pkt *p, const struct tracked *k)
{
	return is_fragment(p) && k->follows && k->parts.state == PATH_ASKED &&
	       k->parts.flags & RETURN_JUDGE;
}

/* Who is to be asked, or where the destination is. */
static __always_inline enum drop_reason find_next(struct pkt *p, const struct subnet *s,
						  struct next *n, struct outgoing *out)
{
	enum drop_reason reason = s ? ask_bouncer(p, s, n) : ask_divider(p, n);

	if (reason)
		return reason;
	out->verdict = n->located ? VERDICT_SEND : VERDICT_ASK;
	out->label.generation = n->generation;
	out->host = hosts_row(p, n->host);
	return out->host ? DROP_NONE : DROP_NO_HOST;
}

/* The subnet of the sender, if the destination lies in it. */
static __always_inline struct subnet *shared_subnet(struct pkt *p, const struct endpoint *e)
{
	return same_subnet(p, e) ? subnets_row(p, e->subnet) : NULL;
}

/* The way is not learned, and policy may not have judged the packet: TRACK_ASK. A
 * sender that has used up its budget is not told the way. */
static __always_inline enum drop_reason prepare_asking(struct pkt *p, const struct sender *from,
						       const struct path *path,
						       struct outgoing *out, struct tracked *k,
						       enum drop_reason judged)
{
	struct question q = {.again = RETURN_SEND_BACK};
	enum drop_reason reason;
	struct next n = {};

	stage(p, STAGE_ASK);
	reason = find_next(p, shared_subnet(p, from->row), &n, out);
	if (reason)
		return reason;
	if (judged && n.located) {
		note_away(k, n.identity, n.generation, 0, NULL);
		k->learned = now();
		judged = track(p, k);
		if (judged)
			return judged;
	}
	if (judged)
		q.flags = RETURN_SEND_BACK | RETURN_JUDGE;
	/* The one before it did not ask for that. */
	if (is_fragment(p) && k->follows)
		q.again = 0;
	reason = label_question(p, from, path, &n, out, &q);
	if (!reason && is_fragment(p) && !k->follows)
		lead(k, &n, &out->label);
	return reason;
}

/* Before a packet asks: the gateway is not asked for, and who the destination is will
 * only be found out. */
static __always_inline enum drop_reason begin_asking(struct pkt *p, const struct sender *from,
						     struct tracked *k)
{
	struct subnet *s = shared_subnet(p, from->row);

	if (s && is_gateway(p, s))
		return DROP_GATEWAY;
	k->doubt = 1;
	return DROP_NONE;
}

#endif
