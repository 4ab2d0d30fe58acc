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

/* One of the hosts that have a role. */
struct candidate {
	__u32 host; /* index in hosts; 0: this host, or none */
	__u32 score;
	bool up;
};

static __always_inline bool better(const struct candidate *a, const struct candidate *b)
{
	return a->up != b->up ? a->up : a->score > b->score;
}

/* Rendezvous hashing: of the hosts that have a role, the one with the highest
 * score for the pair of addresses; the first in order of names when scores are
 * equal; one that is down only when all are. 0 when there is none. A function of
 * its own: it is verified once. */
__noinline __u32 choose_by(struct record *record, const struct roles *r, __u32 pair, __u32 stage)
{
	struct candidate best = {};

	if (!r)
		return 0;
	for (__u32 i = 0; i < MAX_ROLES; i++) {
		struct candidate c = {};
		struct host *h;

		if (i >= r->count)
			break;
		c.host = r->host[i];
		h = hosts_row_of(record, stage, c.host);
		if (!h)
			continue;
		c.score = rendezvous_score(pair, h->seed);
		c.up = !h->down;
		if (!best.host || better(&c, &best))
			best = c;
	}
	return best.host;
}

/* The one that comes after this host in that order and is up; 0: none. */
__noinline __u32 choose_after_by(struct record *record, const struct roles *r, __u32 pair,
				 __u32 stage)
{
	struct host *self = hosts_row_of(record, stage, 0);
	struct candidate best = {};
	__u32 own = self ? rendezvous_score(pair, self->seed) : 0;
	bool passed = false;

	if (!r)
		return 0;
	for (__u32 i = 0; i < MAX_ROLES; i++) {
		struct candidate c = {};
		struct host *h;

		if (i >= r->count)
			break;
		c.host = r->host[i];
		h = c.host ? hosts_row_of(record, stage, c.host) : NULL;
		passed |= !c.host;
		if (!h || h->down)
			continue;
		c.score = rendezvous_score(pair, h->seed);
		if (c.score > own || (c.score == own && !passed))
			continue;
		if (!best.host || c.score > best.score)
			best = c;
	}
	return best.host;
}

static __always_inline __u32 choose(struct pkt *p, const struct roles *r)
{
	return choose_by(p->record, r, pair_hash(p), p->stage);
}

static __always_inline __u32 choose_after(struct pkt *p, const struct roles *r)
{
	return choose_after_by(p->record, r, pair_hash(p), p->stage);
}

static __always_inline enum drop_reason located(const struct location *l, struct next *n)
{
	/* Here, but no endpoint of ours (any more). */
	if (!l->host)
		return DROP_STALE;
	n->host = l->host;
	n->identity = l->identity;
	n->generation = l->generation;
	n->located = true;
	return DROP_NONE;
}

/* What this host's part in a subnet says of an address that is not behind it and
 * not in its directory. */
static __always_inline enum drop_reason ask_others(struct pkt *p, const struct subnet *s,
						   struct next *n)
{
	if (s->bouncer == BOUNCER_COMPLETE)
		return DROP_NO_ENDPOINT;
	n->host = s->bouncer == BOUNCER_FILLING ? choose_after(p, &s->bouncers)
						: choose(p, &s->bouncers);
	return n->host ? DROP_NONE : DROP_NO_BOUNCER;
}

static __always_inline enum drop_reason ask_bouncer(struct pkt *p, const struct subnet *s,
						    struct next *n)
{
	struct location *l = s->bouncer ? directory_row(p, &p->destination) : NULL;

	return l ? located(l, n) : ask_others(p, s, n);
}

/* The subnet of the destination, where this host has a part in it. */
static __noinline struct subnet *find_subnet(struct pkt *p)
{
	struct prefix_key key = {.prefixlen = 32 + 128, .vni = bpf_htonl(p->destination.vni)};
	struct route *r;

	addr_copy(key.addr, p->destination.addr);
	r = routes_row(p, &key);
	return r ? subnets_row(p, r->subnet) : NULL;
}

/* For a destination outside of the sender's subnet: this host, where it divides
 * the VPC or bounces the destination's subnet, else a divider. */
static __always_inline enum drop_reason ask_divider(struct pkt *p, struct next *n)
{
	struct vpc *v = vpcs_row(p, &p->destination.vni);
	struct subnet *s;

	if (!v)
		return DROP_NO_BOUNCER;
	s = find_subnet(p);
	if (s)
		return ask_bouncer(p, s, n);
	if (v->divider)
		return DROP_NO_SUBNET;
	n->host = choose(p, &v->dividers);
	return n->host ? DROP_NONE : DROP_NO_BOUNCER;
}

/* A number that only those on the way of this question get to see. Never 0, and
 * another one for each question, be they asked in one tick of the coarse clock; in
 * a simulation it repeats exactly. */
static __always_inline __u32 make_token(const struct pkt *p, __u64 time)
{
	__u32 h = pair_hash(p);

	h = fmix32(h ^ (__u32)token_secret) + (simulated ? (__u32)time : bpf_get_prandom_u32());
	h = fmix32(h ^ (__u32)(token_secret >> 32)) + (__u32)(time >> 32);
	return fmix32(h) | 1;
}

#endif
