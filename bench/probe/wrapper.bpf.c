//go:build ignore

/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */

/* The instrument: runs a program over and over under BPF_PROG_TEST_RUN, and
 * gives it a fresh packet each time.
 *
 * TEST_RUN does not reset the packet between repetitions. This wrapper does:
 * it restores length and head, writes the next packet's first bytes, and tail
 * calls the program. With the slot empty it costs the same but the program:
 * that run is measured too and subtracted. Time is taken inside, every STRIDE
 * repetitions, so that the system call's own cost is not in it.
 *
 * Below a program that changes the packet's length the wrapper resizes once
 * every repetition. Alone it would not, so it is told a drift: the length then
 * goes to and fro, which is one resize a repetition too. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define HEAD 192 /* bytes of each packet that are written anew */
#define PACKETS 16384
#define STRIDE 8192
#define STAMPS 1024

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

SEC("xdp.frags")
int wrapper(struct xdp_md *ctx)
{
	void *data, *end;
	struct packet *p;
	__u64 n = repetition++;
	__u32 index = n & (flows - 1);
	__u32 want = length;
	__u64 span;
	int extra;

	if (!(n & (STRIDE - 1)))
		stamps[n / STRIDE & (STAMPS - 1)] = bpf_ktime_get_ns();
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	span = end - data;
	/* Pointers are subtracted in 64 bits or not at all. */
	asm volatile("" : "+r"(span));
	if (n & 1)
		want += drift;
	extra = (int)span - (int)want;
	if (extra && bpf_xdp_adjust_head(ctx, extra))
		return XDP_ABORTED;
	p = bpf_map_lookup_elem(&packets, &index);
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (!p || data + HEAD > end)
		return XDP_ABORTED;
	__builtin_memcpy(data, p->head, HEAD);
	bpf_tail_call(ctx, &under_test, 0);
	return XDP_TX;
}

char _license[] SEC("license") = "Dual BSD/GPL";
