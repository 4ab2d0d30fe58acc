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
	__u8 type; /* enum geneve_type; 0: none */
	__u8 flags;
	__u8 limit;
	__u8 source_generation;
	__u32 found; /* send-back: identity << 8 | generation; refusal: reason << 24 | MTU */
	__u32 token;
	__u8 host[16];
};

struct tunnel {
	__u8 source[16]; /* outer address */
	struct udphdr *udp; /* until the inner packet is parsed */
	__u32 end; /* offset behind the UDP datagram; 0: it lies about its length */
	__u32 peer; /* index in hosts of the outer source */
	__s32 datagram; /* bytes from UDP on, as the outer IP header says; may be a lie below 0 */
	__u32 vni;
	__u32 identity; /* of the inner source */
	__u8 generation;
	__u8 tos; /* outer */
	__u16 length; /* bytes before the inner Ethernet header */
	__u8 family; /* outer, 4 or 6 */
	__u8 alone; /* the option stands right behind the identity, and nothing else does */
	struct options option;
};

enum outer {
	OUTER_TUNNEL, /* for our tunnel; the cursor stands behind UDP */
	OUTER_FRAGMENT, /* the same, but a fragment */
	OUTER_ICMP, /* ICMP to one of our addresses; the cursor stands behind IP */
	OUTER_OTHER, /* not ours */
};

static __always_inline enum outer outer_udp(struct tunnel *t, struct cursor *c, bool fragment)
{
	struct udphdr *udp = take(c, sizeof(*udp));

	if (!udp || udp->dest != bpf_htons(GENEVE_PORT))
		return OUTER_OTHER;
	t->udp = udp;
	return fragment ? OUTER_FRAGMENT : OUTER_TUNNEL;
}

static __always_inline enum outer outer_ipv4(struct tunnel *t, struct cursor *c,
					     const struct uplink *own)
{
	struct iphdr *ip = take(c, sizeof(*ip));
	__u16 offset;

	if (!ip || ip->version != 4 || ip->ihl < 5 || !ip->daddr ||
	    ip->daddr != load32(own->v4 + 12))
		return OUTER_OTHER;
	offset = bpf_ntohs(ip->frag_off);
	if (offset & IP_OFFSET)
		return OUTER_OTHER;
	if (ip->protocol == IPPROTO_ICMP && ip->ihl == 5)
		return OUTER_ICMP;
	if (ip->protocol != IPPROTO_UDP)
		return OUTER_OTHER;
	if (ip->ihl > 5 && !take(c, bounded((ip->ihl - 5) * 4, 0x3c)))
		return OUTER_OTHER;
	addr_map(t->source, ip->saddr);
	t->tos = ip->tos;
	t->datagram = (__s32)bpf_ntohs(ip->tot_len) - ip->ihl * 4;
	return outer_udp(t, c, offset & IP_FLAG_MF);
}

static __always_inline enum outer outer_ipv6(struct tunnel *t, struct cursor *c,
					     const struct uplink *own)
{
	struct ipv6hdr *ip = take(c, sizeof(*ip));
	struct fragment_header *f;

	if (!ip || ip->version != 6 || !addr_equal(&ip->daddr, own->v6))
		return OUTER_OTHER;
	addr_copy(t->source, &ip->saddr);
	t->tos = ip->priority << 4 | ip->flow_lbl[0] >> 4;
	t->datagram = bpf_ntohs(ip->payload_len);
	if (ip->nexthdr == IPPROTO_UDP)
		return outer_udp(t, c, false);
	if (ip->nexthdr == IPPROTO_ICMPV6)
		return OUTER_ICMP;
	if (ip->nexthdr != IPPROTO_FRAGMENT)
		return OUTER_OTHER;
	f = take(c, sizeof(*f));
	if (!f || f->next != IPPROTO_UDP || bpf_ntohs(f->offset) & IP6_FRAG_OFFSET)
		return OUTER_OTHER;
	return outer_udp(t, c, true);
}

/* The outer headers, up to and with UDP, of a packet to one of our addresses
 * and our tunnel's port in our VLAN. */
static __always_inline enum outer parse_outer(struct pkt *p, struct tunnel *t, struct cursor *c)
{
	struct ethhdr *eth = take(c, sizeof(*eth));
	struct uplink *own = uplinks_row(p);
	__be16 type;
	__u16 vlan = 0;
	enum outer outer;

	if (!eth || !own)
		return OUTER_OTHER;
	type = *ethertype(eth);
	if (type == bpf_htons(ETH_P_8021Q)) {
		struct vlan *tag = take(c, sizeof(*tag));

		if (!tag)
			return OUTER_OTHER;
		vlan = bpf_ntohs(tag->tci) & 0x0fff;
		type = tag->ethertype;
	}
	t->family = type == bpf_htons(ETH_P_IP) ? 4 : 6;
	if (type == bpf_htons(ETH_P_IP))
		outer = outer_ipv4(t, c, own);
	else if (type == bpf_htons(ETH_P_IPV6))
		outer = outer_ipv6(t, c, own);
	else
		return OUTER_OTHER;
	return vlan == own->vlan ? outer : OUTER_OTHER;
}

