/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_FINISH_H
#define MIZAR_FINISH_H

/* How a program begins and ends: every packet is counted exactly once, under
 * its verdict, and under its reason if it died, be it with an answer (refused). */

#include "pkt.h"
#include "table.h"

static __always_inline void begin(struct pkt *p, hook_ctx *ctx)
{
	p->ctx = ctx;
	p->record = NULL;
	p->eth = NULL;
	p->l3 = NULL;
	p->l4 = NULL;
	p->sport = 0;
	p->dport = 0;
	p->protocol = 0;
	p->fragment = FRAGMENT_NONE;
	p->fragment_id = 0;
	p->unopened = false;
	p->translation = TRANSLATION_NONE;
	p->out = 0;
	p->stage = STAGE_NONE;
	p->verdict = VERDICT_DROP;
	p->bytes = hook_counted(ctx);
	if (simulated)
		p->record = records_row();
}

/* Sets what becomes of the packet. */
static __always_inline enum drop_reason decide(struct pkt *p, enum verdict verdict, int action,
					       __u32 out)
{
	p->verdict = verdict;
	p->action = action;
	p->out = out;
	return DROP_NONE;
}

static __always_inline int finish(struct pkt *p, enum drop_reason reason)
{
	if (reason) {
		if (p->verdict != VERDICT_REFUSE) {
			p->verdict = VERDICT_DROP;
			p->action = HOOK_DROP;
			p->out = 0;
		}
		count(&drops, reason, p->bytes);
	}
	count(&verdicts, p->verdict, p->bytes);
	if (p->record) {
		p->record->verdict = p->verdict;
		p->record->reason = reason;
		p->record->ifindex = p->out;
	}
	return p->action;
}

#endif
