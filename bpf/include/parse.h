/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_PARSE_H
#define MIZAR_PARSE_H

/* The cursor and the parser: bounds are checked here and nowhere else.
 *
 * Contract: take() returns the next bytes of the packet and moves on, or NULL
 * when they reach past its first part. parse_frame() fills in the frame's side
 * of struct pkt: IPv4 with options, IPv6 with extension headers, fragments,
 * and the ports of TCP, UDP and SCTP. Lengths are believed only after they have
 * been compared with the packet's. */

#include <linux/icmpv6.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "address.h"
#include "pkt.h"
#include "table.h"

#define EXTENSIONS 6 /* IPv6 extension headers that are followed */
#define EXTENSIONS_HELD 128 /* bytes of them that no later fragment may reach into */
#define HEADERS_MAX 1024 /* bytes that all headers together may take */
#define ICMP_HEADER 8
#define SCTP_HEADER 12
#define MTU4_LEAST 576 /* what every host takes */
#define MTU6_LEAST 1280 /* what every link carries */
#define IP_PLAIN 0x45 /* version 4, a header without options */
#define IP_FLAG_DF 0x4000
#define IP_FLAG_MF 0x2000
#define IP_OFFSET 0x1fff
#define IP6_FRAG_MF 0x0001
#define IP6_FRAG_OFFSET 0xfff8

struct cursor {
	void *pos;
	void *end;
};

struct vlan {
	__be16 tci;
	__be16 ethertype;
};

struct fragment_header {
	__u8 next;
	__u8 reserved;
	__be16 offset;
	__be32 id;
};

struct extension_header {
	__u8 next;
	__u8 length; /* units of 8 bytes behind the first 8; of 4 for AH */
	__u8 first; /* routing type */
	__u8 rest[5];
};

static __always_inline void *take(struct cursor *c, __u32 bytes)
{
	void *at = c->pos;

	/* Spares whoever asks a comparison with NULL. */
	__builtin_assume(at != NULL);
	if (at + bytes > c->end)
		return NULL;
	c->pos = at + bytes;
	return at;
}

/* The same length, but the verifier forgets which one it is: it then takes all
 * ways that lead here for one and follows what comes next only once. `noise` is
 * a value that it does not know, such as any field of a packet. */
static __always_inline __u32 forget(__u32 length, __u32 noise)
{
	asm volatile("%0 ^= %1" : "+r"(length) : "r"(noise));
	asm volatile("%0 ^= %1" : "+r"(length) : "r"(noise));
	return length;
}

/* Where the IP packet ends; behind the first part, maybe, and never read. The
 * verifier takes it for a pointer of unknown range. */
static __always_inline void *ip_end(const struct pkt *p)
{
	return p->l3 + p->l3_length;
}

/* The whole packet holds the IP packet that starts at l3. */
static __always_inline bool holds(struct pkt *p, const struct cursor *c)
{
	if (ip_end(p) <= c->end)
		return true;
	return distance(hook_data(p->ctx), p->l3) + p->l3_length <= hook_length(p->ctx);
}

/* Bytes of the transport header that a fragment must not reach into: all of it. */
static __always_inline __u32 transport_header(__u8 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return sizeof(struct tcphdr);
	case IPPROTO_SCTP:
		return SCTP_HEADER;
	default:
		return sizeof(struct udphdr);
	}
}

/* Bytes that the transport header must have: a packet that cuts it would hide
 * ports from policy. 0: it has none that anybody looks at. */
static __always_inline __u32 transport_needs(__u8 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return sizeof(struct tcphdr);
	case IPPROTO_UDP:
		return sizeof(struct udphdr);
	case IPPROTO_SCTP:
		return SCTP_HEADER;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return ICMP_HEADER;
	default:
		return 0;
	}
}

/* Ports, and that the transport header is whole. */
static __always_inline enum drop_reason parse_transport(struct pkt *p, struct cursor *c)
{
	/* What is found out about it here need not tell what follows apart. */
	__u8 protocol = forget(p->protocol, p->l3_length);
	__u32 need = transport_needs(protocol);
	struct udphdr *l4;

	if (!need)
		return DROP_NONE;
	if (c->pos + need > ip_end(p))
		return DROP_TRUNCATED;
	/* All of these are at least 8 bytes long; ports stand in the first 4. */
	l4 = take(c, sizeof(*l4));
	if (!l4)
		return DROP_TRUNCATED;
	p->l4 = l4;
	if (protocol != IPPROTO_ICMP && protocol != IPPROTO_ICMPV6) {
		p->sport = l4->source;
		p->dport = l4->dest;
	}
	return DROP_NONE;
}

