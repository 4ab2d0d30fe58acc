/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_LOCATE_H
#define MIZAR_LOCATE_H

/* Where an address is: behind this host, learned, in this host's directory, or
 * to be asked of a bouncer or divider.
 *
 * Contract: the fast rows (locals, paths) are met by the caller; what is here
 * runs for first packets only and may take its time. */

#include "clock.h"
#include "hash.h"
#include "table.h"

/* Who is asked, or where the address is. */
struct next {
	__u32 host; /* index in hosts; never 0 */
	__u32 identity;
	__u8 generation;
	bool located; /* host is the endpoint's, not a bouncer's */
};

/* Rendezvous hashing: of the hosts that have a role, the one with the highest
 * score for the pair of addresses; the first in order of names when scores are
 * equal. 0 when there is none. */
static __always_inline __u32 choose(struct pkt *p, const struct roles *r)
{
	__u32 pair = pair_hash(p);
	__u32 best = 0, top = 0;

	for (__u32 i = 0; i < MAX_ROLES; i++) {
		struct host *h;
		__u32 score;

		if (i >= r->count)
			break;
		h = hosts_row(p, r->host[i]);
		if (!h)
			continue;
		score = rendezvous_score(pair, h->seed);
		if (!best || score > top) {
			best = r->host[i];
			top = score;
		}
	}
	return best;
}

/* Looks in this host's own directory. */
static __always_inline enum drop_reason find(struct pkt *p, struct next *n)
{
	struct location *l = directory_row(p, &p->destination);

	/* Here, but no endpoint of ours (any more). */
	if (!l || !l->host)
		return DROP_NO_ENDPOINT;
	n->host = l->host;
	n->identity = l->identity;
	n->generation = l->generation;
	n->located = true;
	return DROP_NONE;
}

static __always_inline enum drop_reason ask_bouncer(struct pkt *p, const struct subnet *s,
						    struct next *n)
{
	if (s->bouncer)
		return find(p, n);
	n->host = choose(p, &s->bouncers);
	return n->host ? DROP_NONE : DROP_NO_BOUNCER;
}

/* As a divider: the subnet of the destination, and who bounces it. */
static __always_inline enum drop_reason divide(struct pkt *p, struct next *n)
{
	struct prefix_key key = {.prefixlen = 32 + 128, .vni = bpf_htonl(p->destination.vni)};
	struct route *r;
	struct subnet *s;

	addr_copy(key.addr, p->destination.addr);
	r = routes_row(p, &key);
	if (!r)
		return DROP_NO_SUBNET;
	s = subnets_row(p, r->subnet);
	if (!s)
		return DROP_NO_SUBNET;
	return ask_bouncer(p, s, n);
}

/* For a destination outside of the sender's subnet. */
static __always_inline enum drop_reason ask_divider(struct pkt *p, struct next *n)
{
	struct vpc *v = vpcs_row(p, &p->destination.vni);

	if (!v)
		return DROP_NO_BOUNCER;
	if (v->divider)
		return divide(p, n);
	n->host = choose(p, &v->dividers);
	return n->host ? DROP_NONE : DROP_NO_BOUNCER;
}

/* A number that only those on the way of this question get to see. Never 0. */
static __always_inline __u32 make_token(const struct pkt *p, __u64 time)
{
	__u32 h = pair_hash(p);

	h = fmix32(h ^ (__u32)token_secret) + (__u32)time;
	h = fmix32(h ^ (__u32)(token_secret >> 32)) + (__u32)(time >> 32);
	return fmix32(h) | 1;
}

#endif
