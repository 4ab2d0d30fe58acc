/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_SNAT_H
#define MIZAR_SNAT_H

/* Endpoints leave their VPC with an address of their host (SNAT), at that host.
 *
 * Contract: a flow that leaves has two rows, as one to a frontend has: its own, as policy
 * and its endpoint see it (TRANSLATION_SOURCE), and its face, as the outside sees it, in
 * no VPC (TRANSLATION_FACE). Faces never collide: one is made only where there is none,
 * at a port that the flow's hash begins to look from. The ports are none of those that
 * the host's stack gives out by itself, and what has no face is the host's.
 *
 *   course ─► judged ─► face found or made ─► translated ─► leaves plainly
 *   outside ─► face ─► translated ─► delivered as what came through the tunnel */

#include "handover.h"
#include "note.h"
#include "outside.h"
#include "quote.h"

#define SNAT_TRIES 16

/* Whether a row is the face of the flow that is noted. */
static __always_inline bool is_face_of(const struct flow *face, const struct tracked *k)
{
	__u32 side = k->side & 1;

	return face->translation == TRANSLATION_FACE && face->set[0] == k->key.vni_protocol >> 8 &&
	       face->port == k->key.port[side] && addr_equal(face->addr, k->key.addr[side]);
}

/* Writes the key of the face into view, but for the port, and its row. */
static __always_inline void begin_face(struct tracked *k, const __u8 *addr)
{
	__u32 side = k->side & 1, far = other_end(side);
	struct way w = {addr, k->key.addr[far], 0, k->key.port[far]};
	struct flow *face = &k->row;

	k->view.vni_protocol = protocol_of(&k->key);
	k->view_side = write_ends(&k->view, &w) & 1;
	__builtin_memset(face, 0, sizeof(*face));
	face->seen = now() / SECOND;
	face->tick = tick();
	face->opener = k->view_side;
	face->translation = TRANSLATION_FACE;
	face->port = k->key.port[side];
	face->set[0] = k->key.vni_protocol >> 8;
	addr_copy(face->addr, k->key.addr[side]);
}

/* Makes the face at the port in view, or finds it there; false: it is another flow's. */
static __always_inline bool claim_face(struct record *record, struct tracked *k)
{
	struct flow *face = flows_row_of(record, STAGE_TRANSLATE, &k->view);

	if (!face && openings_add(record, STAGE_TRANSLATE, &k->view, &k->row)) {
		/* One that was settled in between is in flows before it leaves openings. */
		face = flows_row_of(record, STAGE_TRANSLATE, &k->view);
		if (!face)
			return true;
		openings_delete(record, STAGE_TRANSLATE, &k->view);
	}
	if (!face)
		face = openings_row_of(record, STAGE_TRANSLATE, &k->view);
	return face && is_face_of(face, k);
}

static __always_inline __u32 hash_of(const struct flow_key *key)
{
	__u32 h = key->vni_protocol ^ *(const __u32 *)key->port;

#pragma unroll
	for (int i = 0; i < 8; i++)
		h = fmix32(h ^ load32((const __u8 *)key->addr + i * 4));
	return h;
}

/* The address and port that the noted flow leaves with, an address of the host's that it
 * may: k->turn. A function of its own: it is verified once. */
__noinline int hold_face(struct record *record, const struct uplink *own)
{
	struct tracked *k = tracked_row();
	__u32 hash, port, ports;
	struct flow *f;

	if (!k || !own)
		return DROP_NO_PROGRAM;
	ports = own->ports;
	f = flows_row_of(record, STAGE_TRANSLATE, &k->key);
	if (!f)
		f = openings_row_of(record, STAGE_TRANSLATE, &k->key);
	if (!f || f->opener != k->side)
		return DROP_NOT_OURS;
	begin_face(k, addr_mapped(k->key.addr[0]) ? own->v4 : own->v6);
	hash = hash_of(&k->key);
	port = hash & 0xffff;
	if (f->translation == TRANSLATION_SOURCE)
		k->view.port[k->view_side & 1] = f->port;
	for (int i = 0; i < SNAT_TRIES && ports; i++) {
		if (i || f->translation != TRANSLATION_SOURCE)
			k->view.port[k->view_side & 1] = bpf_htons(own->port + port % ports);
		if (claim_face(record, k)) {
			turn_to(&k->turn, k->view.addr[k->view_side & 1],
				k->view.port[k->view_side & 1], TRANSLATION_SOURCE);
			addr_copy(f->addr, k->turn.addr);
			f->port = k->turn.port;
			f->translation = TRANSLATION_SOURCE;
			return DROP_NONE;
		}
		port += hash >> 16 | 1; /* odd: among a power of two, all have their turn */
	}
	openings_delete(record, STAGE_TRANSLATE, &k->key);
	return DROP_SNAT_PORTS;
}

/* A packet that leaves, and is judged: with which address and port. */
static __always_inline enum drop_reason take_face(struct pkt *p, struct tracked *k)
{
	struct uplink *own = uplinks_row(p);

	if (!own)
		return DROP_NO_HOST;
	/* What belongs to no flow has no face, and the checksum of SCTP could not follow. */
	if (k->belongs != BELONGS_FLOW)
		return DROP_NO_SUBNET;
	if (p->protocol == IPPROTO_SCTP && p->fragment != FRAGMENT_NONE)
		return DROP_FRAGMENT_UNKNOWN;
	k->translation = TRANSLATION_SOURCE;
	return hold_face(p->record, own);
}

