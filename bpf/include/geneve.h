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
 *  |     flags     |  relay limit  |            reserved           |
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
 *  not-here (52 bytes, type 4, len 12, critical), host to source host: your row
 *  is stale. Quotes the inner tuple, and the new identity where known:
 *  +-----------------------------------------------+---------------+
 *  |        new identity, 0: unknown               |  generation   |
 *  +---------------+---------------+---------------+---------------+
 *  |   protocol    |   family      |           reserved            |
 *  +---------------+---------------+-------------------------------+
 *  |         source port           |       destination port        |
 *  +-------------------------------+-------------------------------+
 *  |  inner source (16)            |  inner destination (16)       |
 *  +-------------------------------+-------------------------------+
 *  |  token (4) of the packet that is answered, 0: none            |
 *  +---------------------------------------------------------------+
 *  service (24 bytes, type 5, len 5), direct server return:
 *  +-------------------------------+-------------------------------+
 *  |        frontend port          |   protocol    |   reserved    |
 *  +-------------------------------+---------------+---------------+
 *  |  frontend address (16)                                        |
 *  +---------------------------------------------------------------+
 */

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
};

struct geneve {
	__u8 version_length; /* version 2 bits, options' length in words 6 */
	__u8 flags; /* OAM 0x80, critical 0x40 */
	__be16 protocol;
	__be32 vni; /* 24 bits, then 8 reserved */
};

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
#define RELAY_LIMIT 4

struct option_return {
	struct geneve_option head;
	__u8 flags;
	__u8 limit;
	__be16 reserved;
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
	__be32 identity;
	__u8 protocol;
	__u8 family; /* 4 or 6 */
	__be16 reserved;
	__be16 sport;
	__be16 dport;
	__u8 source[16];
	__u8 destination[16];
	__be32 token;
};

struct option_service {
	struct geneve_option head;
	__be16 port;
	__u8 protocol;
	__u8 reserved;
	__u8 frontend[16];
};

_Static_assert(sizeof(struct geneve) == 8, "");
_Static_assert(sizeof(struct option_identity) == 8, "");
_Static_assert(sizeof(struct option_return) == 28, "");
_Static_assert(sizeof(struct option_send_back) == sizeof(struct option_return), "");
_Static_assert(sizeof(struct option_not_here) == 52, "");
_Static_assert(sizeof(struct option_service) == 24, "");

#endif
