//go:build ignore

/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */

/* Recorded traffic: frames of many lengths take turns, each as often as the
 * others.
 *
 * `restore` is the instrument for BPF_PROG_TEST_RUN: it gives the program under
 * test the next frame, with its own length. With the slot empty it does the
 * same work, resizing for a program that is not there: that is subtracted.
 *
 * `generate_mix` sends the frames out of a device, run with
 * BPF_F_TEST_XDP_LIVE_FRAMES; `sink_mix` counts what arrives. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define LEAST 14 /* bytes of an Ethernet header */
#define MOST 1514 /* bytes of a full frame */
#define HEAD 192 /* bytes that the instrument writes anew: programs read no more */
#define SHIFT 32 /* how far the instrument alone moves the head */
#define FRAMES 16384
#define STRIDE 8192
#define STAMPS 1024

struct recorded {
	__u32 length; /* LEAST to MOST */
	__u32 moved; /* the program under test moves the head of this one */
	__u8 bytes[1520];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct recorded);
	__uint(max_entries, FRAMES);
} recorded SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, 1);
} under_test SEC(".maps");

/* Load-time constant: the device that frames go out of. */
volatile const __u32 out = 0;

/* Told before each run. */
__u64 generated = 0; /* frames so far */
__u32 next = 0; /* whose turn it is */
__u32 number = 1; /* of frames, at most FRAMES */
__u32 before = 0; /* length of the last frame, at first that of the buffer */
__u32 alone = 0; /* no program is under test; nothing is sent */
__u32 moved = 0; /* of the last frame */
__u32 shifted = 0; /* how far the head is, alone */

/* Nanoseconds at frame i * STRIDE. */
__u64 stamps[STAMPS] = {};

/* What arrived. */
__u64 arrived = 0;
__u64 arrived_bytes = 0;

/* The frame whose turn it is, and the time when it is due. */
static __always_inline struct recorded *turn(void)
{
	__u64 n = generated++;
	__u32 index = next;

	if (!(n & (STRIDE - 1)))
		stamps[n / STRIDE & (STAMPS - 1)] = bpf_ktime_get_ns();
	next = index + 1 < number ? index + 1 : 0;
	return bpf_map_lookup_elem(&recorded, &index);
}

static __always_inline __u32 length_of(struct xdp_md *ctx)
{
	__u64 span = ctx->data_end;

	span -= ctx->data;
	/* Pointers are subtracted in 64 bits or not at all. */
	asm volatile("" : "+r"(span));
	return span;
}

/* Gives the packet the length and the first bytes of a frame. */
static __always_inline int put(struct xdp_md *ctx, struct recorded *r, __u32 was, __u32 most)
{
	__u32 length = r->length, bytes;

	if (length < LEAST || length > MOST)
		return -1;
	if (length != was && bpf_xdp_adjust_tail(ctx, (int)length - (int)was))
		return -1;
	bytes = length < most ? length : most;
	return bpf_xdp_store_bytes(ctx, 0, r->bytes, bytes);
}

SEC("xdp.frags")
int restore(struct xdp_md *ctx)
{
	struct recorded *r = turn();
	int extra;

	if (!r)
		return XDP_ABORTED;
	if (alone) {
		extra = moved ? (shifted ? SHIFT : -SHIFT) : 0;
		shifted -= extra;
	} else {
		extra = (int)length_of(ctx) - (int)before;
	}
	if (extra && bpf_xdp_adjust_head(ctx, extra))
		return XDP_ABORTED;
	if (put(ctx, r, before, HEAD))
		return XDP_ABORTED;
	before = r->length;
	moved = r->moved;
	bpf_tail_call(ctx, &under_test, 0);
	return XDP_TX;
}

SEC("xdp")
int generate_mix(struct xdp_md *ctx)
{
	struct recorded *r = turn();

	if (!r || put(ctx, r, length_of(ctx), MOST))
		return XDP_ABORTED;
	return alone ? XDP_DROP : bpf_redirect(out, 0);
}

SEC("xdp.frags")
int sink_mix(struct xdp_md *ctx)
{
	arrived++;
	arrived_bytes += length_of(ctx);
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
