/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_ADDRESS_H
#define MIZAR_ADDRESS_H

/* Addresses of 16 and 6 bytes: compare, copy, map.
 *
 * Contract: sources and targets may be unaligned (they stand in packets). */

#include <linux/types.h>
#include <bpf/bpf_endian.h>

#include "types.h"

#define MAPPED_PREFIX bpf_htonl(0x0000ffff)

/* Memory that may lie at any address. */
struct word16 {
	__u16 value;
} __attribute__((packed));
struct word32 {
	__u32 value;
} __attribute__((packed));
struct word64 {
	__u64 value;
} __attribute__((packed));

static __always_inline __u32 load32(const void *from)
{
	return ((const struct word32 *)from)->value;
}

static __always_inline __u64 load64(const void *from)
{
	return ((const struct word64 *)from)->value;
}

static __always_inline bool addr_equal(const void *a, const void *b)
{
	return load64(a) == load64(b) && load64(a + 8) == load64(b + 8);
}

static __always_inline bool addr_zero(const void *a)
{
	return !(load64(a) | load64(a + 8));
}

static __always_inline void addr_copy(void *to, const void *from)
{
	__builtin_memcpy(to, from, 16);
}

/* Writes an IPv4 address, as it stands in a packet, as ::ffff:a.b.c.d. */
static __always_inline void addr_map(__u8 *to, __be32 v4)
{
	__u32 *word = (void *)to;

	word[0] = 0;
	word[1] = 0;
	word[2] = MAPPED_PREFIX;
	word[3] = v4;
}

static __always_inline bool addr_mapped(const void *a)
{
	return !load64(a) && load32(a + 8) == MAPPED_PREFIX;
}

static __always_inline bool mac_equal(const void *a, const void *b)
{
	return load32(a) == load32(b) &&
	       ((const struct word16 *)(a + 4))->value == ((const struct word16 *)(b + 4))->value;
}

static __always_inline void mac_copy(void *to, const void *from)
{
	__builtin_memcpy(to, from, ETH_LEN);
}

#endif
