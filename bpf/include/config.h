/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_CONFIG_H
#define MIZAR_CONFIG_H

/* Load-time constants. The verifier deletes the branches they rule out. */

#include "types.h"

/* true: the packet's port number stands in its metadata (XDP: data_meta, one u32;
 * TCX: mark), time stands in the map `virtual`, and what is decided is written to
 * the map `record`. false: devices, the kernel's coarse clock, nothing recorded. */
volatile const bool simulated = false;

/* true: one packet may be encapsulated again and again, as benchmarks do. The
 * kernel is then not told where the inner packet begins, which it takes only
 * once; segmentation and checksums of such a packet are lost. TCX form alone. */
volatile const bool repeatable = false;

/* true: the driver of the uplink sends back out what a program returns to it with
 * XDP_TX, as those of NICs do. false: it needs a redirect (veth). uplink alone. */
volatile const bool transmits = false;

/* Flows that one endpoint may have: a quarter of the table. */
volatile const __u32 flow_share = 32768;

/* How many rows for questions an endpoint may have its host make at once; a quarter
 * of those that the map paths has room for. */
volatile const __u32 question_burst = 16384;

/* Secret that tokens are derived from; random in production. */
volatile const __u64 token_secret = 0;

#endif
