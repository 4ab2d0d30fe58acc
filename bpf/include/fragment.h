/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_FRAGMENT_H
#define MIZAR_FRAGMENT_H

/* What the fragments of one packet have in common.
 *
 * Contract: fragments are of one packet if they have the same addresses, protocol and
 * identification (RFC 791, RFC 8200). Whichever comes first at its source's host
 * puts down the way that it took, and the first one its ports; the others follow that
 * row in k->parts, which counts as long as a receiver would wait for the rest. Who
 * changes k->parts sets k->led, and whoever tracks keeps it. */

#include "clock.h"

#define FRAGMENTS_LIVE 60 /* seconds; RFC 8200, 4.5 */

static __always_inline void fragment_key(const struct pkt *p, struct fragment_key *key)
{
	key->source = p->source;
	addr_copy(key->destination, p->destination.addr);
	key->id = p->fragment_id;
	key->protocol = p->protocol;
}

static __always_inline bool is_fragment(const struct pkt *p)
{
	return p->fragment != FRAGMENT_NONE;
}

/* Reads the row of k->fragment; 0: there is none. Functions of their own: they are
 * verified once. */
__noinline int read_fragments(struct record *record, __u32 stage)
{
	struct tracked *k = tracked_row();
	struct fragmented *f;

	if (!k)
		return 0;
	f = fragments_row_of(record, stage, &k->fragment);
	if (f && (__u32)(now() / SECOND) - f->since <= FRAGMENTS_LIVE) {
		k->parts = *f;
		return 1;
	}
	__builtin_memset(&k->parts, 0, sizeof(k->parts));
	return 0;
}

__noinline int write_fragments(struct record *record, __u32 stage)
{
	struct tracked *k = tracked_row();

	if (!k || !k->led)
		return 0;
	k->parts.since = now() / SECOND;
	fragments_put(record, stage, &k->fragment, &k->parts);
	return 0;
}

/* What is known of the packet that this fragment is of. */
static __always_inline bool recall_fragments(struct pkt *p, struct tracked *k)
{
	fragment_key(p, &k->fragment);
	return read_fragments(p->record, p->stage);
}

/* Writes down what the others are to follow. */
static __always_inline void keep_fragments(struct pkt *p)
{
	if (is_fragment(p))
		write_fragments(p->record, p->stage);
}

/* Whether another fragment has put down a way. A first one that comes once more begins
 * another packet, whose identification is the same (RFC 6864). */
static __always_inline bool has_way(const struct pkt *p, struct tracked *k)
{
	if (!is_fragment(p))
		return false;
	if (p->fragment == FRAGMENT_FIRST && k->parts.begun)
		__builtin_memset(&k->parts, 0, sizeof(k->parts));
	return k->parts.state;
}

/* The question that all fragments of the packet ask has this token. */
static __always_inline bool asked_together(struct pkt *p, __u32 token)
{
	struct tracked *k = is_fragment(p) ? tracked_row() : NULL;

	return k && recall_fragments(p, k) && k->parts.state == PATH_ASKED && token &&
	       k->parts.token == token;
}

#endif
