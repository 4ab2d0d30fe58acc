/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_HOOK_TCX_H
#define MIZAR_HOOK_TCX_H

/* The thin layer between the stages and the TCX hook, where packets have an
 * sk_buff: the same functions as hook_xdp.h, which has their contracts.
 *
 * Contract: a packet that stands for several (GSO) and a checksum that is not
 * finished (CHECKSUM_PARTIAL) stay so; the device that the packet leaves by
 * finishes both. Headers may lie in parts that pointers do not reach until
 * hook_pull has brought them. Pointers into the packet are dead after hook_pull,
 * hook_wrap and hook_resize. */

#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_helpers.h>

#include "address.h"
#include "config.h"
#include "field.h"

typedef struct __sk_buff hook_ctx;

/* enum tcx_action_base of linux/bpf.h, which kernels before 6.6 lack. What passes
 * to the stack may meet programs of others on the way. */
#define HOOK_PROGRAM SEC("tcx/ingress")
#define HOOK_DROP 2
#define HOOK_PASS (-1)
#define HOOK_REDIRECT 7

static __always_inline void *hook_data(const hook_ctx *ctx)
{
	return (void *)(long)ctx->data;
}

static __always_inline void *hook_end(const hook_ctx *ctx)
{
	return (void *)(long)ctx->data_end;
}

static __always_inline __u32 hook_length(hook_ctx *ctx)
{
	return HOOK_FIELD(ctx, len);
}

static __always_inline __u32 hook_counted(const hook_ctx *ctx)
{
	return HOOK_FIELD(ctx, len);
}

/* Such a tag would go out on the underlay with the packet. */
static __always_inline bool hook_tagged(const hook_ctx *ctx)
{
	return HOOK_FIELD(ctx, vlan_present);
}

static __always_inline __u16 hook_vlan(const hook_ctx *ctx)
{
	return HOOK_FIELD(ctx, vlan_present) ? HOOK_FIELD(ctx, vlan_tci) & 0x0fff : 0;
}

/* In a simulation the tag stands in the packet. */
static __always_inline __u32 hook_untag(hook_ctx *ctx)
{
	__u32 length = hook_length(ctx);

	if (!hook_tagged(ctx) && HOOK_FIELD(ctx, protocol) != __builtin_bswap16(ETH_P_8021Q))
		return 0;
	return bpf_skb_vlan_pop(ctx) ? 0 : length - hook_length(ctx);
}

static __always_inline bool hook_in_parts(hook_ctx *ctx, __u32 bytes)
{
	__u32 first = distance(hook_data(ctx), hook_end(ctx));

	return first < bytes && first < hook_length(ctx);
}

static __always_inline int hook_pull(hook_ctx *ctx, __u32 bytes)
{
	__u32 length = hook_length(ctx);

	return bpf_skb_pull_data(ctx, length < bytes ? length : bytes);
}

static __always_inline __u32 hook_segment(const hook_ctx *ctx)
{
	return HOOK_FIELD(ctx, gso_size);
}

/* A function of its own: most packets are one, and it is verified once. */
__noinline int hook_transport(hook_ctx *ctx, __u32 offset, __u32 protocol)
{
	__u8 words; /* of TCP's header, in the upper four bits */

	if (protocol == IPPROTO_UDP)
		return sizeof(struct udphdr);
	if (protocol != IPPROTO_TCP || bpf_skb_load_bytes(ctx, offset + 12, &words, sizeof(words)))
		return 0;
	return (words >> 4) * 4;
}

/* In a simulation the port number stands in the mark. */
static __always_inline __u32 hook_port(const hook_ctx *ctx)
{
	return simulated ? HOOK_FIELD(ctx, mark) : HOOK_FIELD(ctx, ingress_ifindex);
}

/* Bytes are cut off behind the Ethernet header, which stays. */
static __always_inline int hook_resize(hook_ctx *ctx, int by)
{
	return by < 0 ? bpf_skb_adjust_room(ctx, by, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO)
		      : bpf_skb_change_head(ctx, by, 0);
}

/* BPF_F_ADJ_ROOM_DECAP_L3_IPV4 and _IPV6 of linux/bpf.h, which kernels before 6.3
 * lack: the family of what is left. */
#define HOOK_LEAVES_IPV4 (1ULL << 7)
#define HOOK_LEAVES_IPV6 (1ULL << 8)

