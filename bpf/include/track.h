/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_TRACK_H
#define MIZAR_TRACK_H

/* Packets whose flow has to be looked at closely: first ones, replies to those,
 * handshakes, and whatever came since something has changed.
 *
 * Contract: a flow is judged in the direction that it was opened in, at the hosts
 * of its ends: egress at the opener's, ingress at the other's. A packet that is
 * refused makes no row. Whoever tracks has filled in what he knows of both ends in
 * struct tracked (note.h). What comes of it is DROP_NONE, a reason, or TRACK_ASK:
 * the destination's identity has to be found out first. Nobody is refused for who he
 * was: neither for what was learned of him, nor for what he has said himself.
 *
 *   no row, or a SYN on a flow that has ended ─► plan_new   ─► judge ─► open_flow
 *   row ───────────────────────────────────────► plan_again ─► judge ─► go_on
 *
 * The steps are functions of their own, each verified once. None that needs much of the
 * stack, which all of them share, calls another. */

#include "budget.h"
#include "flow.h"
#include "policy.h"

#define TRACK_ASK DROP_MAX /* is no drop reason */

/* How old a learned identity may be that a packet is refused for, in ns: an endpoint
 * that is relabelled is judged by its new labels within that time. */
#define HEARSAY (SECOND / 10)

/* Ends that no policy comes between: an endpoint and itself, an endpoint and its
 * own host. */
static __always_inline bool is_exempt(const struct tracked *k, const struct endpoint *source,
				      const struct endpoint *destination)
{
	if (!source || !destination)
		return false;
	return k->endpoint[0] == k->endpoint[1] || source->self || destination->self;
}

static __always_inline struct endpoint *endpoint_of(struct record *record, const struct tracked *k,
						    enum role role)
{
	__u32 index = k->endpoint[role];

	return index ? endpoints_row_of(record, STAGE_JUDGE, index) : NULL;
}

/* What is verified on its own takes this CPU's row by itself: an argument is no key that
 * kernel 6.1 would let it look rows up by. */

/* Which sets have to judge a flow that the packet opens. */
__noinline int plan_new(struct record *record)
{
	struct tracked *k = tracked_row();
	struct endpoint *e[2];
	bool exempt;

	if (!k)
		return DROP_NO_PROGRAM;
	e[0] = endpoint_of(record, k, ROLE_SOURCE);
	e[1] = endpoint_of(record, k, ROLE_DESTINATION);
	exempt = is_exempt(k, e[0], e[1]);
#pragma unroll
	for (int d = 0; d < 2; d++) {
		/* Egress is the source's, ingress the destination's. */
		k->row.set[d] = e[d] ? e[d]->set[d] : 0;
		k->row.rule[d] = 0;
		k->judge[d] = exempt ? 0 : k->row.set[d];
		k->own[d] = d;
	}
	return DROP_NONE;
}

/* What the row knows of the destination, where the packet's host does not: packets
 * have carried it. Who opened the flow has said himself who he is, which goes before what
 * was learned of him, be it older or newer: policy lets through a reply to either of them.
 * Where he is about to ask who the destination is, that may be another one by now. */
static __always_inline void recall(struct tracked *k, const struct flow *f)
{
	const struct flow_end *end = end_of(f, other_end(k->side));

	if (k->known && k->side != f->opener && !k->endpoint[ROLE_DESTINATION]) {
		k->heard = k->identity[ROLE_DESTINATION];
		k->identity[ROLE_DESTINATION] = end->identity;
	}
	if (k->known || (k->doubt && k->side == f->opener))
		return;
	if (k->side == f->opener && f->state < FLOW_REPLIED && !end->host && !end->identity)
		return;
	k->doubt = 0;
	k->known = 1;
	k->identity[ROLE_DESTINATION] = end->identity;
	k->generation[ROLE_DESTINATION] = end->generation;
}

/* Whether one of the ends is not who it was. */
static __always_inline bool is_changed(const struct tracked *k, const struct flow_end *end,
				       enum role role)
{
	if (end->endpoint != k->endpoint[role])
		return true;
	if (role == ROLE_DESTINATION && !k->known)
		return k->doubt;
	if (end->endpoint && end->generation != k->generation[role])
		return true;
	return end->identity != k->identity[role];
}

