/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_ADDRESS_H
#define MIZAR_ADDRESS_H

/* Addresses of 16 and 6 bytes: compare, copy, map.
 *
 * Contract: in packets and rows they may stand at any offset (the kernels that
 * run these programs read and write unaligned words there), on the stack at a
 * multiple of four. Words are accessed whole: through a packed type the
 * compiler would take them apart into bytes. */

#include <linux/types.h>
#include <bpf/bpf_endian.h>

#include "types.h"

#define MAPPED_PREFIX bpf_htonl(0x0000ffff)

static __always_inline __u16 load16(const void *from)
{
	return *(const __u16 *)from;
}

static __always_inline __u32 load32(const void *from)
{
	return *(const __u32 *)from;
}

static __always_inline __u64 load64(const void *from)
{
	return *(const __u64 *)from;
}

/* What two addresses differ in, under a mask; 0: nothing. */
static __always_inline __u32 addr_differ(const void *a, const void *b, const void *mask)
{
	return ((load32(a) ^ load32(b)) & load32(mask)) |
	       ((load32(a + 4) ^ load32(b + 4)) & load32(mask + 4)) |
	       ((load32(a + 8) ^ load32(b + 8)) & load32(mask + 8)) |
	       ((load32(a + 12) ^ load32(b + 12)) & load32(mask + 12));
}

static __always_inline bool addr_equal(const void *a, const void *b)
{
	return !((load64(a) ^ load64(b)) | (load64(a + 8) ^ load64(b + 8)));
}

/* An address in two words, for where it is compared and nothing else. */
struct addr_words {
	__u64 high, low;
};

static __always_inline struct addr_words addr_words(const void *a)
{
	return (struct addr_words){load64(a), load64(a + 8)};
}

static __always_inline struct addr_words addr_words_mapped(__be32 v4)
{
	return (struct addr_words){0, (__u64)v4 << 32 | MAPPED_PREFIX};
}

/* `row` is of a map or a packet: such words need no alignment. */
static __always_inline bool addr_is(struct addr_words a, const void *row)
{
	return !((load64(row) ^ a.high) | (load64(row + 8) ^ a.low));
}

static __always_inline bool addr_zero(const void *a)
{
	return !(load64(a) | load64(a + 8));
}

static __always_inline void addr_copy(void *to, const void *from)
{
	__u32 *word = to;

	word[0] = load32(from);
	word[1] = load32(from + 4);
	word[2] = load32(from + 8);
	word[3] = load32(from + 12);
}

/* The same to an address that lies at a multiple of 8. */
static __always_inline void addr_take(void *to, const void *from)
{
	__u64 *word = to;

	word[0] = load64(from);
	word[1] = load64(from + 8);
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
	return load32(a) == load32(b) && load16(a + 4) == load16(b + 4);
}

static __always_inline void mac_copy(void *to, const void *from)
{
	*(__u32 *)to = load32(from);
	*(__u16 *)(to + 4) = load16(from + 4);
}

#endif
