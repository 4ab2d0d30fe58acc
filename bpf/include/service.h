/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_SERVICE_H
#define MIZAR_SERVICE_H

/* Which backend gets what an endpoint sends to a frontend.
 *
 * Contract: a flow goes to one backend for as long as it lives, whatever becomes of
 * the service meanwhile; a flow that begins goes to one that the service has now.
 * Flows choose by the hash of their five fields, the same on every host; those of a client
 * that keeps its backend by that of four.
 *
 *   row of the view ──────────────────────────────┐
 *   else service ─► place (hash) ─► backend ──────┴─► the packet's flow is that with
 *                                                     the backend (track.h)
 *                                                     and the view follows it */

#include "fragment.h"
#include "handover.h"
#include "choice.h"
#include "note.h"

/* Whether the view's flow goes on: no SYN begins it anew. */
static __always_inline bool view_goes_on(struct record *record, struct tracked *k)
{
	struct flow *f;

	if (protocol_of(&k->view) != IPPROTO_TCP || (k->flags & (TCP_SYN | TCP_ACK)) != TCP_SYN)
		return true;
	f = flows_row_of(record, STAGE_SERVICE, &k->key);
	if (!f)
		f = openings_row_of(record, STAGE_SERVICE, &k->key);
	return f && f->state < FLOW_CLOSED;
}

/* The key of the flow with the backend: the view's, with another far end. */
static __always_inline void key_with_backend(struct tracked *k)
{
	__u32 from = k->view_side & 1;
	struct way w = {k->view.addr[from], k->backend.addr, k->view.port[from], k->backend.port};

	k->self = addr_equal(w.from, w.to);
	if (k->self)
		w.from = k->view.addr[other_end(from)];

	k->key.vni_protocol = k->view.vni_protocol;
	k->side = write_ends(&k->key, &w) & 1;
}

/* The client's backend of a service with affinity, if that is still one. */
static __always_inline bool kept_backend(struct record *record, struct tracked *k,
					 const struct service *s)
{
	struct affinity *a;

	k->client.service = s->number;
	addr_copy(k->client.addr, k->view.addr[k->view_side & 1]);
	a = affinities_row_of(record, STAGE_SERVICE, &k->client);
	if (!a || (__u32)(now() / SECOND) - a->since > s->affinity)
		return false;
	k->service.vni = BACKEND_OF | s->number;
	addr_copy(k->service.addr, a->addr);
	k->service.port = a->port;
	k->service.protocol = 0;
	if (!services_row_of(record, STAGE_SERVICE, &k->service))
		return false;
	turn_to(&k->backend, a->addr, a->port, TRANSLATION_TO);
	return true;
}

/* Until its time is up the client's next flows go there as well. */
static __always_inline void keep_affinity(struct record *record, struct tracked *k)
{
	k->affinity.since = now() / SECOND;
	k->affinity.port = k->backend.port;
	addr_copy(k->affinity.addr, k->backend.addr);
	affinities_put(record, STAGE_SERVICE, &k->client, &k->affinity);
}

/* The backend that the service has for the flow. */
static __always_inline enum drop_reason choose_backend(struct record *record, struct tracked *k,
						       const struct service *s)
{
	__u32 from = k->view_side & 1;
	struct backend *b;
	struct way w;

	if (!s->places)
		return DROP_NO_BACKEND;
	if (s->affinity && kept_backend(record, k, s)) {
		keep_affinity(record, k);
		return DROP_NONE;
	}
	w = (struct way){k->view.addr[from], k->view.addr[other_end(from)],
			 s->affinity ? 0 : k->view.port[from], k->view.port[other_end(from)]};
	b = choose_place(record, s, choice_hash(protocol_of(&k->view), &w));
	if (!b)
		return DROP_NO_BACKEND;
	turn_to(&k->backend, b->addr, b->port, TRANSLATION_TO);
	if (s->affinity)
		keep_affinity(record, k);
	return DROP_NONE;
}

