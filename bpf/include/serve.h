/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_SERVE_H
#define MIZAR_SERVE_H

/* What clients outside send to frontends, at the uplink of the host that they have come
 * to.
 *
 * Contract: nothing is kept of it here: the backend is chosen by the hash of each packet,
 * the same for all of a flow. What is for no frontend of ours passes to the stack
 * untouched. The backend's own host judges the packet, keeps the flow and answers by
 * itself (direct server return): the client's address stays, and the frontend goes along
 * in the option `service`.
 *
 *   parsed ─► frontend? ─► backend ─► for the client? ─► translated ─► here: admit
 *                 └ none: pass                                      └► else: encapsulated, to its host */

#include "choice.h"
#include "deliver.h"
#include "encapsulate.h"
#include "handover.h"
#include "snat.h"
#include "translate.h"

/* Parses a frame of the underlay's VLAN; false: it is something else. Its Ethernet header
 * is taken to lie `before` bytes behind its beginning: where a tag is left out of it, its
 * addresses are none, and nobody looks at them any more. */
static __always_inline bool parse_client(struct pkt *p, const struct uplink *own, __u32 *before)
{
	struct cursor c = {.pos = hook_data(p->ctx), .end = hook_end(p->ctx)}, at = c;
	struct ethhdr *eth = take(&at, sizeof(*eth));
	__u16 vlan = hook_vlan(p->ctx);

	if (!eth)
		return false;
	*before = 0;
	if (*ethertype(eth) == bpf_htons(ETH_P_8021Q)) {
		struct vlan *tag = take(&at, sizeof(*tag));

		if (!tag || hook_tagged(p->ctx))
			return false;
		vlan = bpf_ntohs(tag->tci) & 0x0fff;
		*before = sizeof(*tag);
		take(&c, sizeof(*tag));
	}
	return vlan == own->vlan && !parse_frame(p, &c) && p->l3;
}

/* The service whose frontend the packet is for; NULL: none. */
static __always_inline struct service *outside_service(struct pkt *p)
{
	struct service_key key = {.port = p->dport, .protocol = p->protocol};

	addr_copy(key.addr, p->destination.addr);
	return services_row_of(p->record, STAGE_SERVICE, &key);
}

/* Whether a set of source ranges has the address that is handed over. A function of its
 * own: packets to services for everybody do not pay for its registers. */
__noinline int has_client(struct record *record, __u32 set)
{
	struct policy_prefix_key key = {.prefixlen = 32 + 128, .set = bpf_htonl(set)};
	struct handed *h = handed_row();

	if (!h)
		return 0;
	addr_copy(key.addr, h->source.addr);
	return policy_prefixes_row_of(record, STAGE_SERVICE, &key) != NULL;
}

/* Whether the service is for the client: most are for everybody, and have no set. */
static __always_inline bool is_for(struct pkt *p, struct handed *h, const struct service *s)
{
	if (!s->number)
		return true;
	h->source = p->source;
	return has_client(p->record, s->number);
}

static __always_inline struct backend *outside_backend(struct pkt *p, const struct service *s)
{
	struct way w = {p->source.addr, p->destination.addr, s->affinity ? 0 : p->sport, p->dport};

	return choose_place(p->record, s, choice_hash(p->protocol, &w));
}

/* Puts the backend in as the destination, and notes what goes along with the packet. */
static __always_inline enum drop_reason turn_to_backend(struct pkt *p, struct handed *h,
							const struct backend *b, __u32 before)
{
	__u32 frontend = bpf_ntohs(p->dport);

	/* Two ends never have the same address. */
	if (addr_equal(p->source.addr, b->addr))
		return DROP_FLOW_TAKEN;
	if (p->ttl <= 1)
		return DROP_TTL;
	addr_copy(h->host, p->destination.addr);
	h->found = frontend << 16 | (__u32)p->protocol << 8;
	if (!translate(p, TRANSLATION_TO, b->addr, b->port))
		return DROP_TRUNCATED;
	count_hop(p);
	put_down_outside(p, h, b->generation, GENEVE_SERVICE, before);
	return DROP_NONE;
}

/* To the backend's host, where it fits. */
static __always_inline enum drop_reason send_to_backend(struct pkt *p, struct handed *h,
							struct host *to)
{
	struct label l = {.generation = h->generation,
			  .option = GENEVE_SERVICE,
			  .found = h->found,
			  .host = h->host};
	__u32 untagged = hook_untag(p->ctx);
	__u32 ifindex = to->ifindex;
	enum drop_reason reason;

	p->l4 = NULL;
	if (!take_up(p, h, untagged))
		return DROP_TRUNCATED;
	reason = encapsulate(p, to, &l, bounded(h->length - untagged, 0x1ff));
	return reason ? reason : decide(p, VERDICT_SERVE, hook_bounce(p->ctx), ifindex);
}

/* The way to a backend: its host, NULL where that is this one; what does not fit is as it
 * was. */
static __always_inline enum drop_reason find_backend(struct pkt *p, const struct uplink *own,
						     const struct backend *b, struct host **to)
{
	*to = NULL;
	if (!b->host)
		return fits_here(p, own);
	*to = hosts_row(p, b->host);
	return *to ? fits(p, *to) : DROP_NO_HOST;
}

