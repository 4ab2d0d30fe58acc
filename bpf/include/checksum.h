/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_CHECKSUM_H
#define MIZAR_CHECKSUM_H

/* The Internet checksum (RFC 1071), on 16-bit words as they stand in memory. */

#include <linux/types.h>

static __always_inline __u16 sum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* Sum over an even number of bytes, a constant. */
static __always_inline __u32 sum_words(const void *from, __u32 bytes)
{
	const __u16 *word = from;
	__u32 sum = 0;

#pragma unroll
	for (__u32 i = 0; i < bytes / 2; i++)
		sum += word[i];
	return sum;
}

/* What a sum changes by when a word of 32 bits under it becomes another one. */
static __always_inline __u64 sum_change(__u32 from, __u32 to)
{
	return (__u64)(__u32)~from + to;
}

/* Such changes in 32 bits. */
static __always_inline __u32 sum_narrow(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (sum & 0xffffffff) + (sum >> 32);
}

/* The checksum after what is under it has changed by so much. */
static __always_inline __u16 sum_adjust(__u16 check, __u64 by)
{
	__u64 sum = (__u16)~check + (by & 0xffffffff) + (by >> 32);

	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	return ~sum_fold(sum);
}

/* The checksum after one 16-bit word under it has changed (RFC 1624). */
static __always_inline __u16 sum_replace(__u16 check, __u16 from, __u16 to)
{
	return ~sum_fold((__u32)(__u16)~check + (__u16)~from + to);
}

#endif