static __always_inline void service_key(struct tracked *k, __be16 port, __u8 protocol)
{
	addr_copy(k->service.addr, k->key.addr[other_end(k->side)]);
	k->service.vni = k->key.vni_protocol >> 8;
	k->service.port = port;
	k->service.protocol = protocol;
}

/* The view of a flow that has a backend, which stays, or may be another one from now
 * on. */
static __always_inline bool has_backend(struct record *record, struct tracked *k,
					const struct flow *f)
{
	turn_to(&k->backend, f->addr, f->port, TRANSLATION_TO);
	key_with_backend(k);
	if (view_goes_on(record, k))
		return true;
	k->key = k->view;
	k->side = k->view_side;
	return false;
}

/* The service that the packet is for; NULL: none, and the reason if it is for a
 * frontend all the same. */
static __always_inline struct service *find_service(struct record *record, struct tracked *k,
						    enum drop_reason *reason)
{
	struct service *s;

	service_key(k, k->key.port[other_end(k->side)], protocol_of(&k->key));
	s = services_row_of(record, STAGE_SERVICE, &k->service);
	if (s)
		return s;
	service_key(k, 0, 0);
	if (services_row_of(record, STAGE_SERVICE, &k->service))
		*reason = DROP_NO_SERVICE;
	return NULL;
}

/* Finds out where a packet goes that its endpoint sends, by its own key: k->translation
 * says whether to k->backend, and then k->key is that of the flow with it; or that it is
 * a backend's answer to the outside. A function of its own: it is verified once. */
__noinline int find_backend(struct record *record)
{
	struct tracked *k = tracked_row();
	enum drop_reason reason = DROP_NONE;
	struct flow *f = NULL;
	struct service *s;

	if (!k)
		return DROP_NO_PROGRAM;
	k->translation = TRANSLATION_NONE;
	k->self = 0;
	if (!k->unopened) {
		f = flows_row_of(record, STAGE_SERVICE, &k->key);
		if (!f)
			f = openings_row_of(record, STAGE_SERVICE, &k->key);
		k->unopened = !f;
	}
	if (f && f->translation != TRANSLATION_TO) {
		k->self = f->translation == TRANSLATION_FROM && k->side != f->opener &&
			  addr_equal(f->addr, k->key.addr[other_end(k->side)]);
		if (f->translation == TRANSLATION_OUTSIDE && k->side != f->opener)
			k->translation = TRANSLATION_OUTSIDE;
		return DROP_NONE;
	}
	k->view = k->key;
	k->view_side = k->side;
	if (!f || !has_backend(record, k, f)) {
		s = find_service(record, k, &reason);
		if (!s)
			return f ? DROP_NO_SERVICE : reason;
		reason = choose_backend(record, k, s);
		if (reason)
			return reason;
		key_with_backend(k);
	}
	k->translation = TRANSLATION_TO;
	return DROP_NONE;
}

/* The view of a flow whose packet an endpoint complains about, to a frontend: the backend
 * gets the error. A function of its own: it is verified once. */
__noinline int find_quoted(struct record *record)
{
	struct tracked *k = tracked_row();
	struct flow *f;
	__u32 far;

	if (!k)
		return 0;
	f = flows_row_of(record, STAGE_SERVICE, &k->quoted);
	if (!f)
		f = openings_row_of(record, STAGE_SERVICE, &k->quoted);
	if (!f || f->translation != TRANSLATION_TO)
		return 0;
	far = other_end(f->opener);
	if (!addr_equal(k->quoted.addr[far], k->key.addr[other_end(k->side)]))
		return 0;
	turn_to(&k->backend, f->addr, f->port, TRANSLATION_TO);
	turn_to(&k->turn, k->quoted.addr[far], k->quoted.port[far], TRANSLATION_FROM);
	k->turns_outer = 1;
	return 1;
}

