//go:build ignore

/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */

/* uplink: everything that arrives from the underlay. In its XDP form; uplink_tcx
 * is the same for the TCX hook.
 *
 *   ours? else pass, or outside → tunnel and source checked → inner frame parsed
 *      → a question for an endpoint that is known to be elsewhere?  relay it
 *      → of a flow in which nothing has changed?  deliver
 *      → else     admit
 *
 * Packets that come back, or have to go back, are few; the programs for them are
 * verified on their own:
 *
 * outside  for a frontend that the outside comes to?  → its backend's host, or admit
 *          → else    pass
 * admit    a first packet, or one since which something has changed
 *          → local?  judge it, learn what it tells, deliver
 *          → else    turn
 * turn     a question  → relay, send back or refuse it, as bouncer or divider
 *          else        → not here: back to where it came from
 * retry    a packet that came back with the location, or because its endpoint is
 *          not there   → learn from it and try again
 * tell     one that was refused → its endpoint is told
 */
#include "include/handover.h"
#include "include/parts.h"
#include "include/relay.h"
#include "include/outside.h"
#include "include/retry.h"
#include "include/serve.h"
#include "include/toobig.h"
#include "include/translate.h"

/* Ours is a packet of the tunnel; `other` says so when it passes to the stack. */
static __always_inline enum drop_reason parse(struct pkt *p, struct tunnel *t, bool *other)
{
	enum drop_reason reason;
	struct cursor c;

	stage(p, STAGE_PARSE);
	if (hook_in_parts(p->ctx, HEADERS_MAX) && gather_tunnel(p->ctx))
		return DROP_NO_ROOM;
	c = (struct cursor){.pos = hook_data(p->ctx), .end = hook_end(p->ctx)};
	switch (parse_outer(p, t, &c)) {
	case OUTER_ICMP:
		hear_too_big(p, t, &c);
		*other = true;
		return DROP_NONE;
	case OUTER_OTHER:
		*other = true;
		return DROP_NONE;
	case OUTER_FRAGMENT:
		return DROP_TUNNEL_FRAGMENT;
	case OUTER_TUNNEL:
		break;
	}
	reason = parse_tunnel(p, t, &c);
	if (reason)
		return reason;
	/* Neighbour discovery never leaves the port it was said at. */
	return is_link_message(p) ? DROP_ND_OTHER : DROP_NONE;
}

/* Onto the underlay again, the headers as they are but for addresses: so are nearly
 * all questions relayed. */
static __always_inline enum drop_reason relay(struct pkt *p, const struct tunnel *t,
					      const struct location *l)
{
	struct host *h;
	enum drop_reason reason;

	if (!t->option.limit)
		return DROP_RELAY_LIMIT;
	h = hosts_row(p, l->host);
	if (!h)
		return DROP_NO_HOST;
	if (hook_tagged(p->ctx) || !is_same_shape(t, h) || t->length + p->l3_length > h->mtu)
		return hand_over(p, t, PROGRAM_TURN);
	reason = readdress(p, t, h, l->generation);
	return reason ? reason : decide(p, VERDICT_RELAY, hook_bounce(p->ctx), h->ifindex);
}

/* A packet of a flow in which nothing has changed; false: it is not. */
static __always_inline bool receive_quickly(struct pkt *p, const struct tunnel *t,
					    enum drop_reason *reason)
{
	struct flow_key key __attribute__((aligned(8)));
	struct endpoint *to;
	struct flow *f;
	__u32 side;

	stage(p, STAGE_FLOW);
	if (!is_quick(p, &key, &side))
		return false;
	f = quick_flow(p, &key, side);
	if (!f || end_of(f, side)->identity != t->identity ||
	    end_of(f, other_end(side))->generation != t->generation)
		return false;
	to = end_here(p, f, other_end(side));
	if (!to || (f->translation && (!is_fronted(f) || side == f->opener)))
		return false;
	touch(p, f, &key);
	*reason = carry_congestion(p, t->tos);
	if (!*reason && f->translation && !translate(p, TRANSLATION_FROM, f->addr, f->port))
		*reason = DROP_TRUNCATED;
	if (!*reason)
		*reason = deliver(p, &to->door, t->length);
	return true;
}

static __always_inline enum drop_reason take_in(struct pkt *p, const struct tunnel *t)
{
	enum drop_reason reason = DROP_NONE;

	if (is_question(t)) {
		struct location *l;

		stage(p, STAGE_RELAY);
		l = directory_row(p, &p->destination);
		if (l && l->host)
			return t->option.flags & RETURN_SEND_BACK ? hand_over(p, t, PROGRAM_TURN)
								  : relay(p, t, l);
	} else if (!t->option.type && receive_quickly(p, t, &reason)) {
		return reason;
	}
	return hand_over(p, t, PROGRAM_ADMIT);
}

/* None of the tunnel: to the stack, unless the outside may be coming to a frontend. */
static __always_inline enum drop_reason pass(struct pkt *p)
{
	struct uplink *own = uplinks_row(p);

	if (own && own->serves)
		return next_program(p, PROGRAM_OUTSIDE);
	return decide(p, VERDICT_PASS, HOOK_PASS, 0);
}

