/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_OUTSIDE_H
#define MIZAR_OUTSIDE_H

/* The outside: whoever is in no VPC, and is reached without a tunnel.
 *
 * Contract: there is one way to the outside a family, a row of hosts that the agent keeps
 * in step with the host's route there. Flows of clients outside have its number where
 * those of others have their host's. */

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

#endif
