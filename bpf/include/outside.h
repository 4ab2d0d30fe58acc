/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_OUTSIDE_H
#define MIZAR_OUTSIDE_H

/* The outside: whoever is in no VPC, and is reached without a tunnel.
 *
 * Contract: there is one way to the outside a family, a row of hosts that the agent keeps
 * in step with the host's route there. Flows of clients outside have its number where
 * those of others have their host's. */

#include "encapsulate.h"
#include "flow.h"
#include "note.h"
#include "tunnel.h"

/* The number in hosts of the way to the outside of the packet's family, and its row; 0:
 * there is none. */
static __always_inline __u32 outside_number(struct pkt *p, struct host **way)
{
	struct uplink *own = uplinks_row(p);
	__u32 number = 0;

	if (own)
		number = p->ethertype == ETH_P_IP ? own->outside[0] : own->outside[1];
	*way = number ? hosts_row(p, number) : NULL;
	return *way ? number : 0;
}

/* A packet from outside fits into an endpoint of this host: its sender does not know of the
 * tunnel, which leaves less than the underlay has. What would have fit is noted. */
static __always_inline enum drop_reason fits_here(struct pkt *p, const struct uplink *own)
{
	__u32 most = largest(p);

	if (!own->mtu || (most && most <= own->mtu))
		return DROP_NONE;
	p->fits = own->mtu;
	return DROP_MTU;
}

/* The source of what has come through the tunnel with the option `service`, or from the
 * uplink as if it had: it is outside, and goes to the frontend that the option names. */
static __always_inline bool note_outside(struct pkt *p, struct tracked *k, const struct tunnel *t)
{
	struct host *way = NULL;
	__u32 number = outside_number(p, &way);

	if (!way)
		return false;
	k->host[ROLE_SOURCE] = number;
	k->epoch[ROLE_SOURCE] = way->epoch;
	k->translation = TRANSLATION_OUTSIDE;
	turn_to(&k->turn, t->option.host, bpf_htons(t->option.found >> 16), TRANSLATION_OUTSIDE);
	return true;
}

/* How long a destination is taken to be outside, in ns: subnets are made. */
#define OUTSIDE_KEPT (60 * SECOND)

/* A function of its own: it is verified once. */
__noinline int is_outside(const struct path *path)
{
	return path && path->state == PATH_OUTSIDE && now() - path->since < OUTSIDE_KEPT;
}

/* Whether endpoints of the packet's VPC reach what is outside. */
static __always_inline bool masquerades(struct pkt *p)
{
	struct vpc *v = vpcs_row(p, &p->destination.vni);

	return v && v->leaves;
}

/* Whether what is in no subnet of the packet's VPC is reached by its endpoints: over a
 * family that this host has an address of, and not the host itself, whose address they
 * would come from. */
static __always_inline bool may_leave(struct pkt *p)
{
	struct uplink *own = uplinks_row(p);
	const __u8 *addr;

	if (!own || !masquerades(p))
		return false;
	addr = p->ethertype == ETH_P_IP ? own->v4 : own->v6;
	return !addr_zero(addr) && !addr_equal(p->destination.addr, addr);
}

/* The destination is outside: the packet takes the way there. */
static __always_inline enum drop_reason begin_leaving(struct pkt *p, struct outgoing *out,
						      struct tracked *k)
{
	struct host *h = NULL;
	__u32 number = outside_number(p, &h);

	out->host = h;
	if (!h)
		return DROP_NO_HOST;
	/* Hosts believe each other by their addresses. */
	if (p->protocol == IPPROTO_UDP &&
	    k->key.port[other_end(k->side) & 1] == bpf_htons(GENEVE_PORT))
		return DROP_SNAT_TUNNEL;
	out->verdict = VERDICT_LEAVE;
	note_away(k, 0, 0, number, h);
	k->learned = now();
	return DROP_NONE;
}

#endif
