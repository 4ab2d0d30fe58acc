//go:build ignore

/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */

/* endpoint: everything an endpoint sends, in its XDP form: fastest for small
 * packets, complete on every kernel from 6.1 on. */
#include "include/depart.h"

SEC("xdp.frags")
int endpoint(struct xdp_md *ctx)
{
	struct pkt p;

	begin(&p, ctx);
	return finish(&p, process(&p));
}

SEC("xdp.frags")
int course(struct xdp_md *ctx)
{
	struct pkt p;

	begin(&p, ctx);
	return finish(&p, process_course(&p));
}

SEC("xdp.frags")
int fragment(struct xdp_md *ctx)
{
	struct pkt p;

	begin(&p, ctx);
	return finish(&p, process_fragment(&p));
}

SEC("xdp.frags")
int service(struct xdp_md *ctx)
{
	struct pkt p;

	begin(&p, ctx);
	return finish(&p, process_service(&p));
}

SEC("xdp.frags")
int depart(struct xdp_md *ctx)
{
	struct pkt p;

	begin(&p, ctx);
	return finish(&p, process_depart(&p));
}

char _license[] SEC("license") = "Dual BSD/GPL";
