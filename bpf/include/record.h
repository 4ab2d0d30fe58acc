/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_RECORD_H
#define MIZAR_RECORD_H

/* What a program tells the simulator about one packet.
 *
 * Contract: written only where the load-time constant `simulated` is true; the
 * verifier deletes all of it elsewhere. One row, one packet at a time: the
 * simulator runs programs one after the other. */

#include "types.h"

#define RECORD_STAGES 32
#define RECORD_KEY 44

/* Which stage a program was in. */
enum stage {
	STAGE_NONE = 0,
	STAGE_PORT, /* whose port is it */
	STAGE_PARSE,
	STAGE_GUARD,
	STAGE_ANSWER, /* ARP and ND */
	STAGE_LOCAL, /* is the destination behind this host */
	STAGE_PATH, /* is its location learned */
	STAGE_ASK, /* which bouncer or divider to ask */
	STAGE_TUNNEL, /* outer and Geneve headers */
	STAGE_SOURCE, /* is the outer source a host of ours */
	STAGE_LEARN,
	STAGE_RELAY,
	STAGE_SEND_BACK,
	STAGE_ENCAPSULATE,
	STAGE_DELIVER,
	STAGE_NOT_HERE,
	STAGE_REFUSE, /* ICMP errors, and packets turned around with a reason */
	STAGE_GATEWAY,
	STAGE_FLOW, /* does it belong to a flow that is known */
	STAGE_JUDGE, /* what policy says */
	STAGE_SERVICE, /* is the destination a frontend, and which backend gets it */
	STAGE_TRANSLATE, /* addresses and ports are put in */
	STAGE_MAX,
};

/* Which map a row belongs to. */
enum table {
	TABLE_NONE = 0,
	TABLE_PORTS,
	TABLE_ENDPOINTS,
	TABLE_LOCALS,
	TABLE_PATHS,
	TABLE_HOSTS,
	TABLE_PEERS,
	TABLE_PEER_SLOTS,
	TABLE_UPLINKS,
	TABLE_SUBNETS,
	TABLE_VPCS,
	TABLE_DIRECTORY,
	TABLE_ROUTES,
	TABLE_BUDGETS,
	TABLE_FLOWS,
	TABLE_OPENINGS,
	TABLE_SHARES,
	TABLE_FRAGMENTS,
	TABLE_POLICY_SETS,
	TABLE_POLICY_PEERS,
	TABLE_POLICY_PREFIXES,
	TABLE_POLICY_PORTS,
	TABLE_SERVICES,
	TABLE_CHOICES,
	TABLE_BACKENDS,
	TABLE_AFFINITIES,
	TABLE_MAX,
};

enum access {
	ACCESS_NONE = 0, /* the stage was entered; no map was met */
	ACCESS_MISS,
	ACCESS_HIT,
	ACCESS_UPDATE,
	ACCESS_DELETE,
};

struct record_stage {
	__u8 stage; /* enum stage */
	__u8 table; /* enum table */
	__u8 access; /* enum access */
	__u8 pad;
	__u8 key[RECORD_KEY]; /* first bytes of the key */
};

struct record {
	__u32 verdict; /* enum verdict */
	__u32 reason; /* enum drop_reason */
	__u32 ifindex; /* device the packet goes out of; 0: none */
	__u32 stages; /* rows of stage[] in use */
	__u32 hash_lookups;
	__u32 array_lookups;
	__u32 updates;
	__u32 rule[2]; /* by enum direction: which one judged the packet; 0: none did */
	__u8 judged[2]; /* by enum direction: enum policy_verdict */
	__u8 pad[2];
	struct record_stage stage[RECORD_STAGES];
};

/* What a program is told by the simulator. */
struct virtual_clock {
	__u64 now; /* ns */
};

#endif