/* Whether what is handed over is an ICMP error that belongs to a flow to a frontend. */
static __always_inline bool serve_error(struct pkt *p, struct tracked *k, const struct handed *h)
{
	struct cursor c = {.pos = hook_data(p->ctx) + bounded(h->l4, 2 * HEADERS_MAX - 1),
			   .end = hook_end(p->ctx)};
	struct icmp_error *head = h->l4 ? take(&c, sizeof(*head)) : NULL;
	bool v4 = h->ethertype == ETH_P_IP;

	if (!head || h->fragment != FRAGMENT_NONE ||
	    h->protocol != (v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6) || !is_error_type(head->type, v4))
		return false;
	return quoted_key(p->ctx, h->l4 + sizeof(*head), k) && find_quoted(p->record);
}

/* What goes with the first fragment to the same frontend follows its ports. */
static __always_inline bool serve_fragment(struct pkt *p, struct tracked *k, const struct handed *h)
{
	k->fragment.source = h->source;
	addr_copy(k->fragment.destination, h->destination.addr);
	k->fragment.id = h->fragment_id;
	k->fragment.protocol = h->protocol;
	if (h->fragment == FRAGMENT_LATER) {
		read_fragments(p->record, STAGE_SERVICE);
		k->key.port[k->side & 1] = k->parts.from;
		k->key.port[other_end(k->side)] = k->parts.to;
		return k->parts.begun;
	}
	__builtin_memset(&k->parts, 0, sizeof(k->parts));
	k->parts.from = h->sport;
	k->parts.to = h->dport;
	k->parts.begun = 1;
	k->led = 1;
	return true;
}

/* TCP's flags of the packet that is handed over. */
static __always_inline __u8 handed_flags(struct pkt *p, const struct handed *h)
{
	struct cursor c = {.pos = hook_data(p->ctx) + bounded(h->l4, 2 * HEADERS_MAX - 1),
			   .end = hook_end(p->ctx)};
	struct tcphdr *tcp = h->l4 ? take(&c, sizeof(*tcp)) : NULL;

	return tcp ? ((__u8 *)tcp)[13] : 0;
}

/* Whether the packet's ports are those of its flow: an echo's are its identifier's, a
 * later fragment's those of its first one. */
static __always_inline bool has_own_ports(const struct handed *h)
{
	return h->fragment != FRAGMENT_LATER && h->protocol != IPPROTO_ICMP &&
	       h->protocol != IPPROTO_ICMPV6;
}

/* Finds out which backend a packet of an endpoint is for, and hands it over as if it
 * were sent there. */
static __always_inline enum drop_reason serve(struct pkt *p)
{
	struct tracked *k = tracked_row();
	struct handed *h = handed_row();
	enum drop_reason reason;
	struct way w;

	if (!k || !h)
		return DROP_NO_PROGRAM;
	stage(p, STAGE_SERVICE);
	w = (struct way){h->source.addr, h->destination.addr, h->sport, h->dport};
	k->key.vni_protocol = h->source.vni << 8 | h->protocol;
	k->side = write_ends(&k->key, &w);
	k->flags = h->protocol == IPPROTO_TCP ? handed_flags(p, h) : 0;
	k->unopened = h->unopened;
	k->led = 0;
	k->translation = TRANSLATION_NONE;
	if (serve_error(p, k, h)) {
		h->translation = TRANSLATION_TO;
		addr_copy(h->destination.addr, k->backend.addr);
		return DROP_NONE;
	}
	if (h->fragment != FRAGMENT_NONE && !serve_fragment(p, k, h))
		k->unopened = 0;
	reason = find_backend(p->record);
	if (reason == DROP_NO_SERVICE && h->fragment == FRAGMENT_LATER)
		return DROP_FRAGMENT_UNKNOWN;
	if (reason)
		return reason;
	/* The checksum of SCTP could not follow. */
	if (k->translation && h->protocol == IPPROTO_SCTP && h->fragment != FRAGMENT_NONE)
		return DROP_FRAGMENT_UNKNOWN;
	if (k->translation)
		h->unopened = 0;
	else if (has_own_ports(h))
		h->unopened = k->unopened;
	h->translation = k->translation | (k->self ? TRANSLATION_SELF : 0);
	if (k->translation != TRANSLATION_TO)
		return DROP_NONE;
	write_fragments(p->record, STAGE_SERVICE);
	turn_to(&k->turn, k->view.addr[other_end(k->view_side)],
		k->view.port[other_end(k->view_side)], TRANSLATION_FROM);
	addr_copy(h->destination.addr, k->backend.addr);
	if (k->self)
		addr_copy(h->source.addr, k->turn.addr);
	if (h->fragment != FRAGMENT_LATER)
		h->dport = k->backend.port;
	return DROP_NONE;
}

