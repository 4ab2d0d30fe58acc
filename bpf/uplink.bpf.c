//go:build ignore

/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */

/* uplink: everything that arrives from the underlay.
 *
 *   ours? else pass → tunnel and source checked → inner frame parsed
 *                   → sent back?  learn, go there directly
 *                   → local?      learn what it tells, deliver
 *                   → else        relay, as bouncer or divider
 */
#include "include/deliver.h"
#include "include/relay.h"

static __always_inline enum drop_reason receive(struct pkt *p, const struct tunnel *t,
						const struct endpoint *to)
{
	enum drop_reason reason = carry_congestion(p, t->tos);

	if (reason)
		return reason;
	if (t->option.type)
		learn(p, t, to);
	return deliver(p, to, t->length);
}

static __always_inline enum drop_reason process(struct pkt *p)
{
	struct cursor c = {.pos = hook_data(p->ctx), .end = hook_end(p->ctx)};
	struct tunnel t;
	enum drop_reason reason;
	struct endpoint *to;
	struct local *local;

	stage(p, STAGE_PARSE);
	switch (parse_outer(p, &t, &c)) {
	case OUTER_OTHER:
		return decide(p, VERDICT_PASS, HOOK_PASS, 0);
	case OUTER_FRAGMENT:
		return DROP_TUNNEL_FRAGMENT;
	case OUTER_TUNNEL:
		break;
	}
	reason = parse_tunnel(p, &t, &c);
	if (reason)
		return reason;
	/* Neighbour discovery never leaves the port it was said at. */
	if (is_link_message(p))
		return DROP_ND_OTHER;
	stage(p, STAGE_LOCAL);
	local = t.option.type == GENEVE_SEND_BACK ? NULL : locals_row(p, &p->destination);
	if (!local)
		return bounce(p, &t);
	to = endpoints_row(p, local->endpoint);
	return to ? receive(p, &t, to) : DROP_NO_ENDPOINT;
}

SEC("xdp.frags")
int uplink(struct xdp_md *ctx)
{
	struct pkt p;

	begin(&p, ctx);
	return finish(&p, process(&p));
}

char _license[] SEC("license") = "Dual BSD/GPL";
