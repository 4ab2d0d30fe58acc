/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_CRC_H
#define MIZAR_CRC_H

/* What SCTP's checksum (CRC32c; RFC 9260, appendix A) changes by when the ports do.
 *
 * Contract: a CRC is linear: it changes by the CRC of the change alone, which is the
 * change times x^(8 × length), modulo the polynomial. So the rest of the packet is not
 * read. Bits are reflected: the highest of a word is x^0. */

#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#define CRC32C 0x82f63b78

/* `word` if the bit is 1, else 0; by a product, because the verifier follows a mask of all
 * bits or none in two ways, each time. */
static __always_inline __u32 if_bit(__u32 bit, __u32 word)
{
	asm volatile("" : "+r"(bit));
	return bit * word;
}

/* The product of two polynomials. Functions of their own: they are verified once. */
__noinline __u32 crc_multiply(__u32 a, __u32 b)
{
	__u32 product = 0;

	for (int i = 0; i < 32; i++) {
		product ^= if_bit(a >> 31, b);
		a <<= 1;
		b = b >> 1 ^ if_bit(b & 1, CRC32C);
	}
	return product;
}

/* x^(8 × 2^n), for each bit n of a length. */
static const __u32 crc_powers[] = {
	0x00800000, 0x00008000, 0x82f63b78, 0x6ea2d55c, 0x18b8ea18, 0x510ac59a,
	0xb82be955, 0xb8fdb1e7, 0x88e56f72, 0x74c360a4, 0xe4172b16, 0x0d65762a,
	0x35d73a62, 0x28461564, 0xbf455269, 0xe2ea32dc,
};

/* What the checksum changes by, as it stands in the packet, when the first four of
 * `length` bytes change by these bits. */
__noinline __u32 crc_change(__u32 bits, __u32 length)
{
#pragma unroll
	for (int i = 0; i < 16; i++) {
		if (length >> i & 1)
			bits = crc_multiply(crc_powers[i], bits);
	}
	return bits;
}

#endif