/* Which sets have to judge a flow again. */
__noinline int plan_again(struct record *record, struct flow *f)
{
	struct tracked *k = tracked_row();
	struct endpoint *source, *destination;
	__u32 turned;
	bool exempt;

	if (!k || !f)
		return DROP_NO_PROGRAM;
	recall(k, f);
	k->changed = f->state == FLOW_CUT || is_changed(k, end_of(f, k->side), ROLE_SOURCE) ||
		     is_changed(k, end_of(f, other_end(k->side)), ROLE_DESTINATION);
	source = endpoint_of(record, k, ROLE_SOURCE);
	destination = endpoint_of(record, k, ROLE_DESTINATION);
	exempt = is_exempt(k, source, destination);
	turned = (k->side ^ f->opener) & 1;
#pragma unroll
	for (int d = 0; d < 2; d++) {
		/* Egress is the opener's, ingress the other's. */
		__u32 own = (turned ^ d) & 1;
		struct endpoint *e = own == ROLE_SOURCE ? source : destination;
		__u32 number = e ? e->set[d] : 0;
		bool keeps = e && e->keep && f->state >= FLOW_REPLIED && !k->changed;

		k->own[d] = own;
		k->judge[d] = 0;
		k->row.rule[d] = f->rule[d];
		k->row.set[d] = number;
		if (number == f->set[d] && !k->changed)
			continue;
		k->row.rule[d] = 0;
		if (!exempt && !keeps)
			k->judge[d] = number;
	}
	return DROP_NONE;
}

/* Tells the simulator what a set has said. */
static __always_inline void record_judgement(struct record *record, __u32 direction,
					     const struct judgement *said)
{
	if (!simulated || !record)
		return;
	/* Keeps what is computed from record behind the comparison. */
	asm volatile("" : "+r"(record));
	record->rule[direction & 1] = said->of;
	record->judged[direction & 1] = verdict_of(said->word);
}

/* What was learned of who opened the flow is not what he has said. */
static __always_inline bool is_heard(const struct tracked *k)
{
	return k->heard && k->heard != k->identity[ROLE_DESTINATION];
}

/* An endpoint of this host is who it is. For who another one has said he is, or was
 * learned a while ago to be, he is not refused. */
static __always_inline bool is_hearsay(const struct tracked *k)
{
	return !k->endpoint[ROLE_DESTINATION] && (is_heard(k) || now() - k->learned >= HEARSAY);
}

/* Judges the flow in one direction, as it was planned. */
__noinline int judge(struct record *record, __u32 direction)
{
	struct tracked *k = tracked_row();
	__u32 peer, side, subject, number;
	struct judgement best = {};
	enum judged judged;

	if (!k)
		return DROP_NO_PROGRAM;
	direction &= 1;
	number = k->judge[direction];
	if (!number)
		return DROP_NONE;
	peer = other_end(k->own[direction]);
	side = (k->side ^ peer) & 1;
	subject = other_end(side);
	k->peer.identity = k->identity[peer & 1];
	addr_copy(k->prefix.addr, k->key.addr[side]);
	/* The port that was opened: of who did not open. */
	k->port.prefixlen = 64;
	k->port.protocol = protocol_of(&k->key);
	k->port.pad = 0;
	k->port.port = k->key.port[direction == DIRECTION_INGRESS ? subject : side];
	k->single.identity = SINGLE_PORT | k->port.protocol << 16 | bpf_ntohs(k->port.port);
	k->peer.set = 0;
	judged = judge_set(record, k, number, peer == ROLE_SOURCE || k->known, &best);
	if (judged == JUDGED_IDENTITY ||
	    (judged == JUDGED_DENY && k->peer.set && peer == ROLE_DESTINATION && is_hearsay(k)))
		return TRACK_ASK;
	k->row.rule[direction] = best.of;
	record_judgement(record, direction, &best);
	if (judged == JUDGED_ACCEPT)
		return DROP_NONE;
	if (judged == JUDGED_PORTS)
		return DROP_FRAGMENT_UNKNOWN;
	count(&rules, best.of, k->bytes);
	return direction == DIRECTION_EGRESS ? DROP_POLICY_EGRESS : DROP_POLICY_INGRESS;
}