/* A fragment of IPv4. */
static __always_inline enum drop_reason parse_fragment(struct pkt *p, struct cursor *c, __u16 flags)
{
	if (!(flags & IP_OFFSET)) {
		p->fragment = FRAGMENT_FIRST;
		return parse_transport(p, c);
	}
	p->fragment = FRAGMENT_LATER;
	return (flags & IP_OFFSET) * 8U < transport_header(p->protocol) ? DROP_FRAGMENT : DROP_NONE;
}

/* The header has a length of its own: the cursor moves over its options. */
static __always_inline enum drop_reason parse_options4(struct pkt *p, struct cursor *c,
						       const struct iphdr *ip)
{
	if (ip->version != 4 || ip->ihl < 5 || p->l3_length < ip->ihl * 4)
		return DROP_IP_HEADER;
	if (!holds(p, c))
		return DROP_TRUNCATED;
	return take(c, bounded((ip->ihl - 5) * 4, 0x3c)) ? DROP_NONE : DROP_TRUNCATED;
}

static __always_inline enum drop_reason parse_ipv4(struct pkt *p, struct cursor *c)
{
	struct iphdr *ip = take(c, sizeof(*ip));
	enum drop_reason reason;

	if (!ip)
		return DROP_TRUNCATED;
	p->l3 = ip;
	p->l3_length = bpf_ntohs(ip->tot_len);
	if (*(__u8 *)ip != IP_PLAIN) {
		reason = parse_options4(p, c, ip);
		if (reason)
			return reason;
	} else if (p->l3_length < sizeof(*ip)) {
		return DROP_IP_HEADER;
	} else if (!holds(p, c)) {
		return DROP_TRUNCATED;
	}
	addr_map(p->source.addr, ip->saddr);
	addr_map(p->destination.addr, ip->daddr);
	p->protocol = ip->protocol;
	p->tos = ip->tos;
	p->ttl = ip->ttl;
	if (ip->frag_off & bpf_htons(IP_OFFSET | IP_FLAG_MF)) {
		p->fragment_id = ip->id;
		return parse_fragment(p, c, bpf_ntohs(ip->frag_off));
	}
	return parse_transport(p, c);
}

/* Where the extension headers lead. */
struct extensions {
	__u32 length; /* bytes from the first of them to the transport header */
	__u8 next; /* in: the first one's number; out: the transport protocol */
	__u8 fragment; /* enum fragment */
	__u16 offset; /* of a fragment, in bytes */
	__u32 whole; /* bytes up to what is in fragments; 0: nothing is */
	__be32 id; /* of what is in fragments */
};

/* Moves over one header that is not a fragment header; false when it is cut or
 * forbidden (routing header 0, RFC 5095). */
static __always_inline bool skip_extension(struct cursor *c, struct extensions *e)
{
	struct extension_header *h = take(c, 8);
	__u32 more;

	if (!h || (e->next == IPPROTO_ROUTING && !h->first))
		return false;
	more = e->next == IPPROTO_AH ? h->length * 4 : h->length * 8;
	e->next = h->next;
	return take(c, bounded(more, 0x7fc));
}

static __always_inline bool skip_fragment(struct cursor *c, struct extensions *e)
{
	struct fragment_header *f = take(c, sizeof(*f));
	__u16 offset;

	if (!f || e->fragment)
		return false;
	offset = bpf_ntohs(f->offset);
	e->offset = offset & IP6_FRAG_OFFSET;
	e->id = f->id;
	if (e->offset)
		e->fragment = FRAGMENT_LATER;
	else if (offset & IP6_FRAG_MF)
		e->fragment = FRAGMENT_FIRST;
	e->next = f->next;
	return true;
}

/* Follows the extension headers that start at an offset in the packet; 1 when
 * they lead to a transport header or a later fragment, 0 when they are too many,
 * cut or forbidden. A function of its own: most packets have none, and it is
 * verified once. */
