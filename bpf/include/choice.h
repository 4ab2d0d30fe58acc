/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_CHOICE_H
#define MIZAR_CHOICE_H

/* Which of a service's backends a flow chooses.
 *
 * Contract: by the hash of what it is given, the same on every host and as the control
 * plane's Choose has it; the same choice whoever asks, as long as the service has the same
 * backends. */

#include "flow.h"
#include "hash.h"

/* Of a flow's five fields; the source's port is 0 where all flows of a client choose
 * alike. */
static __always_inline __u32 choice_hash(__u8 protocol, const struct way *w)
{
	struct addr_words from = addr_words(w->from), to = addr_words(w->to);
	__u64 ports = (__u64)protocol << 32 | (__u32)w->dport << 16 | w->sport;

	return spread5(from.high, from.low, to.high, to.low, ports);
}

/* The backend at the hash's place; NULL: the service has none. */
static __always_inline struct backend *choose_place(struct record *record, const struct service *s,
						    __u32 hash)
{
	__u32 place = (__u64)hash * s->places >> 32;
	struct choices *c;

	c = s->places ? choices_row_of(record, STAGE_SERVICE, s->first + place / PLACES) : NULL;
	if (!c)
		return NULL;
	return backends_row_of(record, STAGE_SERVICE,
			       s->backends + c->backend[bounded(place, PLACES - 1)]);
}

#endif