/* To the program that would have got the packet if there were no services. */
static __always_inline enum drop_reason go_on_served(struct pkt *p)
{
	struct handed *h = handed_row();

	if (!h)
		return DROP_NO_PROGRAM;
	if (h->fragment != FRAGMENT_NONE)
		return next_program(p, PROGRAM_FRAGMENT);
	return next_program(p, PROGRAM_COURSE);
}

/* The row of the view follows that of the flow: `quick` where that one is and where it
 * stays, else it keeps the backend alone. */
static __always_inline void write_view(struct tracked *k, const struct flow *f)
{
	struct flow *v = &k->row;
	__u32 from = k->side & 1, at = k->view_side & 1;

	if (f) {
		v->opener = at;
		v->state = f->state;
		v->charged = 0;
		v->quick = ((f->quick >> from) & 1) << at;
		v->set[0] = f->set[0];
		v->set[1] = f->set[1];
		v->rule[0] = f->rule[0];
		v->rule[1] = f->rule[1];
		*end_of(v, at) = *end_of(f, from);
		*end_of(v, other_end(at)) = *end_of(f, other_end(from));
	} else {
		__builtin_memset(v, 0, sizeof(*v));
		v->opener = at;
		v->state = FLOW_CHOSEN;
	}
	v->seen = now() / SECOND;
	v->tick = tick();
	v->translation = TRANSLATION_TO;
	v->port = k->backend.port;
	addr_copy(v->addr, k->backend.addr);
}

/* Into flows, at the cost of the opener's share; without one it stays as it is. */
static __always_inline void settle_view(struct record *record, struct tracked *k)
{
	__u32 endpoint = k->endpoint[ROLE_SOURCE];
	struct share *s = shares_row_of(record, STAGE_SERVICE, endpoint);

	if (!is_left(s))
		return;
	k->row.charged = endpoint;
	if (!flows_put(record, STAGE_SERVICE, &k->view, &k->row))
		return;
	__sync_fetch_and_add(&s->flows, 1);
	openings_delete(record, STAGE_SERVICE, &k->view);
}

/* Keeps which backend the flow has, also if it is judged only when the packet comes
 * back (`later`). */
__noinline int keep_backend(struct record *record, __u32 later)
{
	struct tracked *k = tracked_row();
	struct flow *f, *v;

	if (!k)
		return DROP_NO_PROGRAM;
	f = k->settled ? flows_row_of(record, STAGE_SERVICE, &k->key) : NULL;
	v = flows_row_of(record, STAGE_SERVICE, &k->view);
	write_view(k, f);
	if (v) {
		k->row.charged = v->charged;
		flows_put(record, STAGE_SERVICE, &k->view, &k->row);
	} else if (f) {
		settle_view(record, k);
	} else {
		openings_put(record, STAGE_SERVICE, &k->view, &k->row);
	}
	if (later && !f && !openings_row_of(record, STAGE_SERVICE, &k->key)) {
		k->row.opener = k->side & 1;
		k->row.translation = TRANSLATION_FROM;
		k->row.port = k->turn.port;
		addr_copy(k->row.addr, k->turn.addr);
		openings_put(record, STAGE_SERVICE, &k->key, &k->row);
	}
	return DROP_NONE;
}

#endif
