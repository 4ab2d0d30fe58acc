/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_TUNNEL_H
#define MIZAR_TUNNEL_H

/* Tunnel packets that arrive: outer headers, Geneve and its options.
 *
 * Contract: parse_outer() tells a packet for our tunnel from everything else,
 * which passes to the host's stack untouched. parse_tunnel() then believes
 * nothing that it has not compared: version, lengths, options' sizes; and the
 * source must be a host of ours. */

#include "geneve.h"
#include "hash.h"
#include "parse.h"

#define OPTIONS 8 /* Geneve options that are followed */

/* What the options behind the identity say. */
struct options {
	__u8 host[16] __attribute__((aligned(8)));
	__u8 type; /* enum geneve_type; 0: none */
	__u8 flags;
	__u8 limit;
	__u8 source_generation;
	__u32 found; /* send-back: identity << 8 | generation; refusal: reason << 24 | MTU;
		      * service: port << 16 | protocol << 8 */
	__u32 token;
};

struct tunnel {
	struct addr_words source; /* outer address */
	const void *end; /* behind the UDP datagram; NULL: it lies about its length */
	__u32 peer; /* index in hosts of the outer source */
	__u32 vni;
	__u32 identity; /* of the inner source */
	__be16 checksum; /* outer UDP's */
	__u8 generation;
	__u8 tos; /* outer */
	__u16 length; /* bytes before the inner Ethernet header */
	__u8 family; /* outer, 4 or 6 */
	__u8 plain; /* the headers lie as Mizar writes them: no IPv4 options, and
		     * one option behind the identity at most */
	struct options option;
};

enum outer {
	OUTER_TUNNEL, /* for our tunnel; the cursor stands behind UDP */
	OUTER_FRAGMENT, /* the same, but a fragment */
	OUTER_ICMP, /* ICMP to one of our addresses; the cursor stands behind IP */
	OUTER_OTHER, /* not ours */
};

/* `datagram` is what the IP header says of the bytes from UDP on; may be a lie
 * below 0. */
static __always_inline enum outer outer_udp(struct tunnel *t, struct cursor *c, __s32 datagram)
{
	struct udphdr *udp = take(c, sizeof(*udp));
	__u16 length;

	if (!udp || udp->dest != bpf_htons(GENEVE_PORT))
		return OUTER_OTHER;
	length = bpf_ntohs(udp->len);
	t->checksum = udp->check;
	t->end = (__s32)length <= datagram ? (void *)udp + bounded(length, 0xffff) : NULL;
	return OUTER_TUNNEL;
}

/* IPv4 with options, in fragments, or of another protocol. */
static __always_inline enum outer odd_ipv4(struct tunnel *t, struct cursor *c,
					   const struct iphdr *ip)
{
	__u16 offset = bpf_ntohs(ip->frag_off);
	enum outer outer;

	if (ip->version != 4 || ip->ihl < 5 || offset & IP_OFFSET)
		return OUTER_OTHER;
	if (ip->protocol == IPPROTO_ICMP && ip->ihl == 5)
		return OUTER_ICMP;
	if (ip->protocol != IPPROTO_UDP)
		return OUTER_OTHER;
	if (ip->ihl > 5 && !take(c, bounded((ip->ihl - 5) * 4, 0x3c)))
		return OUTER_OTHER;
	t->plain = 0;
	outer = outer_udp(t, c, (__s32)bpf_ntohs(ip->tot_len) - ip->ihl * 4);
	return outer == OUTER_TUNNEL && offset & IP_FLAG_MF ? OUTER_FRAGMENT : outer;
}

static __always_inline enum outer outer_ipv4(struct tunnel *t, struct cursor *c,
					     const struct uplink *own)
{
	struct iphdr *ip = take(c, sizeof(*ip));

	if (!ip || !ip->daddr || ip->daddr != load32(own->v4 + 12))
		return OUTER_OTHER;
	t->source = addr_words_mapped(ip->saddr);
	t->tos = ip->tos;
	if (*(__u8 *)ip != IP_PLAIN || ip->protocol != IPPROTO_UDP ||
	    ip->frag_off & bpf_htons(IP_OFFSET | IP_FLAG_MF))
		return odd_ipv4(t, c, ip);
	return outer_udp(t, c, (__s32)bpf_ntohs(ip->tot_len) - (__s32)sizeof(*ip));
}

