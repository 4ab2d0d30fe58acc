//go:build ignore

/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */

/* The floors: the least that a program of each kind can cost on this machine,
 * with the key sizes and the family of the programs that are compared with
 * them. Each reads just the addresses it needs and decides nothing. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_helpers.h>

#include "../../bpf/include/address.h"

#define OUTER_V4 58 /* bytes of outer headers, Ethernet included */
#define OUTER_V6 78
#define RETURN 28 /* bytes of the option of packets that are relayed */
#define HIT_NONE XDP_ABORTED /* a floor that misses has measured nothing */

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

/* The destination behind `before` bytes of outer headers, in VNI 100. */
static __always_inline bool read_key(struct xdp_md *ctx, struct addr_key *key, __u32 before,
				     bool v6)
{
	void *data = (void *)(long)ctx->data + before, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;

	key->vni = 100;
	if (v6) {
		struct ipv6hdr *ip = data + sizeof(*eth);

		if ((void *)(ip + 1) > end || eth->h_proto != bpf_htons(ETH_P_IPV6))
			return false;
		addr_copy(key->addr, &ip->daddr);
	} else {
		struct iphdr *ip = data + sizeof(*eth);

		if ((void *)(ip + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP))
			return false;
		addr_map(key->addr, ip->daddr);
	}
	return true;
}

/* Pushes `outer` bytes and writes all of them. */
static __always_inline bool push(struct xdp_md *ctx, __u32 outer)
{
	__u64 *to;
	void *end;

	if (bpf_xdp_adjust_head(ctx, -(int)outer))
		return false;
	to = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if ((void *)to + outer > end)
		return false;
#pragma unroll
	for (__u32 i = 0; i < outer / 8; i++)
		to[i] = 0x0101010101010101ULL;
	return true;
}

static __always_inline int send_floor(struct xdp_md *ctx, __u32 outer, bool v6)
{
	struct addr_key key;

	if (!read_key(ctx, &key, 0, v6) || !bpf_map_lookup_elem(&floor_lru, &key) ||
	    !bpf_map_lookup_elem(&floor_hash, &key) || !push(ctx, outer))
		return HIT_NONE;
	return bpf_redirect(1, 0);
}

static __always_inline int encapsulate_floor(struct xdp_md *ctx, __u32 outer, bool v6)
{
	struct addr_key key;

	if (!read_key(ctx, &key, 0, v6) || !bpf_map_lookup_elem(&floor_hash, &key) ||
	    !push(ctx, outer))
		return HIT_NONE;
	return bpf_redirect(1, 0);
}

static __always_inline int receive_floor(struct xdp_md *ctx, __u32 outer, bool v6)
{
	struct addr_key key;

	if (!read_key(ctx, &key, outer, v6) || !bpf_map_lookup_elem(&floor_hash, &key) ||
	    bpf_xdp_adjust_head(ctx, outer))
		return HIT_NONE;
	return bpf_redirect(1, 0);
}

static __always_inline int relay_floor(struct xdp_md *ctx, __u32 outer, bool v6)
{
	struct addr_key key;

	if (!read_key(ctx, &key, outer, v6) || !bpf_map_lookup_elem(&floor_hash, &key))
		return HIT_NONE;
	return XDP_TX;
}

static __always_inline int lookup_floor(struct xdp_md *ctx, bool v6)
{
	struct addr_key key;

	if (!read_key(ctx, &key, 0, v6) || !bpf_map_lookup_elem(&floor_hash, &key))
		return HIT_NONE;
	return bpf_redirect(1, 0);
}

static __always_inline int parse_floor(struct xdp_md *ctx, bool v6)
{
	struct addr_key key;

	if (!read_key(ctx, &key, 0, v6) || key.addr[15] == 0xff)
		return HIT_NONE;
	return XDP_TX;
}

/* Recorded traffic: both families inside, IPv4 outside. What has no address to
 * look up costs a lookup all the same, and is not sent. */
static __always_inline int mixed_floor(struct xdp_md *ctx, bool send)
{
	struct addr_key key = {};
	bool known = read_key(ctx, &key, 0, false) || read_key(ctx, &key, 0, true);

	if (send && known && !bpf_map_lookup_elem(&floor_lru, &key))
		return HIT_NONE;
	if (!bpf_map_lookup_elem(&floor_hash, &key))
		return known ? HIT_NONE : XDP_DROP;
	if (send && !push(ctx, OUTER_V4))
		return HIT_NONE;
	return bpf_redirect(1, 0);
}

#define FLOOR(name, call)                                    \
	SEC("xdp.frags")                                     \
	int name(struct xdp_md *ctx __attribute__((unused))) \
	{                                                    \
		return call;                                 \
	}

FLOOR(null, XDP_TX)
FLOOR(lookup4, lookup_floor(ctx, false))
FLOOR(lookup6, lookup_floor(ctx, true))
FLOOR(parse4, parse_floor(ctx, false))
FLOOR(parse6, parse_floor(ctx, true))
FLOOR(send4, send_floor(ctx, OUTER_V4, false))
FLOOR(send6, send_floor(ctx, OUTER_V6, true))
FLOOR(mixed_send, mixed_floor(ctx, true))
FLOOR(mixed_lookup, mixed_floor(ctx, false))
FLOOR(encapsulate4, encapsulate_floor(ctx, OUTER_V4, false))
FLOOR(encapsulate6, encapsulate_floor(ctx, OUTER_V6, true))
FLOOR(receive4, receive_floor(ctx, OUTER_V4, false))
FLOOR(receive6, receive_floor(ctx, OUTER_V6, true))
FLOOR(relay4, relay_floor(ctx, OUTER_V4 + RETURN, false))
FLOOR(relay6, relay_floor(ctx, OUTER_V6 + RETURN, true))

char _license[] SEC("license") = "Dual BSD/GPL";
