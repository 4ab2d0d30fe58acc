/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_HOOK_XDP_H
#define MIZAR_HOOK_XDP_H

/* The thin layer between the stages and the XDP hook. hook_tcx.h offers the
 * same functions for the TCX hook and the stages stay as they are.
 *
 * Contract: nothing outside of this file knows the context's type. Pointers
 * into the packet are dead after hook_resize. Headers lie in the first part of
 * the packet (xdp.frags programs see only that one). */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "address.h"
#include "checksum.h"
#include "config.h"
#include "field.h"

typedef struct xdp_md hook_ctx;

#define HOOK_PROGRAM SEC("xdp.frags")
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

/* Bytes that the counters are told: the first part, which costs no call. */
static __always_inline __u32 hook_counted(const hook_ctx *ctx)
{
	return distance(hook_data(ctx), hook_end(ctx));
}

/* A tag stands beside the packet, where the parser does not see it. */
static __always_inline bool hook_tagged(const hook_ctx *ctx)
{
	(void)ctx;
	return false;
}

/* The VLAN of such a tag; 0: there is none. */
static __always_inline __u16 hook_vlan(const hook_ctx *ctx)
{
	(void)ctx;
	return 0;
}

/* Takes the tag away; bytes that the packet is shorter for it. Pointers into the
 * packet are dead then. */
static __always_inline __u32 hook_untag(hook_ctx *ctx)
{
	(void)ctx;
	return 0;
}

/* Some of the first `bytes` of the packet lie behind its first part, and
 * hook_pull could bring them. */
static __always_inline bool hook_in_parts(const hook_ctx *ctx, __u32 bytes)
{
	(void)ctx, (void)bytes;
	return false;
}

/* Brings up to `bytes` of the packet into its first part; 0 or a negative
 * errno. Pointers into the packet are dead then. */
static __always_inline int hook_pull(hook_ctx *ctx, __u32 bytes)
{
	(void)ctx, (void)bytes;
	return 0;
}

/* Bytes of payload in each of the packets that this one stands for; 0: it is
 * one packet. */
static __always_inline __u32 hook_segment(const hook_ctx *ctx)
{
	(void)ctx;
	return 0;
}

/* Bytes of the transport header at an offset, of such a packet; 0: it can't be
 * told. */
static __always_inline int hook_transport(hook_ctx *ctx, __u32 offset, __u32 protocol)
{
	(void)ctx, (void)offset, (void)protocol;
	return 0;
}

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

/* Cuts `before` bytes of outer headers off before an endpoint's frame, `eth`, which
 * gets new addresses. 0 or a negative errno. */
static __always_inline int hook_unwrap(hook_ctx *ctx, struct ethhdr *eth, const struct mac *to,
				       const struct mac *from, __u32 before)
{
	mac_copy(eth->h_dest, to);
	mac_copy(eth->h_source, from);
	return before ? hook_resize(ctx, -(int)before) : 0;
}

/* Cuts the end of the packet off so that `length` bytes are left. 0 or a
 * negative errno. Pointers into the packet are dead then. */
static __always_inline int hook_trim(hook_ctx *ctx, __u32 length)
{
	return bpf_xdp_adjust_tail(ctx, (int)length - (int)hook_length(ctx));
}

/* Whether pointers into the packet are dead after hook_resum. */
#define HOOK_RESUM_MOVES false

/* Adds to a transport checksum what the addresses under it and what the ports beside
 * it have changed by; 0 of UDP stays. */
static __always_inline void hook_resum(hook_ctx *ctx, __u16 *check, __u32 addresses, __u32 ports,
				       bool udp)
{
	__u16 sum;

	(void)ctx;
	if (udp && !*check)
		return;
	sum = sum_adjust(*check, (__u64)addresses + ports);
	*check = udp && !sum ? 0xffff : sum;
}

/* Makes room for outer headers before an endpoint's frame: l2 bytes of Ethernet,
 * then l3 of IP and the rest. 0 or a negative errno. */
static __always_inline int hook_wrap(hook_ctx *ctx, __u32 l2, __u32 l3, __u32 rest)
{
	return hook_resize(ctx, l2 + l3 + rest);
}

/* The action that sends the packet out of another device. */
static __always_inline int hook_redirect(__u32 ifindex)
{
	if (simulated)
		return XDP_REDIRECT;
	return bpf_redirect(ifindex, 0);
}

/* The action that sends the packet out of the device it came in on. Where a driver
 * is not known to transmit, this is no XDP_TX: a veth wakes its peer for that only if the peer has a
 * program (veth_xdp_flush), and an endpoint's has none. */
static __always_inline int hook_bounce(const hook_ctx *ctx)
{
	if (simulated || transmits)
		return XDP_TX;
	return bpf_redirect(HOOK_FIELD(ctx, ingress_ifindex), 0);
}

#endif
