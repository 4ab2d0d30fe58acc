/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_RELAY_H
#define MIZAR_RELAY_H

/* The roles of bouncer and divider: questions for endpoints elsewhere.
 *
 * Contract: only what asks for it (return-to-sender that is no answer) is relayed,
 * and at most RELAY_LIMIT times. A host that relays neither learns nor tracks. */

#include "encapsulate.h"
#include "icmp.h"
#include "learn.h"
#include "locate.h"
#include "outside.h"

static __always_inline bool is_question(const struct tunnel *t)
{
	return t->option.type == GENEVE_RETURN && !(t->option.flags & RETURN_ANSWER);
}

/* Who is next for an endpoint that is neither here nor in the directory. */
static __always_inline enum drop_reason ask_on(struct pkt *p, struct next *n)
{
	struct subnet *s = find_subnet(p);
	struct vpc *v;

	if (s)
		return ask_others(p, s, n);
	v = vpcs_row(p, &p->destination.vni);
	return v && v->divider ? DROP_NO_SUBNET : DROP_NOT_OURS;
}

/* The host that asked. */
static __always_inline struct host *asker(struct pkt *p, const struct tunnel *t)
{
	__u32 number = peer_number(p, addr_words(t->option.host));

	return number ? hosts_row(p, number) : NULL;
}

/* To the source host, with the location it asked for. */
static __always_inline enum drop_reason
prepare_send_back(struct pkt *p, const struct tunnel *t, const struct next *n, struct outgoing *out)
{
	struct host *found = hosts_row(p, n->host);

	stage(p, STAGE_SEND_BACK);
	out->host = asker(p, t);
	if (!out->host || !found)
		return DROP_NO_HOST;
	out->verdict = VERDICT_SEND_BACK;
	out->label.option = GENEVE_SEND_BACK;
	out->label.token = t->option.token;
	out->label.found = n->identity << 8 | n->generation;
	/* This host has an address of the family that the other one asks by. */
	out->label.host = n->host ? found->addr : out->host->source;
	return fits(p, out->host);
}

/* The destination lives here, but the sender has not judged the packet yet. */
static __always_inline bool is_unjudged_here(struct pkt *p, const struct tunnel *t, struct next *n)
{
	struct endpoint *e;
	struct local *local;

	if (!(t->option.flags & RETURN_JUDGE))
		return false;
	local = locals_row(p, &p->destination);
	e = local ? endpoints_row(p, local->endpoint) : NULL;
	if (!e)
		return false;
	n->host = 0;
	n->identity = e->identity;
	n->generation = local->generation;
	return true;
}

/* To the source host, with the reason why it goes nowhere; just that reason where
 * it does not get there either. */
static __always_inline enum drop_reason prepare_refusal(struct pkt *p, const struct tunnel *t,
							enum drop_reason reason,
							struct outgoing *out)
{
	__u16 mtu;

	stage(p, STAGE_REFUSE);
	out->host = asker(p, t);
	mtu = p->fits;
	if (!out->host || fits(p, out->host))
		return reason;
	out->verdict = VERDICT_REFUSE;
	out->label = (struct label){
		.identity = t->identity,
		.option = GENEVE_REFUSAL,
		.token = t->option.token,
		.found = reason << 24 | (reason == DROP_MTU ? mtu : 0),
	};
	return DROP_NONE;
}

/* The tunnel packet has just the headers that it will leave with. */
static __always_inline bool is_same_shape(const struct tunnel *t, const struct host *h)
{
	__u32 length = outer_length(h) + (h->vlan ? sizeof(struct vlan) : 0) +
		       sizeof(struct option_return);

	return t->plain && t->length == length;
}

static __always_inline bool readdress_ipv4(struct cursor *c, const struct host *h)
{
	struct iphdr *ip = take(c, sizeof(*ip));
	__u32 sum, *word = (void *)ip;

	if (!ip)
		return false;
	sum = (__u16)~sum_fold((__u32)h->checksum + ip->tot_len + ((__u32)ip->tos << 8));
	word[1] = bpf_htonl(IP_FLAG_DF);
	word[2] = OUTER_TTL | IPPROTO_UDP << 8 | sum << 16;
	word[3] = load32(h->source + 12);
	word[4] = load32(h->addr + 12);
	return true;
}

