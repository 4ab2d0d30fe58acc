/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_GENEVE_H
#define MIZAR_GENEVE_H

/* Geneve (RFC 8926) as Mizar speaks it, and the layout of all its options.
 *
 * Contract: UDP port 6081, protocol 0x6558 (inner Ethernet), outer UDP checksum
 * zero in both families (RFC 6935, RFC 6936), outer DF set. The identity option
 * stands first in every packet. Unknown options are skipped, unknown critical
 * ones dropped. All numbers are in network order.
 *
 *   0                   1                   2                   3
 *   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *  +---+-----------+-+-+-----------+-------------------------------+
 *  |Ver|  Opt Len  |O|C|   Rsvd    |       protocol = 0x6558       |
 *  +---+-----------+-+-+-----------+---------------+---------------+
 *  |            VNI                                |     Rsvd      |
 *  +-----------------------------------------------+---------------+
 *  identity (8 bytes), always:
 *  +-------------------------------+-+-------------+-----+---------+
 *  |         class = 0xff4d        |0|  type = 1   | 0   | len = 1 |
 *  +-------------------------------+-+-------------+-----+---------+
 *  |        identity of the source                 | generation of |
 *  |                                               | destination   |
 *  +-----------------------------------------------+---------------+
 *  return-to-sender (28 bytes, type 2, len 6), while a bouncer or divider is in
 *  the way, and in the first direct packet of the other side (flag ANSWER):
 *  +---------------+---------------+-------------------------------+
 *  |     flags     |  relay limit  | generation of |   reserved    |
 *  |               |               | the source    |               |
 *  +---------------+---------------+-------------------------------+
 *  |  token: chosen by the asking host, quoted by who answers      |
 *  +---------------------------------------------------------------+
 *  |  underlay address of the source host (16, IPv4 mapped)        |
 *  +---------------------------------------------------------------+
 *  send-back (28 bytes, type 3, len 6), bouncer to source host:
 *  +-----------------------------------------------+---------------+
 *  |        identity of the destination            |  generation   |
 *  +-----------------------------------------------+---------------+
 *  |  token                                                        |
 *  +---------------------------------------------------------------+
 *  |  underlay address of the destination's host (16)              |
 *  +---------------------------------------------------------------+
 *  not-here (28 bytes, type 4, len 6, critical), to the host that sent the packet,
 *  with the packet: your row is stale:
 *  +---------------------------------------------------------------+
 *  |  zero (24)                                                    |
 *  +---------------------------------------------------------------+
 *  refusal (28 bytes, type 6, len 6, critical), bouncer or divider to the source
 *  host, with the packet: it goes nowhere:
 *  +---------------+---------------+-------------------------------+
 *  | drop reason   |   reserved    |  MTU that would fit, or 0     |
 *  +---------------+---------------+-------------------------------+
 *  |  token                                                        |
 *  +---------------------------------------------------------------+
 *  |  zero (16)                                                    |
 *  +---------------------------------------------------------------+
 *  service (28 bytes, type 5, len 6), with what the outside has sent to a frontend, to
 *  the host of the backend, which answers by itself (direct server return):
 *  +-------------------------------+-------------------------------+
 *  |        frontend port          |   protocol    |   reserved    |
 *  +-------------------------------+---------------+---------------+
 *  |  zero                                                         |
 *  +---------------------------------------------------------------+
 *  |  frontend address (16)                                        |
 *  +---------------------------------------------------------------+
 */

#include <bpf/bpf_endian.h>

#include "types.h"

#define GENEVE_PORT 6081
#define GENEVE_ETHERNET 0x6558
#define GENEVE_CLASS 0xff4d /* of the experimental range 0xff00-0xffff */
#define GENEVE_CRITICAL 0x80

enum geneve_type {
	GENEVE_IDENTITY = 1,
	GENEVE_RETURN = 2,
	GENEVE_SEND_BACK = 3,
	GENEVE_NOT_HERE = 4 | GENEVE_CRITICAL,
	GENEVE_SERVICE = 5,
	GENEVE_REFUSAL = 6 | GENEVE_CRITICAL,
};

struct geneve {
	__u8 version_length; /* version 2 bits, options' length in words 6 */
	__u8 flags; /* OAM 0x80, critical 0x40 */
	__be16 protocol;
	__be32 vni; /* 24 bits, then 8 reserved */
};

/* Of a header's first word: version 0, no OAM, Ethernet inside; critical or not, and
 * whatever is reserved. */
#define GENEVE_KEPT bpf_htonl(0xc080ffff)
#define GENEVE_LIKE bpf_htonl(GENEVE_ETHERNET)
/* The identity's head, reserved bits aside. */
#define IDENTITY_KEPT bpf_htonl(0xffffff1f)
#define IDENTITY_LIKE bpf_htonl((__u32)GENEVE_CLASS << 16 | GENEVE_IDENTITY << 8 | 1)

#define GENEVE_OAM 0x80
#define GENEVE_HAS_CRITICAL 0x40

struct geneve_option {
	__be16 class;
	__u8 type;
	__u8 length; /* 3 bits reserved, 5 bits words that follow */
};

struct option_identity {
	struct geneve_option head;
	__be32 identity; /* identity << 8 | generation */
};

#define RETURN_ANSWER 0x01 /* quotes the token of the one it answers */
#define RETURN_SEND_BACK 0x02 /* send it back with the location instead */
#define RETURN_JUDGE 0x04 /* … by the destination's own host too: it is not judged yet */
#define RELAY_LIMIT 4

struct option_return {
	struct geneve_option head;
	__u8 flags;
	__u8 limit;
	__u8 generation; /* of the inner source */
	__u8 reserved;
	__be32 token;
	__u8 host[16];
};

struct option_send_back {
	struct geneve_option head;
	__be32 identity;
	__be32 token;
	__u8 host[16];
};

struct option_not_here {
	struct geneve_option head;
	__u8 zero[24];
};

struct option_refusal {
	struct geneve_option head;
	__u8 reason; /* enum drop_reason */
	__u8 reserved;
	__be16 mtu; /* of the inner IP packet */
	__be32 token;
	__u8 zero[16];
};

struct option_service {
	struct geneve_option head;
	__be16 port;
	__u8 protocol;
	__u8 reserved;
	__u8 zero[4];
	__u8 frontend[16];
};

_Static_assert(sizeof(struct geneve) == 8, "");
_Static_assert(sizeof(struct option_identity) == 8, "");
_Static_assert(sizeof(struct option_return) == 28, "");
_Static_assert(sizeof(struct option_send_back) == sizeof(struct option_return), "");
_Static_assert(sizeof(struct option_not_here) == sizeof(struct option_return), "");
_Static_assert(sizeof(struct option_refusal) == sizeof(struct option_return), "");
_Static_assert(sizeof(struct option_service) == sizeof(struct option_return), "");

#endif
