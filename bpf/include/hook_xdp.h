/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_HOOK_XDP_H
#define MIZAR_HOOK_XDP_H

/* The thin layer between the stages and the XDP hook. Another hook offers the
 * same functions and the stages stay as they are.
 *
 * Contract: nothing outside of this file knows the context's type. Pointers
 * into the packet are dead after hook_resize. Headers lie in the first part of
 * the packet (xdp.frags programs see only that one). */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "config.h"

typedef struct xdp_md hook_ctx;

#define HOOK_DROP XDP_DROP
#define HOOK_PASS XDP_PASS

static __always_inline void *hook_data(const hook_ctx *ctx)
{
	return (void *)(long)ctx->data;
}

static __always_inline void *hook_end(const hook_ctx *ctx)
{
	return (void *)(long)ctx->data_end;
}

/* Bytes of the whole packet, all parts. */
static __always_inline __u32 hook_length(hook_ctx *ctx)
{
	return bpf_xdp_get_buff_len(ctx);
}

/* A field of the context. The compiler would otherwise merge loads of several
 * fields into one with a changed pointer, which the verifier refuses. */
#define HOOK_FIELD(ctx, field)                                                      \
	({                                                                          \
		__u64 value;                                                        \
		asm volatile("%0 = *(u32 *)(%1 + %2)"                               \
			     : "=r"(value)                                          \
			     : "r"(ctx), "i"(__builtin_offsetof(hook_ctx, field))); \
		value;                                                              \
	})

/* The device the packet came in on; in a simulation the port number that
 * stands in the metadata, 0 if none does. */
static __always_inline __u32 hook_port(const hook_ctx *ctx)
{
	if (simulated) {
		__u32 *port = (void *)(long)HOOK_FIELD(ctx, data_meta);

		if ((void *)(port + 1) > hook_data(ctx))
			return 0;
		return *port;
	}
	return HOOK_FIELD(ctx, ingress_ifindex);
}

/* Adds `by` bytes at the front of the packet (negative: cuts them). 0 or a
 * negative errno when the driver has no head room. */
static __always_inline int hook_resize(hook_ctx *ctx, int by)
{
	return bpf_xdp_adjust_head(ctx, -by);
}

/* The action that sends the packet out of another device. */
static __always_inline int hook_redirect(__u32 ifindex)
{
	if (simulated)
		return XDP_REDIRECT;
	return bpf_redirect(ifindex, 0);
}

/* The action that sends the packet out of the device it came in on. On a device
 * this is no XDP_TX: a veth wakes its peer for that only if the peer has a
 * program (veth_xdp_flush), and an endpoint's has none. */
static __always_inline int hook_bounce(const hook_ctx *ctx)
{
	if (simulated)
		return XDP_TX;
	return bpf_redirect(HOOK_FIELD(ctx, ingress_ifindex), 0);
}

#endif
