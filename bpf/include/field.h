/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_FIELD_H
#define MIZAR_FIELD_H

/* Fields of a hook's context, and distances in a packet.
 *
 * Contract: hook_ctx is the context's type by the time the macro is used. */

/* A field of the context. The compiler would otherwise merge loads of several
 * fields into one with a changed pointer, which the verifier refuses. */
#define HOOK_FIELD(ctx, field)                                                      \
	({                                                                          \
		__u64 value;                                                        \
		asm volatile("%0 = *(u32 *)(%1 + %2)"                               \
			     : "=r"(value)                                          \
			     : "r"(ctx), "i"(__builtin_offsetof(hook_ctx, field))); \
		value;                                                              \
	})

/* Bytes from one place in a packet to another. The verifier knows nothing of the
 * result, and takes no difference of pointers in 32 bits, which the compiler would
 * make of it. */
static __always_inline __u32 distance(const void *from, const void *to)
{
	__u64 bytes = to - from;

	asm volatile("" : "+r"(bytes));
	return bytes;
}

/* A number that the verifier can follow: the compiler may not see through this,
 * and so may not leave the mask out. */
static __always_inline __u32 bounded(__u32 length, __u32 mask)
{
	asm volatile("" : "+r"(length));
	return length & mask;
}

#endif