/* The outer Ethernet header becomes the inner one's:
 *
 *   before      Ethernet (outer) | outer l3 and the rest, Ethernet (inner) | IP …
 *   after       Ethernet, rewritten | IP …
 *
 * Addresses are written behind the cut: what it takes away is what a device may have
 * summed up (CHECKSUM_COMPLETE). */
static __always_inline int hook_unwrap(hook_ctx *ctx, struct ethhdr *eth, const struct mac *to,
				       const struct mac *from, __u32 before)
{
	__be16 type = *(__be16 *)((void *)eth + 2 * ETH_ALEN);
	__u64 leaves = type == __builtin_bswap16(ETH_P_IP) ? HOOK_LEAVES_IPV4 : HOOK_LEAVES_IPV6;

	if (before) {
		before -= hook_untag(ctx);
		if (bpf_skb_adjust_room(ctx, -(int)before, BPF_ADJ_ROOM_MAC,
					BPF_F_ADJ_ROOM_FIXED_GSO | leaves))
			return -ENOMEM;
		eth = hook_data(ctx);
		if ((void *)(eth + 1) > hook_end(ctx))
			return -EFAULT;
		*(__be16 *)((void *)eth + 2 * ETH_ALEN) = type;
	}
	mac_copy(eth->h_dest, to);
	mac_copy(eth->h_source, from);
	return 0;
}

/* ENOTSUPP of linux/errno.h, which user space is not told. */
#define HOOK_ENOTSUPP 524

/* What is left stands for itself alone. The kernel cuts no packet that it took part
 * in encapsulating, as one from another host of the same kernel is: that one keeps
 * its end, which is padding behind the length that its headers say. */
static __always_inline int hook_trim(hook_ctx *ctx, __u32 length)
{
	int failed = bpf_skb_change_tail(ctx, length, 0);

	return failed == -HOOK_ENOTSUPP ? 0 : failed;
}

#define HOOK_RESUM_MOVES true

/* The kernel knows whether the checksum is finished. */
static __always_inline void hook_resum(hook_ctx *ctx, __u16 *check, __u32 addresses, __u32 ports,
				       bool udp)
{
	__u32 at = distance(hook_data(ctx), check);
	__u64 zero = udp ? BPF_F_MARK_MANGLED_0 : 0;

	bpf_l4_csum_replace(ctx, at, 0, addresses, BPF_F_PSEUDO_HDR | zero);
	bpf_l4_csum_replace(ctx, at, 0, ports, zero);
}

/* The kernel makes room behind the Ethernet header and takes note of where the
 * inner packet begins, which is what segmentation and checksums need:
 *
 *   before      Ethernet | IP …
 *   after       Ethernet | room of l3 + rest + 14 | IP …
 *   written     (outer)  | outer l3 + rest | Ethernet (inner, copied here) | IP …
 *
 * A longer Ethernet header (with a tag) then grows at the front. The size of
 * segments stays: the endpoints' MTU has left room for the outer headers. */
static __always_inline int hook_wrap(hook_ctx *ctx, __u32 l2, __u32 l3, __u32 rest)
{
	const __u64 inside = BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_ENCAP_L2_ETH |
			     BPF_F_ADJ_ROOM_ENCAP_L2(ETH_HLEN);
	__u64 as = BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET;
	__u32 room = l3 + rest + ETH_HLEN;
	void *frame;
	int failed;

	if (!repeatable)
		as |= inside | (l3 == sizeof(struct iphdr) ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV4
							   : BPF_F_ADJ_ROOM_ENCAP_L3_IPV6);
	failed = bpf_skb_adjust_room(ctx, room, BPF_ADJ_ROOM_MAC, as);
	if (failed)
		return failed;
	frame = hook_data(ctx);
	if (frame + room + ETH_HLEN > hook_end(ctx))
		return -EFAULT;
	__builtin_memcpy(frame + room, frame, ETH_HLEN);
	return l2 > ETH_HLEN ? bpf_skb_change_head(ctx, l2 - ETH_HLEN, 0) : 0;
}

static __always_inline int hook_redirect(__u32 ifindex)
{
	if (simulated)
		return HOOK_REDIRECT;
	return bpf_redirect(ifindex, 0);
}

static __always_inline int hook_bounce(const hook_ctx *ctx)
{
	if (simulated)
		return HOOK_REDIRECT;
	return bpf_redirect(HOOK_FIELD(ctx, ingress_ifindex), 0);
}

#endif
