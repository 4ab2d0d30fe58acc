/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_ENCAPSULATE_H
#define MIZAR_ENCAPSULATE_H

/* Tunnel packets that leave.
 *
 * Contract: encapsulate() puts new outer headers before the inner Ethernet
 * header in the place of `before` bytes that stand there now, and sends the
 * packet to a host, which fits() has agreed to. The inner packet is finished by then: nothing may look at
 * it through struct pkt's pointers afterwards.
 *
 *   Ethernet 14 (18 with VLAN) | IPv4 20 or IPv6 40 | UDP 8 | Geneve 8
 *   | identity 8 | another option 28, if any | inner Ethernet …
 */

#include "checksum.h"
#include "clock.h"
#include "finish.h"
#include "geneve.h"
#include "hash.h"
#include "parse.h"

#define OUTER_TTL 64
#define MTU_KEPT 600 /* seconds */
#define OUTER_FIXED (sizeof(struct udphdr) + sizeof(struct geneve) + sizeof(struct option_identity))

/* What the tunnel header says. */
struct label {
	__u32 identity; /* of the inner source */
	__u8 generation; /* of the destination, as we know it */
	__u8 option; /* 0, or enum geneve_type of one behind the identity */
	__u8 flags; /* return-to-sender */
	__u8 limit;
	__u8 source_generation; /* of the inner source */
	__u32 token;
	const __u8 *host; /* whom the option names, 16 bytes; NULL: nobody */
	__u32 found; /* what stands in the place of flags, as struct options has it */
};

/* A tunnel packet that is ready to leave. */
struct outgoing {
	struct host *host;
	struct label label;
	enum verdict verdict;
	enum drop_reason refused; /* why it goes back */
};

static __always_inline bool write_ethernet(struct cursor *c, const struct host *h)
{
	struct ethhdr *eth = take(c, sizeof(*eth));
	__be16 type = h->family == 4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
	struct vlan *tag;

	if (!eth)
		return false;
	mac_copy(eth->h_dest, &h->next_hop);
	mac_copy(eth->h_source, &h->uplink);
	if (!h->vlan) {
		*ethertype(eth) = type;
		return true;
	}
	tag = take(c, sizeof(*tag));
	if (!tag)
		return false;
	*ethertype(eth) = bpf_htons(ETH_P_8021Q);
	tag->tci = bpf_htons(h->vlan);
	tag->ethertype = type;
	return true;
}

/* DSCP and ECN go out as they are inside (RFC 6040, normal mode). Whole words are
 * written, as they lie in the packet. */
static __always_inline bool write_ipv4(struct cursor *c, const struct host *h, __u8 tos, __u32 udp)
{
	struct iphdr *ip = take(c, sizeof(*ip));
	__u32 length = bpf_htons(sizeof(*ip) + udp);
	__u32 sum, *word = (void *)ip;

	if (!ip)
		return false;
	sum = (__u16)~sum_fold((__u32)h->checksum + length + ((__u32)tos << 8));
	word[0] = IP_PLAIN | (__u32)tos << 8 | length << 16;
	word[1] = bpf_htonl(IP_FLAG_DF); /* DF is set: the id is 0 (RFC 6864, 4.1) */
	word[2] = OUTER_TTL | IPPROTO_UDP << 8 | sum << 16;
	word[3] = load32(h->source + 12);
	word[4] = load32(h->addr + 12);
	return true;
}

static __always_inline bool write_ipv6(struct cursor *c, const struct host *h, __u8 tos, __u32 udp)
{
	struct ipv6hdr *ip = take(c, sizeof(*ip));
	__u32 *word = (void *)ip;

	if (!ip)
		return false;
	word[0] = bpf_htonl(0x60000000 | (__u32)tos << 20);
	word[1] = bpf_htons(udp) | IPPROTO_UDP << 16 | OUTER_TTL << 24;
	addr_take(&ip->saddr, h->source);
	addr_take(&ip->daddr, h->addr);
	return true;
}

static __always_inline bool write_option(struct cursor *c, const struct label *l)
{
	struct option_return *o = take(c, sizeof(*o));

	if (!o)
		return false;
	o->head.class = bpf_htons(GENEVE_CLASS);
	o->head.type = l->option;
	o->head.length = (sizeof(*o) - sizeof(o->head)) / 4;
	if (l->option == GENEVE_RETURN) {
		o->flags = l->flags;
		o->limit = l->limit;
		o->generation = l->source_generation;
		o->reserved = 0;
	} else {
		((struct option_send_back *)o)->identity = bpf_htonl(l->found);
	}
	o->token = bpf_htonl(l->token);
	if (l->host)
		addr_copy(o->host, l->host);
	else
		__builtin_memset(o->host, 0, sizeof(o->host));
	return true;
}

