/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_ENDPOINT_H
#define MIZAR_ENDPOINT_H

/* Everything an endpoint sends, at the host side of its link: the stages that
 * both forms of the endpoint program share.
 *
 *   endpoint  port → parse → guard → ARP and ND answered here
 *                                  → a flow that is known, and nothing has changed?
 *                                    as before
 *                                  → else course, or fragment
 *   course    judged, and
 *             learned? send directly
 *             local?   deliver, the wire is not touched
 *             else     ask a bouncer or divider
 *             refused? the endpoint is told, where that helps
 *   fragment  the same for fragments, which follow one another
 *
 * Contract: process() meets the packet as the endpoint sent it. What the hook
 * does otherwise stands in hook_xdp.h and hook_tcx.h, and nowhere here. */

#include "handover.h"
#include "icmp.h"
#include "parts.h"
#include "service.h"
#include "send.h"
#include "translate.h"

static __always_inline bool is_group(const struct pkt *p)
{
	const __u8 *a = p->destination.addr;

	if (p->ethertype == ETH_P_IPV6)
		return a[0] == 0xff;
	return a[12] >= 224;
}

/* Unspecified and loopback destinations never leave an honest stack. */
static __always_inline bool is_nowhere(const struct pkt *p)
{
	const __u8 *a = p->destination.addr;

	if (p->ethertype == ETH_P_IPV6)
		return !(load32(a) | load32(a + 4) | load32(a + 8)) &&
		       bpf_ntohl(load32(a + 12)) <= 1;
	return a[12] == 0 || a[12] == 127;
}

static __always_inline enum drop_reason answer(struct pkt *p, struct cursor *c,
					       const struct endpoint *e)
{
	struct subnet *s;

	if (!p->l3)
		return answer_arp(p, c, e);
	s = subnets_row(p, e->subnet);
	return s ? answer_nd(p, e, s) : DROP_NO_SUBNET;
}

/* The endpoint that a row of paths names, if it still has the address. */
static __always_inline struct endpoint *still_local(struct pkt *p, const struct path *path)
{
	struct endpoint *to;

	if (!path || path->state != PATH_LOCAL)
		return NULL;
	to = endpoints_row(p, path->host);
	if (!to || to->vni != p->destination.vni)
		return NULL;
	if (p->ethertype == ETH_P_IP)
		return is_own4(to, load32(p->destination.addr + 12)) ? to : NULL;
	return is_own6(to, p->destination.addr) ? to : NULL;
}

/* The first packet to an endpoint of this host; the next one finds it in paths. */
static __always_inline struct endpoint *find_local(struct pkt *p, __u32 *index)
{
	struct path row = {.state = PATH_LOCAL};
	struct endpoint *to;
	struct local *local;

	stage(p, STAGE_LOCAL);
	local = locals_row(p, &p->destination);
	if (!local)
		return NULL;
	to = endpoints_row(p, local->endpoint);
	if (!to)
		return NULL;
	row.host = local->endpoint;
	*index = local->endpoint;
	paths_put(p, &p->destination, &row);
	return to;
}

static __always_inline struct endpoint *local_endpoint(struct pkt *p, const struct path *path,
						       __u32 *index)
{
	struct endpoint *to = still_local(p, path);

	if (!to)
		return find_local(p, index);
	*index = path->host;
	return to;
}

/* To the program of what leaves, as it was handed over to this one. */
static __always_inline enum drop_reason hand_outside(struct pkt *p, __u8 leaves)
{
	struct handed *h = handed_row();

	if (!h)
		return DROP_NO_PROGRAM;
	h->leaves = leaves;
	return next_program(p, PROGRAM_DEPART);
}

/* Where a packet goes: `to` is set if that is an endpoint of this host, else out. */
struct course {
	struct endpoint *to;
	struct outgoing out;
};

/* A packet whose flow has to be looked at closely. */
static __always_inline enum drop_reason find_course(struct pkt *p, const struct sender *from,
						    struct course *c)
{
	enum drop_reason reason;
	struct tracked *k = NULL;
	struct path *path;
	__u32 index = 0;

	reason = note(p, &k);
	if (reason || !k)
		return reason;
	k->fresh = 1;
	note_here(k, ROLE_SOURCE, from->index, from->row);
	stage(p, STAGE_PATH);
	path = paths_row(p, &p->destination);
	c->out.host = NULL;
	if (p->translation & TRANSLATION_SELF) {
		index = from->index;
		c->to = from->row;
	} else if (p->translation == TRANSLATION_OUTSIDE || is_outside(path)) {
		return hand_outside(p, 0);
	} else {
		c->to = path && path->state == PATH_LEARNED ? NULL
							    : local_endpoint(p, path, &index);
	}
	if (c->to)
		note_here(k, ROLE_DESTINATION, index, c->to);
	else
		reason = begin_sending(p, from, path, &c->out, k);
	if (reason)
		return reason;
	k->leaves = LEAVES_PERHAPS;
	if (!is_judged_later(p, k)) {
		reason = track(p, k);
		k->leaves |= reason ? 0 : LEAVES_JUDGED;
	}
	if (reason && (c->to || reason != TRACK_ASK))
		return reason;
	if (!c->to)
		reason = prepare_sending(p, from, path, &c->out, k, reason);
	if (reason == DROP_NO_SUBNET)
		return hand_outside(p, k->leaves);
	if (reason)
		return reason;
	keep_fragments(p);
	if (k->translation == TRANSLATION_TO && k->belongs == BELONGS_FLOW)
		keep_backend(p->record, c->out.label.flags & RETURN_JUDGE);
	return turn_tracked(p, k);
}