__noinline int follow_extensions(hook_ctx *ctx, __u32 offset, struct extensions *e)
{
	struct cursor c;
	void *start;

	if (!e || offset > HEADERS_MAX)
		return 0;
	start = hook_data(ctx) + bounded(offset, 2 * HEADERS_MAX - 1);
	c = (struct cursor){.pos = start, .end = hook_end(ctx)};
	for (int i = 0; i < EXTENSIONS; i++) {
		switch (e->next) {
		case IPPROTO_FRAGMENT:
			if (!skip_fragment(&c, e))
				return 0;
			e->whole = distance(start, c.pos);
			if (e->fragment == FRAGMENT_LATER) {
				e->length = distance(start, c.pos);
				return 1;
			}
			break;
		case IPPROTO_HOPOPTS:
		case IPPROTO_DSTOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_AH:
			if (!skip_extension(&c, e))
				return 0;
			break;
		default:
			e->length = distance(start, c.pos);
			return 1;
		}
	}
	return 0;
}

static __always_inline bool has_extensions(__u8 next)
{
	return next == IPPROTO_FRAGMENT || next == IPPROTO_HOPOPTS || next == IPPROTO_DSTOPTS ||
	       next == IPPROTO_ROUTING || next == IPPROTO_AH;
}

/* Where a later fragment may begin at the earliest: behind all that the first
 * one must hold. */
static __always_inline __u32 fragment_start(__u8 next)
{
	return has_extensions(next) ? EXTENSIONS_HELD : transport_header(next);
}

static __always_inline enum drop_reason parse_extensions(struct pkt *p, struct cursor *c, __u8 next)
{
	struct extensions e = {.next = next};

	if (has_extensions(next)) {
		if (!follow_extensions(p->ctx, distance(hook_data(p->ctx), c->pos), &e) ||
		    e.length > HEADERS_MAX || sizeof(struct ipv6hdr) + e.length > p->l3_length ||
		    !take(c, e.length))
			return DROP_EXTENSION;
		if (e.fragment == FRAGMENT_LATER && e.offset < fragment_start(e.next))
			return DROP_FRAGMENT;
		/* The first one ends its headers before any later one may begin. */
		if (e.fragment == FRAGMENT_FIRST && e.length > e.whole &&
		    e.length - e.whole + transport_header(e.next) > EXTENSIONS_HELD)
			return DROP_EXTENSION;
	}
	p->protocol = e.next;
	p->fragment = e.fragment;
	p->fragment_id = e.id;
	return DROP_NONE;
}

static __always_inline enum drop_reason parse_ipv6(struct pkt *p, struct cursor *c)
{
	struct ipv6hdr *ip = take(c, sizeof(*ip));
	enum drop_reason reason;

	if (!ip)
		return DROP_TRUNCATED;
	p->l3 = ip;
	if (ip->version != 6 || bpf_ntohs(ip->payload_len) > 65535 - sizeof(*ip))
		return DROP_IP_HEADER;
	p->l3_length = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	if (!holds(p, c))
		return DROP_TRUNCATED;
	addr_take(p->source.addr, &ip->saddr);
	addr_take(p->destination.addr, &ip->daddr);
	/* Mapped addresses on the wire would reach the rows of IPv4. */
	if (addr_mapped(&ip->saddr) || addr_mapped(&ip->daddr))
		return DROP_IP_ADDRESS;
	p->tos = ip->priority << 4 | ip->flow_lbl[0] >> 4;
	p->ttl = ip->hop_limit;
	reason = parse_extensions(p, c, ip->nexthdr);
	if (reason || p->fragment == FRAGMENT_LATER)
		return reason;
	return parse_transport(p, c);
}

/* Everything from the Ethernet header at the cursor on. ARP is left to its
 * stage: the cursor stands behind the Ethernet header then. */
static __always_inline enum drop_reason parse_frame(struct pkt *p, struct cursor *c)
{
	struct ethhdr *eth = take(c, sizeof(*eth));

	if (!eth)
		return DROP_TRUNCATED;
	p->eth = eth;
	p->ethertype = bpf_ntohs(*ethertype(eth));
	switch (p->ethertype) {
	case ETH_P_IP:
		return parse_ipv4(p, c);
	case ETH_P_IPV6:
		return parse_ipv6(p, c);
	case ETH_P_ARP:
		return DROP_NONE;
	default:
		return DROP_ETHERTYPE;
	}
}

#endif
