//go:build ignore

/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */

/* endpoint_tcx: everything an endpoint sends, in its TCX form: GSO packets stay
 * whole and checksums stay with the device. It needs kernel 6.6. */
#define MIZAR_HOOK_TCX
#include "include/depart.h"

SEC("tcx/ingress")
int endpoint_tcx(struct __sk_buff *ctx)
{
	struct pkt p;

	begin(&p, ctx);
	return finish(&p, process(&p));
}

SEC("tcx/ingress")
int course(struct __sk_buff *ctx)
{
	struct pkt p;

	begin(&p, ctx);
	return finish(&p, process_course(&p));
}

SEC("tcx/ingress")
int fragment(struct __sk_buff *ctx)
{
	struct pkt p;

	begin(&p, ctx);
	return finish(&p, process_fragment(&p));
}

SEC("tcx/ingress")
int service(struct __sk_buff *ctx)
{
	struct pkt p;

	begin(&p, ctx);
	return finish(&p, process_service(&p));
}

SEC("tcx/ingress")
int depart(struct __sk_buff *ctx)
{
	struct pkt p;

	begin(&p, ctx);
	return finish(&p, process_depart(&p));
}

char _license[] SEC("license") = "Dual BSD/GPL";