/* The row's translation is the packet's as well; false: the packet is none of those
 * that it is for. */
static __always_inline bool turn_quickly(struct pkt *p, const struct flow *f, __u32 side)
{
	p->translation = f->translation;
	if (f->translation == TRANSLATION_TO)
		return side == f->opener && translate(p, TRANSLATION_TO, f->addr, f->port);
	if (f->translation == TRANSLATION_SOURCE)
		return side == f->opener && translate(p, TRANSLATION_FROM, f->addr, f->port);
	return side != f->opener && translate(p, TRANSLATION_FROM, f->addr, f->port);
}

/* A packet of a flow in which nothing has changed; false: it is not, or does not go
 * on. */
static __always_inline bool find_course_quickly(struct pkt *p, const struct sender *from,
						struct course *c)
{
	struct flow_key key __attribute__((aligned(8)));
	const struct flow_end *far;
	struct flow *f;
	__u32 side;

	stage(p, STAGE_FLOW);
	if (!is_quick(p, &key, &side))
		return false;
	f = quick_flow(p, &key, side);
	if (!f || end_of(f, side)->endpoint != from->index || !still(f, side, from->row))
		return false;
	far = end_of(f, other_end(side));
	c->out.host = end_away(p, far);
	if (c->out.host) {
		c->out.label.generation = far->generation;
		c->out.verdict = VERDICT_SEND;
		if (fits(p, c->out.host))
			return false;
	} else {
		c->to = end_here(p, f, other_end(side));
		if (!c->to)
			return false;
	}
	if (f->translation && !turn_quickly(p, f, side))
		return false;
	if (f->translation >= TRANSLATION_OUTSIDE)
		c->out.verdict = VERDICT_LEAVE;
	touch(p, f, &key);
	return true;
}

/* On its way. */
static __always_inline enum drop_reason follow(struct pkt *p, const struct sender *from,
					       const struct course *c)
{
	if (!c->to)
		return leave(p, from->row, &c->out);
	route(p, from->row);
	return deliver(p, &c->to->door, 0);
}

/* An echo request to the gateway, in one piece. */
static __always_inline struct icmp_error *gateway_echo(struct pkt *p)
{
	struct icmp_error *head = p->l4;

	if (!head || p->fragment != FRAGMENT_NONE)
		return NULL;
	if (p->ethertype == ETH_P_IP)
		return p->protocol == IPPROTO_ICMP && head->type == ICMP_ECHO ? head : NULL;
	return p->protocol == IPPROTO_ICMPV6 && head->type == ICMPV6_ECHO_REQUEST ? head : NULL;
}

/* To the sender, from whom it was meant for. */
static __always_inline bool return_ip(struct pkt *p)
{
	struct cursor c = {.pos = p->l3, .end = hook_end(p->ctx)};
	struct ipv6hdr *ip6;
	struct iphdr *ip;
	__u16 word;

	if (p->ethertype == ETH_P_IPV6) {
		ip6 = take(&c, sizeof(*ip6));
		if (!ip6)
			return false;
		addr_copy(&ip6->saddr, p->destination.addr);
		addr_copy(&ip6->daddr, p->source.addr);
		ip6->hop_limit = ICMP_TTL;
		return true;
	}
	ip = take(&c, sizeof(*ip));
	if (!ip)
		return false;
	word = ip->ttl | ip->protocol << 8;
	ip->saddr = load32(p->destination.addr + 12);
	ip->daddr = load32(p->source.addr + 12);
	ip->ttl = ICMP_TTL;
	ip->check = sum_replace(ip->check, word, ip->ttl | ip->protocol << 8);
	return true;
}

/* The reply's sum differs in its type only. */
static __always_inline enum drop_reason answer_echo(struct pkt *p, struct icmp_error *head,
						    const struct endpoint *e)
{
	__u16 from = *(__u16 *)head;

	stage(p, STAGE_GATEWAY);
	head->type = p->ethertype == ETH_P_IP ? ICMP_ECHO_REPLY : ICMPV6_ECHO_REPLY;
	head->check = sum_replace(head->check, from, *(__u16 *)head);
	return return_ip(p) ? answer_from_gateway(p, e) : DROP_TRUNCATED;
}

