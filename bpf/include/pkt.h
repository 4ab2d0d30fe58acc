/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_PKT_H
#define MIZAR_PKT_H

/* One packet on its way through the stages.
 *
 * Contract: a stage takes a struct pkt and returns DROP_NONE or the reason the
 * packet dies. Pointers are valid from the parser until the packet is resized.
 * What the parser did not find is zero: begin() clears what it may leave, and
 * only that (to clear all of it would cost a packet more than to parse it). */

#include <linux/if_ether.h>

#include "drop.h"
#ifdef MIZAR_HOOK_TCX
#include "hook_tcx.h"
#else
#include "hook_xdp.h"
#endif
#include "record.h"
#include "types.h"

/* The type field, as one word: the kernel's struct is packed. */
static __always_inline __be16 *ethertype(struct ethhdr *eth)
{
	return (void *)eth + 2 * ETH_LEN;
}

enum fragment {
	FRAGMENT_NONE = 0,
	FRAGMENT_FIRST,
	FRAGMENT_LATER, /* carries no ports */
};

struct pkt {
	hook_ctx *ctx;
	struct record *record; /* simulated only */

	/* The endpoint's frame: what it sent, or what the tunnel carries. */
	struct ethhdr *eth;
	void *l3; /* NULL: ARP */
	void *l4; /* NULL in later fragments */
	__be16 sport; /* TCP, UDP, SCTP */
	__be16 dport;
	struct addr_key source; /* here and below, the address at a multiple of 8 */
	__u16 l3_length; /* bytes, from the IP header on */
	__u16 ethertype; /* host order */
	struct addr_key destination;
	__u8 protocol; /* of the transport header */
	__u8 fragment; /* enum fragment */
	__u8 tos; /* DSCP and ECN */
	__u8 ttl; /* or hop limit */

	__be32 fragment_id; /* of a fragment */
	__u16 fits; /* with DROP_MTU: bytes of the IP packet that would have fit */

	__u32 bytes; /* what the counters are told */
	__u32 port; /* device it came in on */
	__u32 out; /* device it goes out of, for the record */
	__u8 translation; /* enum translation: what it has undergone */
	bool unopened; /* no flow of the packet's own key is known: that was looked up */
	__u8 stage; /* enum stage, for the record */
	__u8 verdict; /* enum verdict */
	int action; /* what the hook is told */
} __attribute__((aligned(8)));

_Static_assert(__builtin_offsetof(struct pkt, source.addr) % 8 == 0, "");
_Static_assert(__builtin_offsetof(struct pkt, destination.addr) % 8 == 0, "");

#endif
