/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_BUDGET_H
#define MIZAR_BUDGET_H

/* What an endpoint may make its host do: ICMP errors, and rows for questions and flows.
 *
 * Contract: a budget is a theoretical arrival time (the generic cell rate
 * algorithm of ATM Forum TM 4.0) that may run ahead of the clock by the burst.
 * Two CPUs may both spend the last of it; nothing else depends on it. */

#include "clock.h"
#include "config.h"
#include "table.h"

#define MILLISECOND 1000000ULL
#define ICMP_INTERVAL (10 * MILLISECOND)
#define ICMP_BURST (32 * ICMP_INTERVAL)
#define QUESTION_INTERVAL MILLISECOND
#define OPENING_INTERVAL (MILLISECOND / 20)
#define OPENING_BURST (16384 * OPENING_INTERVAL) /* half of openings */

/* Takes one from the budget; false when it is used up. */
static __always_inline bool spend(__u64 *due, __u64 time, __u64 interval, __u64 burst)
{
	__u64 next = *due > time ? *due : time;

	next += interval;
	if (next - time > burst)
		return false;
	*due = next;
	return true;
}

static __always_inline bool spend_icmp(struct pkt *p, __u32 endpoint)
{
	struct budget *b = budgets_row(p, endpoint);

	return b && spend(&b->icmp, now(), ICMP_INTERVAL, ICMP_BURST);
}

static __always_inline bool spend_question(struct pkt *p, __u32 endpoint, __u64 time)
{
	struct budget *b = budgets_row(p, endpoint);

	return b &&
	       spend(&b->question, time, QUESTION_INTERVAL, question_burst * QUESTION_INTERVAL);
}

/* Whether an endpoint may have one more of flows. */
static __always_inline bool is_left(const struct share *s)
{
	return s && s->flows < (__s32)flow_share;
}

#endif