static __always_inline bool readdress_ipv6(struct cursor *c, const struct host *h)
{
	struct ipv6hdr *ip = take(c, sizeof(*ip));

	if (!ip)
		return false;
	ip->hop_limit = OUTER_TTL;
	addr_take(&ip->saddr, h->source);
	addr_take(&ip->daddr, h->addr);
	return true;
}

/* The tunnel's headers, as far as a relay changes them. */
struct relayed {
	struct tunnel_headers tunnel;
	struct option_return option;
};

/* New addresses in the outer headers as they stand: a relayed question keeps all
 * the rest. Congestion marks stay outside for the delivering host to carry in. */
static __always_inline enum drop_reason readdress(struct pkt *p, const struct tunnel *t,
						  const struct host *h, __u8 generation)
{
	struct cursor c = {.pos = hook_data(p->ctx), .end = hook_end(p->ctx)};
	struct ethhdr *eth = take(&c, sizeof(*eth));
	struct relayed *r;

	stage(p, STAGE_ENCAPSULATE);
	if (!eth || (h->vlan && !take(&c, sizeof(struct vlan))))
		return DROP_TRUNCATED;
	mac_copy(eth->h_dest, &h->next_hop);
	mac_copy(eth->h_source, &h->uplink);
	if (!(h->family == 4 ? readdress_ipv4(&c, h) : readdress_ipv6(&c, h)))
		return DROP_TRUNCATED;
	r = take(&c, sizeof(*r));
	if (!r)
		return DROP_TRUNCATED;
	r->tunnel.identity = bpf_htonl(t->identity << 8 | generation);
	r->option.limit--;
	return DROP_NONE;
}

/* On to the next host: in place where nothing but addresses changes. */
static __always_inline enum drop_reason prepare_relay(struct pkt *p, const struct tunnel *t,
						      const struct next *n, struct outgoing *out)
{
	if (!t->option.limit)
		return DROP_RELAY_LIMIT;
	out->host = hosts_row(p, n->host);
	if (!out->host)
		return DROP_NO_HOST;
	out->verdict = VERDICT_RELAY;
	out->label.generation = n->located ? n->generation : t->generation;
	out->label.token = t->option.token;
	out->label.option = GENEVE_RETURN;
	out->label.flags = t->option.flags;
	out->label.limit = t->option.limit - 1;
	out->label.source_generation = t->option.source_generation;
	out->label.host = t->option.host;
	return fits(p, out->host);
}

/* A question whose destination is known to be elsewhere, or is not known. */
static __always_inline enum drop_reason prepare_question(struct pkt *p, const struct tunnel *t,
							 struct outgoing *out)
{
	struct next n = {};
	enum drop_reason reason;
	struct location *l;

	stage(p, STAGE_RELAY);
	l = directory_row(p, &p->destination);
	if (!(l && l->host) && is_unjudged_here(p, t, &n)) {
		reason = prepare_send_back(p, t, &n, out);
		if (reason != DROP_MTU)
			return reason;
	} else {
		reason = l ? located(l, &n) : ask_on(p, &n);
		if (!reason && n.located && t->option.flags & RETURN_SEND_BACK) {
			reason = prepare_send_back(p, t, &n, out);
			if (reason != DROP_MTU)
				return reason;
			/* Too big for the way back, not for the way on; but not before it
			 * is judged. */
			if (!(t->option.flags & RETURN_JUDGE))
				reason = DROP_NONE;
		}
		if (!reason)
			reason = prepare_relay(p, t, &n, out);
	}
	if (!is_final(reason))
		return reason;
	/* To the host that asks it says that the destination is outside. */
	if (reason == DROP_NO_SUBNET && masquerades(p)) {
		reason = prepare_refusal(p, t, reason, out);
		out->verdict = VERDICT_SEND_BACK;
		return reason;
	}
	out->refused = reason;
	return prepare_refusal(p, t, reason, out);
}

#endif