/* One of the options that stand behind the identity, of which a packet has at
 * most one; all have the same size. */
static __always_inline bool is_control(const struct geneve_option *o)
{
	return o->class == bpf_htons(GENEVE_CLASS) &&
	       (o->type == GENEVE_RETURN || o->type == GENEVE_SEND_BACK ||
		o->type == GENEVE_NOT_HERE || o->type == GENEVE_REFUSAL);
}

static __always_inline void copy_option(struct options *to, const struct option_return *o)
{
	to->type = o->head.type;
	to->flags = o->flags;
	to->limit = o->limit;
	to->source_generation = o->generation;
	to->found = bpf_ntohl(load32(&o->flags));
	to->token = bpf_ntohl(o->token);
	addr_copy(to->host, o->host);
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
	__u32 offset = c->pos - hook_data(p->ctx);
	struct cursor at = *c;
	struct option_return *o = take(&at, sizeof(*o));

	if (length == sizeof(*o) && o && is_control(&o->head) && (o->head.length & 0x1f) == 6) {
		*c = at;
		t->alone = 1;
		copy_option(&t->option, o);
		return DROP_NONE;
	}
	if (!take(c, length))
		return DROP_TRUNCATED;
	return parse_options(p->ctx, offset, length, &t->option);
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
	if (g->version_length >> 6 || g->flags & GENEVE_OAM ||
	    g->protocol != bpf_htons(GENEVE_ETHERNET))
		return DROP_GENEVE_HEADER;
	t->vni = bpf_ntohl(g->vni) >> 8;
	options = (g->version_length & 0x3f) * 4;
	if (options < sizeof(*id))
		return DROP_GENEVE_OPTION;
	id = take(c, sizeof(*id));
	if (!id)
		return DROP_TRUNCATED;
	if (id->head.class != bpf_htons(GENEVE_CLASS) || id->head.type != GENEVE_IDENTITY ||
	    (id->head.length & 0x1f) != 1)
		return DROP_GENEVE_OPTION;
	t->identity = bpf_ntohl(id->identity) >> 8;
	t->generation = bpf_ntohl(id->identity);
	t->option.type = 0;
	t->alone = 0;
	options = bounded(options - sizeof(*id), 0xfc);
	if (!options)
		return DROP_NONE;
	return parse_control(p, t, c, options);
}

/* The number of the host with an underlay address; 0 when it is none of ours. */
static __always_inline __u32 peer_number(struct pkt *p, const void *addr)
{
	struct peer_slot *slot = peer_slots_row(p, peer_slot_index(addr));
	struct underlay_key key;
	struct peer *peer;

	if (slot && slot->host && addr_equal(slot->addr, addr))
		return slot->host;
	addr_copy(key.addr, addr);
	peer = peers_row(p, &key);
	return peer ? peer->host : 0;
}

/* Where the UDP datagram ends, if that is inside the outer packet. */
static __always_inline __u32 datagram_end(const struct pkt *p, const struct tunnel *t)
{
	__u16 length = bpf_ntohs(t->udp->len);

	if ((__s32)length > t->datagram)
		return 0;
	/* The compiler would add to the pointer first, what the verifier of 6.1 refuses. */
	return bounded((void *)t->udp - hook_data(p->ctx), 0x1ff) + length;
}

/* The inner packet ends inside the datagram: what stands behind is padding. */
static __always_inline bool encloses(const struct pkt *p, const struct tunnel *t)
{
	return (__u32)(p->l3 - hook_data(p->ctx)) + p->l3_length <= t->end;
}

/* What follows the outer UDP header, with the inner frame parsed. */
static __always_inline enum drop_reason parse_tunnel(struct pkt *p, struct tunnel *t,
						     struct cursor *c)
{
	enum drop_reason reason;

	stage(p, STAGE_TUNNEL);
	if (t->udp->check)
		return DROP_TUNNEL_CHECKSUM;
	reason = parse_geneve(p, t, c);
	if (reason)
		return reason;
	stage(p, STAGE_SOURCE);
	/* A mapped address on the wire would be taken for a host's of IPv4. */
	if (t->family == 6 && addr_mapped(t->source))
		return DROP_TUNNEL_SOURCE;
	t->peer = peer_number(p, t->source);
	if (!t->peer)
		return DROP_TUNNEL_SOURCE;
	/* From here on it makes no difference how the outer headers were found. */
	t->end = forget(datagram_end(p, t), t->identity);
	t->alone = forget(t->alone, t->identity);
	t->family = forget(t->family, t->identity);
	t->option.type = forget(t->option.type, t->identity);
	t->udp = NULL;
	t->length = bounded(forget(c->pos - hook_data(p->ctx), t->identity), 0x1ff);
	c->pos = hook_data(p->ctx) + t->length;
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