static __always_inline enum drop_reason process(struct pkt *p)
{
	bool other = false;
	struct tunnel t;
	enum drop_reason reason;

	reason = parse(p, &t, &other);
	if (reason)
		return reason;
	if (other)
		return pass(p);
	switch (t.option.type) {
	case 0:
	case GENEVE_RETURN:
	case GENEVE_SERVICE:
		return take_in(p, &t);
	case GENEVE_REFUSAL:
		return hand_over(p, &t, PROGRAM_TELL);
	default:
		return hand_over(p, &t, PROGRAM_RETRY);
	}
}

HOOK_PROGRAM
int uplink(hook_ctx *ctx)
{
	struct pkt p;

	begin(&p, ctx);
	return finish(&p, process(&p));
}

/* To its endpoint, if policy has nothing against it. */
static __always_inline enum drop_reason receive(struct pkt *p, const struct tunnel *t,
						const struct local *to)
{
	struct endpoint *e = endpoints_row(p, to->endpoint);
	struct tracked *k = NULL;
	enum drop_reason reason;

	if (!e)
		return DROP_NOT_OURS;
	reason = carry_congestion(p, t->tos);
	if (!reason)
		reason = note(p, &k);
	if (reason || !k)
		return reason;
	k->identity[ROLE_SOURCE] = t->identity;
	note_here(k, ROLE_DESTINATION, to->endpoint, e);
	if (t->option.type == GENEVE_SERVICE && !note_outside(p, k, t))
		return DROP_NO_HOST;
	reason = track(p, k);
	if (reason)
		return reason;
	if (t->option.type == GENEVE_SERVICE)
		k->translation = TRANSLATION_NONE; /* it came with it */
	keep_fragments(p);
	if (t->option.type == GENEVE_RETURN)
		learn(p, t, to);
	reason = turn_tracked(p, k);
	return reason ? reason : deliver(p, &to->door, t->length);
}

static __always_inline enum drop_reason process_admit(struct pkt *p)
{
	struct local *local;
	struct tunnel t;
	bool question;

	if (!take_over(p, &t))
		return DROP_TRUNCATED;
	question = is_question(&t);
	stage(p, STAGE_LOCAL);
	local = locals_row(p, &p->destination);
	if (t.option.type == GENEVE_SERVICE && (!local || local->generation != t.generation))
		return DROP_STALE;
	if (!local || (question && t.option.flags & RETURN_JUDGE))
		return next_program(p, PROGRAM_TURN);
	if (local->generation == t.generation || (question && !t.generation))
		return receive(p, &t, local);
	return question ? DROP_STALE : next_program(p, PROGRAM_TURN);
}

HOOK_PROGRAM
int admit(hook_ctx *ctx)
{
	struct pkt p;

	begin(&p, ctx);
	return finish(&p, process_admit(&p));
}

/* Back onto the underlay, under new outer headers. */
static __always_inline enum drop_reason bounce(struct pkt *p, const struct tunnel *t,
					       struct outgoing *out)
{
	__u32 ifindex = out->host->ifindex;
	enum drop_reason reason;

	reason = carry_congestion(p, t->tos);
	if (!reason)
		reason = encapsulate(p, out->host, &out->label, t->length);
	if (reason)
		return reason;
	decide(p, out->verdict, hook_bounce(p->ctx), ifindex);
	return out->refused;
}

static __always_inline enum drop_reason process_turn(struct pkt *p)
{
	struct outgoing out = {};
	struct tunnel t;
	enum drop_reason reason;

	if (!take_over(p, &t))
		return DROP_TRUNCATED;
	out.label.identity = t.identity;
	reason = is_question(&t) ? prepare_question(p, &t, &out) : prepare_not_here(p, &t, &out);
	return reason ? reason : bounce(p, &t, &out);
}

HOOK_PROGRAM
int outside(hook_ctx *ctx)
{
	struct pkt p;

	begin(&p, ctx);
	return finish(&p, serve_outside(&p));
}

HOOK_PROGRAM
int turn(hook_ctx *ctx)
{
	struct pkt p;

	begin(&p, ctx);
	return finish(&p, process_turn(&p));
}

static __always_inline enum drop_reason process_retry(struct pkt *p)
{
	struct outgoing out = {};
	struct local *to = NULL;
	struct tracked *k;
	struct tunnel t;
	enum drop_reason reason;

	if (!take_over(p, &t))
		return DROP_TRUNCATED;
	out.label.identity = t.identity;
	reason = t.option.type == GENEVE_SEND_BACK ? prepare_resend(p, &t, &out)
						   : prepare_retry(p, &t, &out, &to);
	if (!reason && !to)
		reason = fits(p, out.host);
	if (reason)
		return give_up(p, &t, reason);
	keep_fragments(p);
	if (!to)
		return bounce(p, &t, &out);
	reason = carry_congestion(p, t.tos);
	k = tracked_row();
	if (!reason && k)
		reason = turn_tracked(p, k);
	return reason ? reason : deliver(p, &to->door, t.length);
}

HOOK_PROGRAM
int retry(hook_ctx *ctx)
{
	struct pkt p;

	begin(&p, ctx);
	return finish(&p, process_retry(&p));
}

static __always_inline enum drop_reason process_report(struct pkt *p)
{
	struct tunnel t;

	return take_over(p, &t) ? report(p, &t) : DROP_TRUNCATED;
}

HOOK_PROGRAM
int tell(hook_ctx *ctx)
{
	struct pkt p;

	begin(&p, ctx);
	return finish(&p, process_report(&p));
}

char _license[] SEC("license") = "Dual BSD/GPL";
