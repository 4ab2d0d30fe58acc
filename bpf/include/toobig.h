/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_TOOBIG_H
#define MIZAR_TOOBIG_H

/* What routers of the underlay say of tunnel packets that did not fit (RFC 1191,
 * RFC 8201).
 *
 * Contract: believed is only what quotes a packet of our tunnel to a host of ours;
 * it may lower what is sent to that host, not below what every link carries, and
 * for ten minutes (restore_mtu). The message goes on to the stack. */

#include "encapsulate.h"
#include "icmp.h"
#include "tunnel.h"

#define ICMP_FRAGMENT 4 /* code: fragmentation needed and DF set */

struct too_big {
	__u8 type;
	__u8 code;
	__u16 check;
	__be32 mtu; /* of IPv4 the lower half */
};

static __always_inline bool quoted_ipv4(struct cursor *c, const __u8 *own, __u8 *to)
{
	struct iphdr *ip = take(c, sizeof(*ip));

	if (!ip || *(__u8 *)ip != 0x45 || ip->protocol != IPPROTO_UDP ||
	    ip->saddr != load32(own + 12))
		return false;
	addr_map(to, ip->daddr);
	return true;
}

static __always_inline bool quoted_ipv6(struct cursor *c, const __u8 *own, __u8 *to)
{
	struct ipv6hdr *ip = take(c, sizeof(*ip));

	if (!ip || ip->version != 6 || ip->nexthdr != IPPROTO_UDP || !addr_equal(&ip->saddr, own) ||
	    addr_mapped(&ip->daddr))
		return false;
	addr_copy(to, &ip->daddr);
	return true;
}

/* The host that a quoted packet of our tunnel went to; NULL: none, or not ours. */
static __always_inline struct host *quoted_host(struct pkt *p, struct cursor *c, __u8 family)
{
	struct uplink *own = uplinks_row(p);
	struct underlay_key to __attribute__((aligned(8)));
	struct udphdr *udp;
	struct host *h;
	__u32 number;

	if (!own)
		return NULL;
	if (!(family == 4 ? quoted_ipv4(c, own->v4, to.addr) : quoted_ipv6(c, own->v6, to.addr)))
		return NULL;
	udp = take(c, sizeof(*udp));
	if (!udp || udp->dest != bpf_htons(GENEVE_PORT))
		return NULL;
	number = peer_number(p, addr_words(to.addr));
	h = number ? hosts_row(p, number) : NULL;
	return h && addr_equal(h->addr, to.addr) ? h : NULL;
}

static __always_inline void hear_too_big(struct pkt *p, const struct tunnel *t, struct cursor *c)
{
	struct too_big *m = take(c, sizeof(*m));
	__u8 family = t->family;
	__u32 mtu, least;
	struct host *h;

	if (!m)
		return;
	mtu = bpf_ntohl(m->mtu);
	least = MTU6_LEAST;
	if (family == 4) {
		if (m->type != ICMP_UNREACHABLE || m->code != ICMP_FRAGMENT)
			return;
		mtu &= 0xffff;
		least = MTU4_LEAST;
	} else if (m->type != ICMPV6_PKT_TOOBIG) {
		return;
	}
	h = quoted_host(p, c, family);
	if (!h || mtu < least || mtu >= h->mtu)
		return;
	h->mtu = mtu;
	h->lowered = now() / SECOND;
	table_stored(p, TABLE_HOSTS, h->addr, sizeof(h->addr));
}

#endif