/* The packet was sent to a frontend, and has its backend as its destination. */
static __always_inline bool is_to_backend(const struct pkt *p)
{
	return (p->translation & ~TRANSLATION_SELF) == TRANSLATION_TO;
}

/* What the endpoint is told about a packet that goes nowhere. The reason stays,
 * said or not. */
static __always_inline enum drop_reason refuse(struct pkt *p, const struct sender *from,
					       enum drop_reason reason)
{
	struct complaint c = {.reason = reason, .endpoint = from->index};
	struct icmp_error *echo = NULL;

	/* Gateways and frontends are there. */
	if (reason == DROP_GATEWAY || reason == DROP_NO_SERVICE)
		echo = gateway_echo(p);
	if (echo)
		return answer_echo(p, echo, from->row);
	if (!is_final(reason) && reason != DROP_TTL && reason != DROP_GATEWAY &&
	    reason != DROP_NO_SERVICE && reason != DROP_NO_BACKEND)
		return reason;
	c.mtu = p->fits;
	/* Who asks himself is told at his own address. */
	if (is_to_backend(p) && p->translation & TRANSLATION_SELF)
		addr_copy(p->source.addr, p->destination.addr);
	if (!complain(p, &c))
		decide(p, VERDICT_REFUSE, hook_bounce(p->ctx), p->port);
	return reason;
}

static __always_inline enum drop_reason process(struct pkt *p)
{
	struct course course = {};
	enum drop_reason reason;
	struct sender from = {};
	struct endpoint *e;
	struct port *port;
	struct cursor c;

	stage(p, STAGE_PORT);
	p->port = hook_port(p->ctx);
	port = ports_row(p, p->port);
	e = port ? endpoints_row(p, port->endpoint) : NULL;
	if (!e)
		return DROP_NO_PORT;
	p->source.vni = e->vni;
	p->destination.vni = e->vni;
	stage(p, STAGE_PARSE);
	if (hook_tagged(p->ctx))
		return DROP_ETHERTYPE;
	if (hook_in_parts(p->ctx, HEADERS_MAX) && gather(p->ctx))
		return DROP_NO_ROOM;
	c = (struct cursor){.pos = hook_data(p->ctx), .end = hook_end(p->ctx)};
	reason = parse_frame(p, &c);
	if (reason)
		return reason;
	reason = guard(p, e);
	if (reason)
		return reason;
	if (!p->l3 || is_link_message(p))
		return answer(p, &c, e);
	if (is_group(p))
		return DROP_MULTICAST;
	if (is_nowhere(p))
		return DROP_IP_ADDRESS;
	if (!mac_equal(p->eth->h_dest, &e->door.gateway))
		return DROP_DESTINATION_MAC;
	from.row = e;
	from.index = port->endpoint;
	course.out.label.identity = e->identity;
	if (expires(p, e) || !find_course_quickly(p, &from, &course))
		return hand_over_sent(p, from.index, e->served);
	return follow(p, &from, &course);
}

static __always_inline enum drop_reason process_further(struct pkt *p, __u32 index)
{
	struct course course = {};
	enum drop_reason reason;
	struct sender from = {.index = index};

	p->stage = STAGE_FLOW; /* where the endpoint program has left it */
	p->port = hook_port(p->ctx);
	from.row = endpoints_row(p, from.index);
	if (!from.row)
		return DROP_NO_PORT;
	course.out.label.identity = from.row->identity;
	/* A frontend lies in no subnet, wherever its backend does. */
	if (expires(p, from.row) || (p->ttl <= 1 && is_to_backend(p)))
		reason = DROP_TTL;
	else
		reason = find_course(p, &from, &course);
	if (!reason)
		reason = follow(p, &from, &course);
	return reason ? refuse(p, &from, reason) : DROP_NONE;
}

/* First which backend it is for, if it is for a frontend. */
static __always_inline enum drop_reason process_service(struct pkt *p)
{
	enum drop_reason reason;
	struct sender from = {};

	p->stage = STAGE_FLOW;
	p->port = hook_port(p->ctx);
	reason = serve(p);
	if (!reason)
		return go_on_served(p);
	from.index = take_over_sent(p);
	from.row = from.index ? endpoints_row(p, from.index) : NULL;
	return from.row ? refuse(p, &from, reason) : reason;
}

/* A whole packet. */
static __always_inline enum drop_reason process_course(struct pkt *p)
{
	__u32 index = take_over_sent(p);

	if (!index)
		return DROP_TRUNCATED;
	p->fragment = FRAGMENT_NONE;
	return process_further(p, index);
}

static __always_inline enum drop_reason process_fragment(struct pkt *p)
{
	__u32 index = take_over_sent(p);

	if (!index)
		return DROP_TRUNCATED;
	p->fragment = p->fragment == FRAGMENT_FIRST ? FRAGMENT_FIRST : FRAGMENT_LATER;
	return process_further(p, index);
}

#endif