/* The other side has spoken: nothing drives the face out any more. A function of its own:
 * it is verified once. */
__noinline int settle_face(struct record *record, const struct flow *opening,
			   const struct flow_key *key)
{
	struct tracked *k = tracked_row();

	if (!k || !opening || !key)
		return DROP_NO_PROGRAM;
	k->view = *key;
	k->row = *opening;
	k->row.state = FLOW_ESTABLISHED;
	if (!flows_put(record, STAGE_TRANSLATE, &k->view, &k->row))
		return DROP_FLOW_FULL;
	openings_delete(record, STAGE_TRANSLATE, &k->view);
	return DROP_NONE;
}

/* The face of a flow, of which this host is the end `near`; NULL: none. What answers it
 * settles it, or where flows are full leaves it as it is: the flow itself says so then. */
static __always_inline struct flow *face_of(struct pkt *p, const struct flow_key *key, __u32 near,
					    bool answers)
{
	struct flow *face = flows_row_of(p->record, p->stage, key);
	bool opening = !face;

	if (opening)
		face = openings_row_of(p->record, p->stage, key);
	if (!face || face->translation != TRANSLATION_FACE || near != face->opener)
		return NULL;
	if (opening && answers)
		settle_face(p->record, face, key);
	return face;
}

/* The face that a packet from outside is for; NULL: none. */
static __always_inline struct flow *find_face(struct pkt *p, struct flow_key *key)
{
	__be16 from = p->sport, to = p->dport;

	if (is_icmp(p) && !echo_ports(p->l4, p->ethertype == ETH_P_IP, &from, &to))
		return NULL;
	return face_of(p, key, other_end(flow_key(p, key, from, to)), true);
}

/* To who admits it into the VPC, as if it had come through the tunnel. */
static __always_inline enum drop_reason hand_in(struct pkt *p, struct handed *h,
						const struct local *to, __u32 before)
{
	put_down_outside(p, h, to->generation, 0, before);
	return next_program(p, PROGRAM_ADMIT);
}

/* Puts another destination into what is noted, and notes the ports that the fragments
 * behind this one follow. */
static __always_inline enum drop_reason turn_noted(struct pkt *p, struct tracked *k,
						   const __u8 *addr, __be16 port, __u32 vni)
{
	enum drop_reason reason;

	if (p->protocol == IPPROTO_SCTP && is_fragment(p))
		return DROP_FRAGMENT_UNKNOWN;
	if (p->ttl <= 1)
		return DROP_TTL;
	lead_ports(p, k);
	keep_fragments(p);
	turn_to(&k->backend, addr, port, TRANSLATION_TO);
	k->translation = TRANSLATION_TO;
	k->turns_outer = 1;
	reason = turn_tracked(p, k);
	if (reason)
		return reason;
	count_hop(p);
	p->translation = TRANSLATION_NONE;
	note_put(p, TRANSLATION_TO, addr, p->fragment == FRAGMENT_FIRST ? port : p->dport);
	p->source.vni = vni;
	p->destination.vni = vni;
	return DROP_NONE;
}

/* What is noted goes to the endpoint that has opened the flow. */
static __always_inline enum drop_reason take_noted(struct pkt *p, const struct uplink *own,
						   struct handed *h, const struct flow *face,
						   struct tracked *k, __u32 before)
{
	enum drop_reason reason = fits_here(p, own);
	struct local *local;

	if (!reason)
		reason = turn_noted(p, k, face->addr, face->port, face->set[0]);
	if (reason)
		return reason;
	local = locals_row(p, &p->destination);
	return local ? hand_in(p, h, local, before) : DROP_NOT_OURS;
}

/* To the endpoint, whose flow must be there. */
static __always_inline enum drop_reason take_reply(struct pkt *p, const struct uplink *uplink,
						   struct handed *h, struct flow *face,
						   const struct flow_key *key, __u32 before)
{
	struct flow_key own __attribute__((aligned(8)));
	__u32 vni = face->set[0], side;
	struct endpoint *to = NULL;
	struct local *local;
	struct flow *f;

	if (p->ttl <= 1)
		return DROP_TTL;
	if (fits_here(p, uplink))
		return DROP_MTU;
	touch(p, face, key);
	if (!translate(p, TRANSLATION_TO, face->addr, face->port))
		return DROP_TRUNCATED;
	count_hop(p);
	p->source.vni = vni;
	p->destination.vni = vni;
	stage(p, STAGE_FLOW);
	if (is_quick(p, &own, &side)) {
		f = quick_flow(p, &own, side);
		to = f ? end_here(p, f, other_end(side)) : NULL;
		if (to) {
			touch(p, f, &own);
			return deliver(p, &to->door, before);
		}
	}
	local = p->unopened ? NULL : locals_row(p, &p->destination);
	return local ? hand_in(p, h, local, before) : DROP_NOT_OURS;
}

#endif
