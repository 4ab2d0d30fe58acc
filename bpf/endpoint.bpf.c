//go:build ignore

/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#include "include/config.h"
#include "include/geneve.h"
#include "include/maps.h"

/* The C of this program is being written; the interface (maps, types,
 * constants, program name) is final. */
SEC("xdp.frags")
int endpoint(struct xdp_md *ctx)
{
	__u32 zero = 0;
	(void)ctx;
#define T(m) if (!bpf_map_lookup_elem(&m, &zero)) return XDP_DROP;
	T(ports) T(endpoints) T(hosts) T(uplinks) T(subnets) T(vpcs) T(drops) T(verdicts) T(records) T(virtuals)
	if (simulated && token_secret) return XDP_DROP;
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