static __always_inline enum outer outer_ipv6(struct tunnel *t, struct cursor *c,
					     const struct uplink *own)
{
	struct ipv6hdr *ip = take(c, sizeof(*ip));
	struct fragment_header *f;

	if (!ip || ip->version != 6 || !addr_is(addr_words(&ip->daddr), own->v6))
		return OUTER_OTHER;
	/* A mapped address on the wire is no host's: it would be taken for one of
	 * IPv4. */
	t->source = addr_words(&ip->saddr);
	if (addr_mapped(&ip->saddr))
		t->source = (struct addr_words){};
	t->tos = ip->priority << 4 | ip->flow_lbl[0] >> 4;
	if (ip->nexthdr == IPPROTO_UDP)
		return outer_udp(t, c, bpf_ntohs(ip->payload_len));
	if (ip->nexthdr == IPPROTO_ICMPV6)
		return OUTER_ICMP;
	if (ip->nexthdr != IPPROTO_FRAGMENT)
		return OUTER_OTHER;
	f = take(c, sizeof(*f));
	if (!f || f->next != IPPROTO_UDP || bpf_ntohs(f->offset) & IP6_FRAG_OFFSET)
		return OUTER_OTHER;
	return outer_udp(t, c, 0) == OUTER_TUNNEL ? OUTER_FRAGMENT : OUTER_OTHER;
}

/* The outer headers, up to and with UDP, of a packet to one of our addresses
 * and our tunnel's port in our VLAN. */
static __always_inline enum outer parse_outer(struct pkt *p, struct tunnel *t, struct cursor *c)
{
	struct uplink *own = uplinks_row(p);
	struct ethhdr *eth = take(c, sizeof(*eth));
	enum outer outer = OUTER_OTHER;
	__be16 type;
	__u16 vlan = hook_vlan(p->ctx);

	if (!eth || !own)
		return OUTER_OTHER;
	type = *ethertype(eth);
	if (type == bpf_htons(ETH_P_8021Q)) {
		struct vlan *tag = take(c, sizeof(*tag));

		if (!tag || hook_tagged(p->ctx))
			return OUTER_OTHER;
		vlan = bpf_ntohs(tag->tci) & 0x0fff;
		type = tag->ethertype;
	}
	if (vlan != own->vlan)
		return OUTER_OTHER;
	t->plain = 1;
	if (type == bpf_htons(ETH_P_IP)) {
		t->family = 4;
		outer = outer_ipv4(t, c, own);
	} else if (type == bpf_htons(ETH_P_IPV6)) {
		t->family = 6;
		outer = outer_ipv6(t, c, own);
	}
	return outer;
}

/* One of the options that stand behind the identity, of which a packet has at
 * most one; all have the same size. */
static __always_inline bool is_control(const struct geneve_option *o)
{
	return o->class == bpf_htons(GENEVE_CLASS) &&
	       (o->type == GENEVE_RETURN || o->type == GENEVE_SEND_BACK ||
		o->type == GENEVE_NOT_HERE || o->type == GENEVE_REFUSAL ||
		o->type == GENEVE_SERVICE);
}

static __always_inline void copy_option(struct options *to, const struct option_return *o)
{
	to->type = o->head.type;
	to->flags = o->flags;
	to->limit = o->limit;
	to->source_generation = o->generation;
	to->found = bpf_ntohl(load32(&o->flags));
	to->token = bpf_ntohl(o->token);
	addr_take(to->host, o->host);
}

/* Copies an option that Mizar knows. */
static __always_inline enum drop_reason parse_option(struct options *to, struct geneve_option *o,
						     struct cursor *body, __u32 length)
{
	struct option_return *option;

	if (!is_control(o))
		return o->type & GENEVE_CRITICAL ? DROP_GENEVE_CRITICAL : DROP_NONE;
	if (length != sizeof(*option) || to->type)
		return DROP_GENEVE_OPTION;
	option = take(body, sizeof(*option));
	if (!option)
		return DROP_TRUNCATED;
	copy_option(to, option);
	return DROP_NONE;
}

/* The options behind the identity, `left` bytes of them from an offset in the
 * packet on. A function of its own: established packets have none. */