/* The flow in both directions, egress first. Who opened it may be another one than he has
 * said: then he is judged by what was learned of him. */
__noinline int judge_both(struct record *record)
{
	struct tracked *k = tracked_row();
	enum drop_reason reason = DROP_NONE;

	if (!k)
		return DROP_NO_PROGRAM;
	if (k->judge[DIRECTION_EGRESS])
		reason = judge(record, DIRECTION_EGRESS);
	if (!reason && k->judge[DIRECTION_INGRESS])
		reason = judge(record, DIRECTION_INGRESS);
	if (reason != TRACK_ASK || !is_heard(k))
		return reason;
	k->identity[ROLE_DESTINATION] = k->heard;
	return judge(record, DIRECTION_INGRESS);
}

static __always_inline enum drop_reason judge_planned(struct record *record,
						      const struct tracked *k)
{
	bool planned = k->judge[DIRECTION_EGRESS] || k->judge[DIRECTION_INGRESS];

	return planned ? judge_both(record) : DROP_NONE;
}

/* What the packet says of one of its ends. */
static __always_inline void write_end(const struct tracked *k, struct flow_end *end, enum role role)
{
	end->endpoint = k->endpoint[role];
	if (role == ROLE_DESTINATION && !k->known)
		return;
	end->identity = k->identity[role];
	/* Nobody carries the generation of a source from elsewhere. */
	if (role == ROLE_DESTINATION || k->endpoint[role])
		end->generation = k->generation[role];
	if (k->host[role]) {
		end->host = k->host[role];
		end->epoch = k->epoch[role];
	}
}

static __always_inline void write_ends_of(const struct tracked *k, struct flow *f)
{
	write_end(k, end_of(f, k->side), ROLE_SOURCE);
	write_end(k, end_of(f, other_end(k->side)), ROLE_DESTINATION);
}

/* Until the other side has spoken, all that the opener sends is alike, but for TCP's
 * handshake. */
static __always_inline __u8 opener_quick(const struct tracked *k, __u32 opener)
{
	return protocol_of(&k->key) == IPPROTO_TCP ? 0 : 1 << (opener & 1);
}

/* Gives back what a flow took of an endpoint's share. */
static __always_inline void uncharge(struct record *record, const struct flow *f)
{
	struct share *s = f->charged ? shares_row_of(record, STAGE_FLOW, f->charged) : NULL;

	if (s)
		__sync_fetch_and_add(&s->flows, -1);
}

/* Makes the row of a new flow. `ended` is the row in flows that it takes the place
 * of, if there is one. */
__noinline int open_flow(struct record *record, const struct flow *ended)
{
	struct tracked *k = tracked_row();
	__u64 time = now();
	struct flow *f;

	if (!k)
		return DROP_NO_PROGRAM;
	f = &k->row;
	if (k->endpoint[ROLE_SOURCE]) {
		struct budget *b = budgets_row_of(record, STAGE_FLOW, k->endpoint[ROLE_SOURCE]);

		if (!b || !spend(&b->opening, time, OPENING_INTERVAL, OPENING_BURST))
			return DROP_FLOW_QUOTA;
	}
	f->seen = time / SECOND;
	f->tick = tick();
	f->opener = k->side & 1;
	f->state = FLOW_OPENING;
	f->quick = opener_quick(k, k->side);
	f->translation = k->turn.translation;
	f->port = f->translation ? k->turn.port : 0;
	if (f->translation)
		addr_copy(f->addr, k->turn.addr);
	else
		__builtin_memset(f->addr, 0, sizeof(f->addr));
	f->charged = 0;
	__builtin_memset(f->end, 0, sizeof(f->end));
	write_ends_of(k, f);
	count_rules(record, f->rule, k->bytes);
	if (ended) {
		uncharge(record, ended);
		flows_delete(record, STAGE_FLOW, &k->key);
	}
	return openings_put(record, STAGE_FLOW, &k->key, f) ? DROP_NONE : DROP_FLOW_FULL;
}

