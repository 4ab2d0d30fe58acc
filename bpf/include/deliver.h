/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_DELIVER_H
#define MIZAR_DELIVER_H

/* Delivery to an endpoint behind this host, and what routing does to a packet.
 *
 * Contract: an endpoint sees every peer behind the gateway's MAC. TTL or hop
 * limit is one less in another subnet and untouched in the same; the source
 * host does that, once. */

#include "checksum.h"
#include "finish.h"
#include "neighbour.h"

/* The destination lies in the sender's own subnet. */
static __always_inline bool same_subnet(const struct pkt *p, const struct endpoint *e)
{
	return p->ethertype == ETH_P_IP ? in_subnet4(e, load32(p->destination.addr + 12))
					: in_subnet6(e, p->destination.addr);
}

/* Routing would use the packet's TTL up. */
static __always_inline bool expires(const struct pkt *p, const struct endpoint *e)
{
	return p->ttl <= 1 && !same_subnet(p, e);
}

/* One hop less. */
static __always_inline void count_hop(struct pkt *p)
{
	if (p->ethertype == ETH_P_IP) {
		struct iphdr *ip = p->l3;
		/* TTL and protocol are one word of the checksum. */
		__u16 from = ip->ttl | ip->protocol << 8;

		ip->ttl--;
		ip->check = sum_replace(ip->check, from, ip->ttl | ip->protocol << 8);
	} else {
		((struct ipv6hdr *)p->l3)->hop_limit--;
	}
}

static __always_inline void route(struct pkt *p, const struct endpoint *e)
{
	/* A frontend lies in no subnet, wherever its backend does. */
	if (p->translation == TRANSLATION_TO || !same_subnet(p, e))
		count_hop(p);
}

/* Congestion that the underlay marked goes in (RFC 6040, 4.2). */
static __always_inline enum drop_reason carry_congestion(struct pkt *p, __u8 outer)
{
	if ((outer & 3) != 3 || (p->tos & 3) == 3)
		return DROP_NONE;
	if (!(p->tos & 3))
		return DROP_ECN;
	p->tos |= 3;
	if (p->ethertype == ETH_P_IP) {
		struct iphdr *ip = p->l3;
		__u16 from = *(__u16 *)ip;

		ip->tos |= 3;
		ip->check = sum_replace(ip->check, from, *(__u16 *)ip);
	} else {
		((struct ipv6hdr *)p->l3)->flow_lbl[0] |= 3 << 4;
	}
	return DROP_NONE;
}

/* To an endpoint's port, `before` bytes of outer headers cut away. */
static __always_inline enum drop_reason deliver(struct pkt *p, const struct door *to, __u32 before)
{
	__u32 ifindex = to->ifindex;

	stage(p, STAGE_DELIVER);
	if (hook_unwrap(p->ctx, p->eth, &to->mac, &to->gateway, before))
		return DROP_NO_ROOM;
	return decide(p, VERDICT_DELIVER, hook_redirect(ifindex), ifindex);
}

#endif
