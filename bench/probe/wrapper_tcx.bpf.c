//go:build ignore

/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */

/* The instrument for programs of TCX: what wrapper.bpf.c is for those of XDP,
 * which see for how it works. The packet's length is restored where such a
 * program changes it, behind the Ethernet header. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define HEAD 192 /* bytes of each packet that are written anew */
#define PACKETS 16384
#define STRIDE 8192
#define STAMPS 1024
#define DROP 2 /* TCX_DROP, of kernels from 6.6 on */
#define BROKEN 1 /* no action of TCX */
#define KEPT (BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET)

struct packet {
	__u8 head[HEAD];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct packet);
	__uint(max_entries, PACKETS);
} packets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, 1);
} under_test SEC(".maps");

/* Told before each run. */
__u64 repetition = 0;
__u32 flows = 1; /* a power of two, at most PACKETS */
__u32 length = 0; /* of every packet, at least HEAD */
__u32 drift = 0; /* how much longer every second packet is; alone only */

/* Nanoseconds at repetition i * STRIDE. */
__u64 stamps[STAMPS] = {};

SEC("tcx/ingress")
int wrapper(struct __sk_buff *ctx)
{
	struct packet *p;
	__u64 n = repetition++;
	__u32 index = n & (flows - 1);
	__u32 want = length;
	void *data;
	int extra;

	if (!(n & (STRIDE - 1)))
		stamps[n / STRIDE & (STAMPS - 1)] = bpf_ktime_get_ns();
	if (n & 1)
		want += drift;
	extra = (int)ctx->len - (int)want;
	if (extra && bpf_skb_adjust_room(ctx, -extra, BPF_ADJ_ROOM_MAC, KEPT))
		return BROKEN;
	p = bpf_map_lookup_elem(&packets, &index);
	data = (void *)(long)ctx->data;
	if (!p || data + HEAD > (void *)(long)ctx->data_end)
		return BROKEN;
	__builtin_memcpy(data, p->head, HEAD);
	bpf_tail_call(ctx, &under_test, 0);
	return DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