/* From openings into flows. */
static __always_inline enum drop_reason settle(struct record *record, struct tracked *k,
					       const struct flow *opening)
{
	struct flow *f = &k->row;
	__u32 charged;
	struct share *s;

	*f = *opening;
	charged = end_of(f, f->opener)->endpoint;
	if (!charged)
		charged = end_of(f, other_end(f->opener))->endpoint;
	s = shares_row_of(record, STAGE_FLOW, charged);
	if (!is_left(s))
		return DROP_FLOW_QUOTA;
	f->charged = charged;
	f->quick = 3;
	if (!flows_put(record, STAGE_FLOW, &k->key, f))
		return DROP_FLOW_FULL;
	__sync_fetch_and_add(&s->flows, 1);
	openings_delete(record, STAGE_FLOW, &k->key);
	return DROP_NONE;
}

/* TCP's part of the state; of others there is but whether the other side has
 * spoken. */
static __always_inline __u8 next_state(const struct tracked *k, struct flow *f)
{
	__u32 side = k->side & 1;
	bool reply = side != f->opener;

	if (protocol_of(&k->key) != IPPROTO_TCP)
		return reply ? FLOW_ESTABLISHED : f->state;
	if (k->flags & TCP_RST)
		return FLOW_CLOSED;
	if (k->flags & TCP_FIN) {
		end_of(f, side)->closed = 1;
		return end_of(f, other_end(side))->closed ? FLOW_CLOSED : FLOW_CLOSING;
	}
	if (f->state == FLOW_OPENING && reply)
		return k->flags & TCP_SYN ? FLOW_REPLIED : FLOW_ESTABLISHED;
	if (f->state == FLOW_REPLIED && !reply && !(k->flags & TCP_SYN))
		return FLOW_ESTABLISHED;
	return f->state;
}

/* Notes the time. Who still sends on a TCP connection that was cut must not open it
 * anew by waiting. */
static __always_inline void note_time(const struct tracked *k, struct flow *f, bool refused)
{
	if (refused && protocol_of(&k->key) != IPPROTO_TCP)
		return;
	f->seen = now() / SECOND;
	f->tick = tick();
}

/* Enters into the row of its flow what becomes of a packet. */
__noinline int go_on(struct record *record, struct flow *f, __u32 opening, __u32 refused)
{
	struct tracked *k = tracked_row();
	enum drop_reason reason;
	__u8 was;

	if (!k || !f)
		return DROP_NO_PROGRAM;
	note_time(k, f, refused);
	record_change(record, STAGE_FLOW, opening ? TABLE_OPENINGS : TABLE_FLOWS, ACCESS_UPDATE,
		      &k->key, sizeof(k->key));
	if (refused) {
		f->state = FLOW_CUT;
		f->quick = 0;
		return refused;
	}
	f->set[0] = k->row.set[0];
	f->set[1] = k->row.set[1];
	f->rule[0] = k->row.rule[0];
	f->rule[1] = k->row.rule[1];
	write_ends_of(k, f);
	if (f->state == FLOW_CUT)
		f->state = opening ? FLOW_OPENING : FLOW_ESTABLISHED;
	was = f->state;
	f->state = next_state(k, f);
	count_rules(record, f->rule, k->bytes);
	if (!opening) {
		f->quick = f->state == FLOW_ESTABLISHED || f->state == FLOW_CLOSING ? 3 : 0;
		return DROP_NONE;
	}
	f->quick = opener_quick(k, f->opener);
	if (f->state != FLOW_ESTABLISHED)
		return DROP_NONE;
	reason = settle(record, k, f);
	if (reason)
		f->state = was;
	return reason;
}

/* The packet begins a flow anew that has a row: a SYN of the other side, or on a
 * flow that has ended. */
static __always_inline bool begins_anew(const struct flow *f, const struct tracked *k)
{
	if (protocol_of(&k->key) != IPPROTO_TCP || (k->flags & (TCP_SYN | TCP_ACK)) != TCP_SYN)
		return false;
	return k->side != f->opener || f->state >= FLOW_CLOSED;
}

/* The row is of a flow that the packet has no part in, though to other hosts it would
 * seem to: one of the two goes to a frontend, or to another one. */
static __always_inline bool is_taken(const struct tracked *k, const struct flow *f)
{
	if (k->translation)
		return k->side != f->opener || f->translation != k->turn.translation ||
		       f->port != k->turn.port || !addr_equal(f->addr, k->turn.addr);
	return k->fresh && k->side == f->opener && f->translation == TRANSLATION_FROM;
}