/* The end of a key that has an address; the other one if neither has. */
static __always_inline __u32 end_with(const struct flow_key *key, const __u8 *addr)
{
	return addr_equal(key->addr[0], addr) ? 0 : 1;
}

/* The backend of the flow that what is noted belongs to, as of the client's own packets. */
static __always_inline struct backend *noted_backend(struct pkt *p, const struct service *s,
						     const struct flow_key *key, __u32 near)
{
	__u32 far = other_end(near);
	struct way w = {key->addr[far & 1], key->addr[near & 1],
			s->affinity ? 0 : key->port[far & 1], key->port[near & 1]};

	return choose_place(p->record, s, choice_hash(protocol_of(key), &w));
}

/* A fragment, or an ICMP error: for who gets the flow that it belongs to, or the stack's. */
static __always_inline enum drop_reason serve_noted(struct pkt *p, const struct uplink *own,
						    struct handed *h, __u32 before)
{
	struct service_key at = {};
	struct tracked *k = NULL;
	enum drop_reason reason;
	struct flow_key *key;
	struct service *s;
	struct backend *b;
	struct flow *face;
	__u32 near, vni;
	struct host *to;

	p->translation = TRANSLATION_NONE;
	reason = note(p, &k);
	if (reason || !k || (k->belongs != BELONGS_FLOW && k->belongs != BELONGS_QUOTED))
		return decide(p, VERDICT_PASS, HOOK_PASS, 0);
	key = k->belongs == BELONGS_FLOW ? &k->key : &k->quoted;
	near = end_with(key, p->destination.addr);
	at.port = key->port[near & 1];
	at.protocol = protocol_of(key);
	addr_copy(at.addr, p->destination.addr);
	s = services_row_of(p->record, STAGE_SERVICE, &at);
	if (!s) {
		face = face_of(p, key, near, k->belongs == BELONGS_FLOW);
		return face ? take_noted(p, own, h, face, k, before)
			    : decide(p, VERDICT_PASS, HOOK_PASS, 0);
	}
	b = noted_backend(p, s, key, near);
	if (!b)
		return DROP_NO_BACKEND;
	if (k->belongs == BELONGS_FLOW && !is_for(p, h, s))
		return DROP_SOURCE_RANGE;
	reason = find_backend(p, own, b, &to);
	if (reason)
		return reason;
	if (addr_equal(p->source.addr, b->addr))
		return DROP_FLOW_TAKEN;
	addr_copy(h->host, p->destination.addr);
	h->found = (__u32)bpf_ntohs(at.port) << 16 | (__u32)at.protocol << 8;
	vni = s->vni;
	reason = turn_noted(p, k, b->addr, b->port, vni);
	if (reason)
		return reason;
	put_down_outside(p, h, b->generation, GENEVE_SERVICE, before);
	return to ? send_to_backend(p, h, to) : next_program(p, PROGRAM_ADMIT);
}

/* A packet from outside whose headers begin `before` bytes later than they would. */
static __always_inline enum drop_reason serve_client(struct pkt *p, const struct uplink *own,
						     struct handed *h, __u32 before)
{
	enum drop_reason reason;
	struct flow_key key;
	struct service *s;
	struct backend *b;
	struct flow *face;
	struct host *to;

	if (is_fragment(p) || is_icmp_error(p))
		return serve_noted(p, own, h, before);
	stage(p, STAGE_SERVICE);
	s = outside_service(p);
	if (!s) {
		stage(p, STAGE_FLOW);
		face = find_face(p, &key);
		return face ? take_reply(p, own, h, face, &key, before)
			    : decide(p, VERDICT_PASS, HOOK_PASS, 0);
	}
	b = outside_backend(p, s);
	if (!b)
		return DROP_NO_BACKEND;
	p->source.vni = s->vni;
	p->destination.vni = s->vni;
	if (!is_for(p, h, s))
		return DROP_SOURCE_RANGE;
	reason = find_backend(p, own, b, &to);
	if (!reason)
		reason = turn_to_backend(p, h, b, before);
	if (reason)
		return reason;
	return to ? send_to_backend(p, h, to) : next_program(p, PROGRAM_ADMIT);
}

/* Who is outside is told what would have fit, in a frame without a tag. */
static __always_inline enum drop_reason tell_outside(struct pkt *p, __u32 before)
{
	struct complaint c = {.reason = DROP_MTU, .mtu = p->fits};
	struct host *way = NULL;

	if (before || hook_tagged(p->ctx) || !outside_number(p, &way))
		return DROP_MTU;
	if (!complain_outside(p, &c))
		decide(p, VERDICT_REFUSE, hook_bounce(p->ctx), way->ifindex);
	return DROP_MTU;
}

static __always_inline enum drop_reason serve_outside(struct pkt *p)
{
	struct uplink *own = uplinks_row(p);
	struct handed *h = handed_row();
	enum drop_reason reason;
	__u32 before;

	if (!own || !h)
		return DROP_NO_PROGRAM;
	p->source.vni = 0;
	p->destination.vni = 0;
	stage(p, STAGE_PARSE);
	if (!parse_client(p, own, &before) || (!p->l4 && !is_fragment(p)))
		return decide(p, VERDICT_PASS, HOOK_PASS, 0);
	reason = serve_client(p, own, h, before);
	return reason == DROP_MTU ? tell_outside(p, before) : reason;
}

#endif
