/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_POLICY_H
#define MIZAR_POLICY_H

/* What the policies of an endpoint say of a flow.
 *
 * Contract: an endpoint has one set in each direction, or none. A peer is judged
 * twice, by its identity and by its address; each answer has a rank, and the lower
 * one decides; if there is none, the set's fallback does. What is not certain is
 * never accepted: a set that is not there denies.
 *
 *   set ─► peers (identity)  ─┐             ┌─► single, else range ─► verdict
 *       ├► prefixes (address) ├─► class ────┤   (protocol, port)
 *       └► fallback           └─► verdict   └─► none */

#include "table.h"

enum judged {
	JUDGED_ACCEPT = 0,
	JUDGED_DENY,
	JUDGED_IDENTITY, /* it depends on the identity, which is not known */
	JUDGED_PORTS, /* it depends on ports, which are not known */
};

static __always_inline __u32 rank_of(__u32 word)
{
	return word >> 2;
}

static __always_inline enum policy_verdict verdict_of(__u32 word)
{
	return word & 3;
}

/* Takes what goes before. */
static __always_inline void prefer(struct judgement *best, const struct judgement *other)
{
	if (best->word && rank_of(best->word) <= rank_of(other->word))
		return;
	best->word = other->word;
	best->of = other->of;
}

/* What a class says of the port. One that it names goes before the range that it is
 * in, as the longer prefix does. */
static __always_inline struct judgement *judge_class(struct record *record, struct tracked *k,
						     const struct judgement *class)
{
	struct judgement *found = NULL;

	if (class->word & CLASS_SINGLES) {
		k->single.set = class->of;
		found = policy_peers_row_of(record, STAGE_JUDGE, &k->single);
	}
	if (!found && class->word & CLASS_RANGES) {
		k->port.class = bpf_htonl(class->of);
		found = policy_ports_row_of(record, STAGE_JUDGE, &k->port);
	}
	return found;
}

/* What a row of a peer says of the packet, which may be nothing; false: it depends on
 * ports. */
static __always_inline bool judge_ports(struct record *record, struct tracked *k,
					const struct judgement *row, struct judgement *best)
{
	struct judgement *found = (struct judgement *)row;

	if (!row || !row->word)
		return true;
	if (!verdict_of(row->word)) {
		if (k->belongs == BELONGS_FRAGMENT)
			return false;
		found = judge_class(record, k, row);
	}
	if (found)
		prefer(best, found);
	return true;
}

/* Asks a set about the peer that stands in k->peer and k->prefix and the port in
 * k->port and k->single. The judgement goes to `best`. */
static __always_inline enum judged judge_set(struct record *record, struct tracked *k, __u32 number,
					     bool known, struct judgement *best)
{
	struct policy_set *set = policy_sets_row_of(record, STAGE_JUDGE, number);
	struct judgement *row;
	__u32 class = 0;

	if (!set)
		return JUDGED_DENY;
	if (set->peers) {
		if (!known)
			return JUDGED_IDENTITY;
		k->peer.set = number;
		row = policy_peers_row_of(record, STAGE_JUDGE, &k->peer);
		if (row && !verdict_of(row->word))
			class = row->of;
		if (!judge_ports(record, k, row, best))
			return JUDGED_PORTS;
	}
	if (set->prefixes) {
		k->prefix.prefixlen = 32 + 128;
		k->prefix.set = bpf_htonl(number);
		row = policy_prefixes_row_of(record, STAGE_JUDGE, &k->prefix);
		/* The same class says the same. */
		if (row && class && !verdict_of(row->word) && row->of == class)
			row = NULL;
		if (!judge_ports(record, k, row, best))
			return JUDGED_PORTS;
	}
	if (!best->word) {
		best->word = set->fallback.word;
		best->of = set->fallback.of;
	}
	return verdict_of(best->word) == POLICY_ACCEPT || verdict_of(best->word) == POLICY_AUDIT
		       ? JUDGED_ACCEPT
		       : JUDGED_DENY;
}

#endif