static __always_inline void turn_to(struct turn *t, const void *addr, __be16 port,
				    enum translation translation)
{
	addr_copy(t->addr, addr);
	t->port = port;
	t->translation = translation;
}

/* What a packet is to the row of its key. */
enum part {
	PART_FIRST = 0, /* it begins a flow, in the place of the row's if there is one */
	PART_OTHER, /* it goes on with the row's */
	PART_TAKEN, /* the row's is another one, and lives */
};

/* A function of its own: it is verified once. */
__noinline int take_part(struct flow *f, __u32 opening)
{
	struct tracked *k = tracked_row();
	bool taken, foreign;

	if (!k || !f)
		return PART_FIRST;
	/* Whoever is outside and has the address of an endpoint makes way for that. */
	foreign = f->translation == TRANSLATION_OUTSIDE && k->side == f->opener && !k->translation;
	taken = f->state != FLOW_CHOSEN && is_taken(k, f);
	if (taken && !opening && f->state < FLOW_CLOSED)
		return PART_TAKEN;
	if (taken || foreign || f->state == FLOW_CHOSEN || begins_anew(f, k)) {
		/* What was translated when it left goes on so. */
		if (!k->fresh && !foreign && !k->translation && k->side == f->opener)
			turn_to(&k->turn, f->addr, f->port, f->translation);
		return PART_FIRST;
	}
	k->settled = !opening;
	/* It comes from a backend. */
	if (f->translation >= TRANSLATION_FROM && k->side != f->opener) {
		turn_to(&k->turn, f->addr, f->port, TRANSLATION_FROM);
		k->translation = TRANSLATION_FROM;
	}
	return PART_OTHER;
}

/* A packet that belongs to a flow. */
static __always_inline enum drop_reason track_flow(struct record *record, struct tracked *k)
{
	enum drop_reason reason;
	struct flow *f = NULL;
	bool opening = true;
	int part;

	if (!k->unopened) {
		f = flows_row_of(record, STAGE_FLOW, &k->key);
		opening = !f;
		if (!f)
			f = openings_row_of(record, STAGE_FLOW, &k->key);
	}
	part = f ? take_part(f, opening) : PART_FIRST;
	if (part == PART_TAKEN)
		return DROP_FLOW_TAKEN;
	if (f && part == PART_OTHER) {
		plan_again(record, f);
		reason = judge_planned(record, k);
		return reason == TRACK_ASK ? reason : go_on(record, f, opening, reason);
	}
	plan_new(record);
	reason = judge_planned(record, k);
	return reason ? reason : open_flow(record, opening ? NULL : f);
}

/* Whether an error belongs to the flow of the row that it quotes. One that goes to who
 * opened a flow to a frontend quotes what a backend got, and is translated. A function of
 * its own: it is verified once. */
__noinline int take_error(struct flow *f)
{
	struct tracked *k = tracked_row();
	__u32 opener;

	if (!k || !f || f->state == FLOW_CUT || f->state == FLOW_CHOSEN)
		return 0;
	opener = f->opener & 1;
	if (f->translation != TRANSLATION_FROM ||
	    !addr_equal(k->quoted.addr[opener], k->key.addr[other_end(k->side)]))
		return 1;
	k->turns_outer = addr_equal(k->quoted.addr[other_end(opener)], k->key.addr[k->side & 1]);
	turn_to(&k->turn, f->addr, f->port, TRANSLATION_FROM);
	k->translation = TRANSLATION_FROM;
	return 1;
}

/* A packet that belongs to no flow, or to one that it quotes. */
static __always_inline enum drop_reason track_alone(struct record *record, struct tracked *k)
{
	enum drop_reason reason;
	struct flow *f = NULL;

	if (k->belongs == BELONGS_QUOTED) {
		f = flows_row_of(record, STAGE_FLOW, &k->quoted);
		if (!f)
			f = openings_row_of(record, STAGE_FLOW, &k->quoted);
	}
	if (f && take_error(f))
		return DROP_NONE;
	plan_new(record);
	reason = judge_planned(record, k);
	if (!reason)
		count_rules(record, k->row.rule, k->bytes);
	return reason;
}

#endif
