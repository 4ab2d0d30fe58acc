//go:build ignore

/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */

/* Live frames: a generator that sends out of a device, run under
 * BPF_PROG_TEST_RUN with BPF_F_TEST_XDP_LIVE_FRAMES; a sink that counts and
 * drops; and the least that two hosts can do in between.
 *
 *   generator ─► encapsulate_out ─► wire ─► decapsulate_out ─► sink
 *
 * Everything runs on one CPU, so the time between two stamps of the generator
 * is what all of them took. */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#define FRAME 64 /* bytes of every frame */
#define FRAMES 16384
#define STRIDE 8192
#define STAMPS 1024

/* enum tcx_action_base of linux/bpf.h, from Linux 6.6 on. */
#define SKB_NEXT (-1)
#define SKB_DROP 2

struct frame {
	__u8 bytes[FRAME];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct frame);
	__uint(max_entries, FRAMES);
} frames SEC(".maps");

/* Load-time constants: the device that frames go out of, and how many bytes of
 * outer headers there are. */
volatile const __u32 out = 0;
volatile const __u32 outer = 0;

/* Told before each run. */
__u64 generated = 0;
__u32 flows = 1; /* a power of two, at most FRAMES */

/* Nanoseconds at frame i * STRIDE. */
__u64 stamps[STAMPS] = {};

/* What arrived: frames of the right length, and others. */
__u64 arrived = 0;
__u64 spoiled = 0;

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u64 n = generated++;
	__u32 index = n & (flows - 1);
	struct frame *f;

	if (!(n & (STRIDE - 1)))
		stamps[n / STRIDE & (STAMPS - 1)] = bpf_ktime_get_ns();
	f = bpf_map_lookup_elem(&frames, &index);
	if (!f || data + FRAME > end)
		return XDP_ABORTED;
	__builtin_memcpy(data, f->bytes, FRAME);
	return bpf_redirect(out, 0);
}

SEC("xdp.frags")
int sink(struct xdp_md *ctx)
{
	__u64 length = ctx->data_end;

	length -= ctx->data;
	asm volatile("" : "+r"(length));
	if ((__u32)length == FRAME)
		arrived++;
	else
		spoiled++;
	return XDP_DROP;
}

/* The same in the receiving namespace's stack, at the first hook behind the
 * device's driver. Others talk there, too: what has another length is let go. */
SEC("tcx/ingress")
int sink_stack(struct __sk_buff *skb)
{
	if (skb->len != FRAME)
		return SKB_NEXT;
	arrived++;
	return SKB_DROP;
}

/* Writes all of the outer headers, in whole words. */
SEC("xdp.frags")
int encapsulate_out(struct xdp_md *ctx)
{
	__u64 *to;
	void *end;

	if (bpf_xdp_adjust_head(ctx, -(int)outer))
		return XDP_ABORTED;
	to = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	for (__u32 i = 0; i < outer / 8; i++) {
		if ((void *)(to + i + 1) > end)
			return XDP_ABORTED;
		to[i] = 0x0101010101010101ULL;
	}
	return bpf_redirect(out, 0);
}

SEC("xdp.frags")
int decapsulate_out(struct xdp_md *ctx)
{
	if (bpf_xdp_adjust_head(ctx, outer))
		return XDP_ABORTED;
	return bpf_redirect(out, 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
