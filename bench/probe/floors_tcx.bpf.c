//go:build ignore

/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */

/* The floors of TCX: what the kernel's helpers cost by themselves, and the least
 * that a program which sends can cost. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_helpers.h>

#include "../../bpf/include/address.h"

#define OUTER_V4 58 /* bytes of outer headers, Ethernet included */
#define OUTER_V6 78
#define HIT_NONE 1 /* no action of TCX: a floor that misses has measured nothing */
#define DROP 2
#define KEPT (BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET)

struct row {
	__u8 bytes[56];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct addr_key);
	__type(value, struct row);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
} floor_hash SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct addr_key);
	__type(value, struct path);
	__uint(max_entries, 65536);
} floor_lru SEC(".maps");

static __always_inline bool read_key(struct __sk_buff *ctx, struct addr_key *key, bool v6)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	void *ip = data + ETH_HLEN;

	key->vni = 100;
	if (ip + (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) > end)
		return false;
	if (v6)
		addr_copy(key->addr, &((struct ipv6hdr *)ip)->daddr);
	else
		addr_map(key->addr, ((struct iphdr *)ip)->daddr);
	return true;
}

/* Pushes `outer` bytes and writes all of them. */
static __always_inline int push(struct __sk_buff *ctx, __u32 outer)
{
	__u64 *to;

	if (bpf_skb_adjust_room(ctx, outer, BPF_ADJ_ROOM_MAC, KEPT))
		return HIT_NONE;
	to = (void *)(long)ctx->data;
	if ((void *)to + outer > (void *)(long)ctx->data_end)
		return HIT_NONE;
#pragma unroll
	for (__u32 i = 0; i < outer / 8; i++)
		to[i] = 0x0101010101010101ULL;
	return bpf_redirect(1, 0);
}

static __always_inline int send_floor(struct __sk_buff *ctx, __u32 outer, bool v6)
{
	struct addr_key key;

	if (!read_key(ctx, &key, v6) || !bpf_map_lookup_elem(&floor_lru, &key) ||
	    !bpf_map_lookup_elem(&floor_hash, &key))
		return HIT_NONE;
	return push(ctx, outer);
}

static __always_inline int room_floor(struct __sk_buff *ctx, __u32 outer)
{
	return bpf_skb_adjust_room(ctx, outer, BPF_ADJ_ROOM_MAC, KEPT) ? HIT_NONE : DROP;
}

#define FLOOR(name, call)                                       \
	SEC("tcx/ingress")                                      \
	int name(struct __sk_buff *ctx __attribute__((unused))) \
	{                                                       \
		return call;                                    \
	}

FLOOR(null, DROP)
FLOOR(room4, room_floor(ctx, OUTER_V4))
FLOOR(room6, room_floor(ctx, OUTER_V6))
FLOOR(send4, send_floor(ctx, OUTER_V4, false))
FLOOR(send6, send_floor(ctx, OUTER_V6, true))

char _license[] SEC("license") = "Dual BSD/GPL";
