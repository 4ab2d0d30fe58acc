/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_GUARD_H
#define MIZAR_GUARD_H

/* Source guard: what an endpoint sends carries its own addresses, on every
 * layer that could make another believe something.
 *
 * Contract: runs before anything is answered, counted for or sent. IPv6
 * link-local and unspecified sources live only in neighbour discovery, which
 * never leaves the port; its bodies are judged in neighbour.h, ARP's too. */

#include "address.h"
#include "parse.h"

static __always_inline bool link_local(const __u8 *addr)
{
	return addr[0] == 0xfe && (addr[1] & 0xc0) == 0x80;
}

static __always_inline bool is_own4(const struct endpoint *e, __be32 addr)
{
	return addr && addr == load32(e->v4);
}

static __always_inline bool is_own6(const struct endpoint *e, const void *addr)
{
	return !addr_zero(addr) && addr_equal(addr, e->v6);
}

/* Messages of neighbour discovery (RFC 4861) and multicast listener discovery:
 * they concern the link, and the link ends at the port. */
static __always_inline bool is_link_message(const struct pkt *p)
{
	__u8 type;

	if (p->protocol != IPPROTO_ICMPV6 || p->ethertype != ETH_P_IPV6 || !p->l4)
		return false;
	type = ((struct icmp6hdr *)p->l4)->icmp6_type;
	return (type >= 130 && type <= 137) || type == 143;
}

static __always_inline enum drop_reason guard(struct pkt *p, const struct endpoint *e)
{
	stage(p, STAGE_GUARD);
	if (!mac_equal(p->eth->h_source, &e->door.mac))
		return DROP_GUARD_MAC;
	if (p->ethertype == ETH_P_ARP)
		return DROP_NONE;
	if (p->ethertype == ETH_P_IP)
		return is_own4(e, load32(p->source.addr + 12)) ? DROP_NONE : DROP_GUARD_ADDRESS;
	if (is_own6(e, p->source.addr))
		return DROP_NONE;
	if (is_link_message(p) && (link_local(p->source.addr) || addr_zero(p->source.addr)))
		return DROP_NONE;
	return DROP_GUARD_ADDRESS;
}

#endif
