/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_CLOCK_H
#define MIZAR_CLOCK_H

/* Time in nanoseconds, a few milliseconds coarse: the kernel's monotonic clock,
 * or the simulator's. Asked only where something changes. */

#include "table.h"

#define SECOND 1000000000ULL

static __always_inline __u64 now(void)
{
	if (simulated)
		return virtual_now();
	return bpf_ktime_get_coarse_ns();
}

/* A clock that costs a load, for "not written within the last second or so": 1,024
 * ticks of the kernel (1 s at 1000 Hz, 4 s at 250 Hz), or 1.07 s of the simulator. */
static __always_inline __u32 tick(void)
{
	if (simulated)
		return virtual_now() >> 30;
	return bpf_jiffies64() >> 10;
}

#endif
