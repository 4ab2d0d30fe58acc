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

#endif
