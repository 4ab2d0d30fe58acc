/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_NEIGHBOUR_H
#define MIZAR_NEIGHBOUR_H

/* ARP (RFC 826) and neighbour discovery (RFC 4861), answered at the endpoint's
 * own port.
 *
 * Contract: an endpoint that asks for any address of its subnet but its own is
 * told the gateway's MAC; delivery puts the right one in. Its own address is
 * never answered, so that duplicate-address detection (RFC 5227, RFC 4862)
 * finds no duplicate. Nothing of this leaves the port. */

#include "checksum.h"
#include "finish.h"
#include "guard.h"

#define ARP_ETHERNET 1 /* hardware type */
#define ARP_REQUEST 1
#define ARP_REPLY 2

struct arp {
	__be16 hardware;
	__be16 protocol;
	__u8 hardware_length;
	__u8 protocol_length;
	__be16 operation;
	struct mac sender_mac;
	__u8 sender[4];
	struct mac target_mac;
	__u8 target[4];
};

/* Solicitation and advertisement with one link-layer address option. */
struct nd {
	__u8 type;
	__u8 code;
	__u16 check;
	__be32 flags;
	__u8 target[16];
	__u8 option; /* 1 source, 2 target link-layer address */
	__u8 option_length; /* in units of 8 bytes */
	struct mac mac;
};

#define ND_PLAIN 24 /* bytes without the option */
#define ND_ROUTER bpf_htonl(0x80000000)
#define ND_SOLICITED bpf_htonl(0x40000000)
#define ND_OVERRIDE bpf_htonl(0x20000000)

_Static_assert(sizeof(struct arp) == 28, "");
_Static_assert(sizeof(struct nd) == 32, "");

static __always_inline bool in_subnet4(const struct endpoint *e, __be32 addr)
{
	return load32(e->v4) && !((load32(e->v4) ^ addr) & load32(e->mask4));
}

static __always_inline bool in_subnet6(const struct endpoint *e, const void *addr)
{
	return !addr_zero(e->v6) && !addr_differ(e->v6, addr, e->mask6);
}

/* Turns the Ethernet header round: from the gateway to who asked. */
static __always_inline enum drop_reason answer_from_gateway(struct pkt *p, const struct endpoint *e)
{
	mac_copy(p->eth->h_dest, p->eth->h_source);
	mac_copy(p->eth->h_source, &e->gateway);
	return decide(p, VERDICT_ANSWER, hook_bounce(p->ctx), p->port);
}

static __always_inline enum drop_reason answer_arp(struct pkt *p, struct cursor *c,
						   const struct endpoint *e)
{
	struct arp *arp = take(c, sizeof(*arp));
	__be32 sender, target;

	stage(p, STAGE_ANSWER);
	if (!arp)
		return DROP_TRUNCATED;
	if (arp->hardware != bpf_htons(ARP_ETHERNET) || arp->protocol != bpf_htons(ETH_P_IP) ||
	    arp->hardware_length != ETH_LEN || arp->protocol_length != 4)
		return DROP_ARP_OTHER;
	sender = load32(arp->sender);
	target = load32(arp->target);
	if (!mac_equal(&arp->sender_mac, &e->mac) || (sender && !is_own4(e, sender)))
		return DROP_GUARD_ARP;
	if (arp->operation != bpf_htons(ARP_REQUEST))
		return DROP_ARP_OTHER;
	if (is_own4(e, target))
		return DROP_ARP_OWN;
	if (!in_subnet4(e, target))
		return DROP_ARP_FOREIGN;
	arp->operation = bpf_htons(ARP_REPLY);
	mac_copy(&arp->target_mac, &arp->sender_mac);
	__builtin_memcpy(arp->target, &sender, 4);
	mac_copy(&arp->sender_mac, &e->gateway);
	__builtin_memcpy(arp->sender, &target, 4);
	return answer_from_gateway(p, e);
}

/* What an endpoint may not say of others, and what nobody asked it for. */
static __always_inline enum drop_reason refuse_link_message(const struct nd *nd,
							    const struct endpoint *e)
{
	switch (nd->type) {
	case 134: /* router advertisement */
	case 137: /* redirect */
		return DROP_GUARD_ND;
	case 136: /* neighbour advertisement */
		if (!is_own6(e, nd->target) && !link_local(nd->target))
			return DROP_GUARD_ND;
	}
	return DROP_ND_OTHER;
}

/* Writes the advertisement over the solicitation. */
static __always_inline void advertise(struct pkt *p, struct nd *nd, const struct endpoint *e,
				      __be32 flags)
{
	struct ipv6hdr *ip = p->l3;
	__u32 sum;

	nd->type = 136;
	nd->check = 0;
	nd->flags = flags;
	nd->option = 2;
	mac_copy(&nd->mac, &e->gateway);
	addr_copy(&ip->daddr, &ip->saddr);
	addr_copy(&ip->saddr, nd->target);
	ip->hop_limit = 255;
	sum = sum_words(&ip->saddr, 32) + sum_words(nd, sizeof(*nd)) + bpf_htons(sizeof(*nd)) +
	      bpf_htons(IPPROTO_ICMPV6);
	nd->check = ~sum_fold(sum);
}

static __always_inline enum drop_reason answer_nd(struct pkt *p, const struct endpoint *e,
						  const struct subnet *s)
{
	struct cursor c = {.pos = p->l3 + sizeof(struct ipv6hdr), .end = hook_end(p->ctx)};
	struct ipv6hdr *ip = p->l3;
	struct nd *nd;
	__be32 flags;

	stage(p, STAGE_ANSWER);
	/* Extension headers and fragments have no place here (RFC 6980). */
	if (ip->nexthdr != IPPROTO_ICMPV6)
		return DROP_ND_OTHER;
	nd = take(&c, ND_PLAIN);
	if (!nd)
		return DROP_ND_OTHER;
	if (nd->type != 135)
		return refuse_link_message(nd, e);
	if (ip->hop_limit != 255 || nd->code)
		return DROP_ND_OTHER;
	if (addr_zero(&ip->saddr) || is_own6(e, nd->target))
		return DROP_ND_OWN;
	if (!in_subnet6(e, nd->target))
		return DROP_ND_FOREIGN;
	if (!take(&c, sizeof(*nd) - ND_PLAIN) || ip->payload_len != bpf_htons(sizeof(*nd)) ||
	    nd->option != 1 || nd->option_length != 1)
		return DROP_ND_OTHER;
	if (!mac_equal(&nd->mac, &e->mac))
		return DROP_GUARD_ND;
	flags = ND_SOLICITED | ND_OVERRIDE;
	if (addr_equal(nd->target, s->gateway6))
		flags |= ND_ROUTER;
	advertise(p, nd, e, flags);
	return answer_from_gateway(p, e);
}

#endif