__noinline int parse_options(hook_ctx *ctx, __u32 offset, __u32 left, struct options *to)
{
	struct cursor c;

	if (!to || offset > HEADERS_MAX)
		return DROP_TRUNCATED;
	c = (struct cursor){.pos = hook_data(ctx) + bounded(offset, 2 * HEADERS_MAX - 1),
			    .end = hook_end(ctx)};
	for (int i = 0; i < OPTIONS && left; i++) {
		struct cursor body = c;
		struct geneve_option *o = take(&c, sizeof(*o));
		enum drop_reason reason;
		__u32 length;

		if (!o)
			return DROP_TRUNCATED;
		length = sizeof(*o) + (o->length & 0x1f) * 4;
		if (length > left)
			return DROP_GENEVE_OPTION;
		reason = parse_option(to, o, &body, length);
		if (reason)
			return reason;
		if (!take(&c, bounded(length - sizeof(*o), 0x7c)))
			return DROP_TRUNCATED;
		left -= length;
	}
	return left ? DROP_GENEVE_OPTION : DROP_NONE;
}

/* All options behind the identity, `length` bytes. */
static __always_inline enum drop_reason parse_control(struct pkt *p, struct tunnel *t,
						      struct cursor *c, __u32 length)
{
	__u32 offset = distance(hook_data(p->ctx), c->pos);
	struct cursor at = *c;
	struct option_return *o = take(&at, sizeof(*o));
	struct options option = {};
	int reason;

	if (length == sizeof(*o) && o && is_control(&o->head) && (o->head.length & 0x1f) == 6) {
		*c = at;
		copy_option(&t->option, o);
		return DROP_NONE;
	}
	if (!take(c, length))
		return DROP_TRUNCATED;
	t->plain = 0;
	/* Of its own, so that the address of `t` is not given away. */
	reason = parse_options(p->ctx, offset, length, &option);
	t->option = option;
	return reason;
}

/* Geneve's header and options; the cursor ends at the inner Ethernet header. */
static __always_inline enum drop_reason parse_geneve(struct pkt *p, struct tunnel *t,
						     struct cursor *c)
{
	struct geneve *g = take(c, sizeof(*g));
	struct option_identity *id;
	__u32 options;

	if (!g)
		return DROP_TRUNCATED;
	if ((load32(g) & GENEVE_KEPT) != GENEVE_LIKE)
		return DROP_GENEVE_HEADER;
	t->vni = bpf_ntohl(g->vni) >> 8;
	options = (g->version_length & 0x3f) * 4;
	if (options < sizeof(*id))
		return DROP_GENEVE_OPTION;
	id = take(c, sizeof(*id));
	if (!id)
		return DROP_TRUNCATED;
	if ((load32(id) & IDENTITY_KEPT) != IDENTITY_LIKE)
		return DROP_GENEVE_OPTION;
	t->identity = bpf_ntohl(id->identity) >> 8;
	t->generation = bpf_ntohl(id->identity);
	t->option.type = 0;
	options = bounded(options - sizeof(*id), 0xfc);
	if (!options)
		return DROP_NONE;
	return parse_control(p, t, c, options);
}

/* The number of the host with an underlay address; 0 when it is none of ours. */
static __always_inline __u32 peer_number(struct pkt *p, struct addr_words addr)
{
	struct peer_slot *slot = peer_slots_row(p, peer_slot_index(addr));
	struct peer *peer;

	if (slot && slot->host && addr_is(addr, slot->addr))
		return slot->host;
	peer = peers_row(p, (struct underlay_key *)&addr);
	return peer ? peer->host : 0;
}

/* The inner packet ends inside the datagram: what stands behind is padding. */
static __always_inline bool encloses(const struct pkt *p, const struct tunnel *t)
{
	return ip_end(p) <= t->end;
}

/* What follows the outer UDP header, with the inner frame parsed. */
static __always_inline enum drop_reason parse_tunnel(struct pkt *p, struct tunnel *t,
						     struct cursor *c)
{
	void *data = hook_data(p->ctx);
	enum drop_reason reason;

	stage(p, STAGE_TUNNEL);
	if (t->checksum)
		return DROP_TUNNEL_CHECKSUM;
	reason = parse_geneve(p, t, c);
	if (reason)
		return reason;
	stage(p, STAGE_SOURCE);
	t->peer = peer_number(p, t->source);
	if (!t->peer)
		return DROP_TUNNEL_SOURCE;
	/* From here on it makes no difference how long the outer headers were: the
	 * verifier does not know what the difference of two pointers is. */
	t->length = bounded(distance(data, c->pos), 0x1ff);
	c->pos = data + t->length;
	p->source.vni = t->vni;
	p->destination.vni = t->vni;
	stage(p, STAGE_PARSE);
	reason = parse_frame(p, c);
	if (reason)
		return reason;
	if (p->ethertype == ETH_P_ARP)
		return DROP_ETHERTYPE;
	return encloses(p, t) ? DROP_NONE : DROP_TRUNCATED;
}

#endif