/* UDP, Geneve and the identity, which every packet has. */
struct tunnel_headers {
	__be16 source, destination;
	__be16 length;
	__u16 checksum;
	__be32 geneve; /* version, options' length, flags, protocol */
	__be32 vni;
	__be32 head; /* of the identity option */
	__be32 identity; /* and generation */
};

_Static_assert(sizeof(struct tunnel_headers) == OUTER_FIXED, "");

static __always_inline bool write_tunnel(struct cursor *c, const struct label *l, __u32 vni,
					 __be16 sport, __u32 udp)
{
	struct tunnel_headers *t = take(c, sizeof(*t));
	__u32 words = sizeof(struct option_identity) / 4;

	if (!t)
		return false;
	if (l->option)
		words += sizeof(struct option_return) / 4;
	t->source = sport;
	t->destination = bpf_htons(GENEVE_PORT);
	t->length = bpf_htons(udp);
	t->checksum = 0;
	t->geneve = words | bpf_htonl(GENEVE_ETHERNET);
	t->vni = bpf_htonl(vni << 8);
	t->head = IDENTITY_LIKE;
	t->identity = bpf_htonl(l->identity << 8 | l->generation);
	return !l->option || write_option(c, l);
}

/* Bytes of the IP packet inside, or of the largest of those that it will be cut
 * into (GSO). 0: it can't be told. */
static __always_inline __u32 largest(struct pkt *p)
{
	__u32 payload = hook_segment(p->ctx);
	int header;

	if (!payload)
		return p->l3_length;
	if (!p->l4)
		return 0;
	header = hook_transport(p->ctx, distance(hook_data(p->ctx), p->l4), p->protocol);
	return header ? (__u32)(p->l4 - p->l3) + header + payload : 0;
}

/* Gives the outer headers their place, where `before` bytes stand now. */
static __always_inline bool make_room(struct pkt *p, __u32 l2, __u32 l3, __u32 rest, __u32 before)
{
	int more = (int)(l2 + l3 + rest) - (int)before;

	if (!before)
		return !hook_wrap(p->ctx, l2, l3, rest);
	return !more || !hook_resize(p->ctx, more);
}

/* A hop on the way may have told of a smaller MTU (RFC 1191, 6.3): after ten
 * minutes it is tried anew. */
static __always_inline bool restore_mtu(struct pkt *p, struct host *h)
{
	if (h->mtu >= h->link_mtu || (__u32)(now() / SECOND) - h->lowered < MTU_KEPT)
		return false;
	h->mtu = h->link_mtu;
	table_stored(p, TABLE_HOSTS, h->addr, sizeof(h->addr));
	return true;
}

static __always_inline __u32 outer_length(const struct host *h)
{
	return (h->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr)) + OUTER_FIXED +
	       sizeof(struct ethhdr);
}

/* The packet gets to the host whole, with any option: whoever refuses it turns it
 * round with one. Else what would have fit is noted. */
static __always_inline enum drop_reason fits(struct pkt *p, struct host *h)
{
	__u32 most = largest(p);
	__u32 before = outer_length(h) + sizeof(struct option_return);

	if (most && before + most <= h->mtu)
		return DROP_NONE;
	if (most && restore_mtu(p, h) && before + most <= h->mtu)
		return DROP_NONE;
	p->fits = h->mtu - before;
	return DROP_MTU;
}

static __always_inline enum drop_reason encapsulate(struct pkt *p, const struct host *h,
						    const struct label *l, __u32 before)
{
	__u32 option = l->option ? sizeof(struct option_return) : 0;
	__u32 inner = sizeof(struct ethhdr) + p->l3_length;
	__u32 udp = OUTER_FIXED + option + inner;
	__u32 l2 = sizeof(struct ethhdr) + (h->vlan ? sizeof(struct vlan) : 0);
	__u32 l3 = h->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	__be16 sport = entropy_port(p);
	struct cursor c;
	bool written;

	stage(p, STAGE_ENCAPSULATE);
	if (!make_room(p, l2, l3, OUTER_FIXED + option, before))
		return DROP_NO_ROOM;
	c = (struct cursor){.pos = hook_data(p->ctx), .end = hook_end(p->ctx)};
	written = write_ethernet(&c, h);
	if (h->family == 4)
		written = written && write_ipv4(&c, h, p->tos, udp);
	else
		written = written && write_ipv6(&c, h, p->tos, udp);
	written = written && write_tunnel(&c, l, p->source.vni, sport, udp);
	return written ? DROP_NONE : DROP_NO_ROOM;
}

#endif
