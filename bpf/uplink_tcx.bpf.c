//go:build ignore

/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */

/* The uplink's programs in their TCX form: packets have an sk_buff before they
 * are met, and the endpoint's device can gather what is delivered (GRO). It needs
 * kernel 6.6. */
#define MIZAR_HOOK_TCX
#include "uplink.bpf.c"
