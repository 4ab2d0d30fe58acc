/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_TYPES_H
#define MIZAR_TYPES_H

/* The rows of all maps, and what the simulator is told.
 *
 * Contract: keys have no implicit padding; addresses are 16 bytes in network
 * order, IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2), so that one table serves
 * both families. Numbers are in host order unless a comment says otherwise.
 * Go reads these types through bpf2go; nothing repeats them. */

#include <linux/types.h>
#include <stdbool.h>

#define ETH_LEN 6
#define MAX_ROLES 8   /* bouncers of a subnet, dividers of a VPC */
#define MAX_HOSTS 16384
#define MAX_SUBNETS 16384
#define MAX_ENDPOINTS 4096 /* behind one host */
#define MAX_PORTS 65536    /* slots of ports, a power of two */
#define PEER_SLOTS 16384   /* a power of two, one for each host of a dense network */

struct mac {
	__u8 octet[ETH_LEN];
};

/* An address inside a VPC. */
struct addr_key {
	__u32 vni;
	__u8 addr[16];
};

/* An address of the underlay. */
struct underlay_key {
	__u8 addr[16];
};

/* A prefix inside a VPC. prefixlen counts the VNI's 32 bits and, for IPv4, the
 * 96 bits of ::ffff:0:0/96. vni is in network order (it is matched as bits). */
struct prefix_key {
	__u32 prefixlen;
	__u32 vni;
	__u8 addr[16];
};

/* ports[ifindex & (MAX_PORTS - 1)]: whose port a device is. The row counts
 * only if ifindex is the device's. */
struct port {
	__u32 ifindex;
	__u32 endpoint; /* index in endpoints */
};

/* Where delivery puts a frame. */
struct door {
	__u32 ifindex; /* the endpoint's port */
	struct mac mac; /* the endpoint's */
	struct mac gateway; /* whom the endpoint takes it to be from */
};

/* endpoints[index]: an endpoint behind this host. */
struct endpoint {
	__u32 vni; /* 0: no such endpoint */
	__u32 subnet; /* index in subnets */
	__u32 identity; /* 24 bits */
	__u8 v4[4]; /* own addresses; all zero: none of that family */
	__u8 mask4[4]; /* of the subnet */
	__u8 v6[16];
	__u8 mask6[16];
	struct door door;
	__u8 generation;
	__u8 self; /* 1: the host itself */
	__u8 keep; /* 1: flows that were accepted once go on, whatever policy says now */
	__u8 served; /* 1: its VPC has, or had, services */
	__u32 set[2]; /* by enum direction: the number of its policy set; 0: not isolated */
};

/* locals[(vni, addr)]: addresses of the endpoints behind this host. The door
 * stands here once more, so that delivery meets one row. */
struct local {
	__u32 endpoint; /* index in endpoints */
	struct door door;
	__u8 generation; /* of the address's user; 1 to 255 */
	__u8 pad[3];
};

enum path_state {
	PATH_ASKED = 1, /* sent to a bouncer, not yet answered */
	PATH_LEARNED = 2, /* send directly to host */
	PATH_LOCAL = 3, /* behind this host */
	PATH_OUTSIDE = 4, /* in no subnet of the VPC, whose endpoints may leave it */
};

/* paths[(vni, addr)]: where an address was learned to be (LRU). It is the one
 * row that every later packet meets, so addresses behind this host have one too;
 * such a row counts only while the endpoint still has the address. */
struct path {
	__u32 host; /* index in hosts; LOCAL: in endpoints */
	__u32 identity;
	__u32 token; /* ASKED: what the answer must quote;
		      * LEARNED: what it has quoted, with tell set: what to quote */
	__u8 state; /* enum path_state */
	__u8 generation;
	__u8 tell; /* 1: say where we are with the next packet */
	__u8 pad;
	__u64 since; /* coarse ns of the last change */
};

/* hosts[index]: another host of the underlay and how to get there; row 0 is
 * this host itself. */
struct host {
	__u8 addr[16];
	__u8 source[16]; /* our address of the same family */
	struct mac next_hop;
	struct mac uplink; /* our MAC */
	__u32 ifindex; /* our uplink; 0: no such host */
	__u32 seed; /* what rendezvous hashing knows the host by */
	__u16 mtu; /* largest outer IP packet that gets there, as far as we know */
	__u16 link_mtu; /* the largest that leaves here */
	__u16 vlan; /* 0: untagged */
	__u16 checksum; /* IPv4 header sum over the fields that never change */
	__u8 family; /* 4 or 6, of addr */
	__u8 down; /* 1: nothing is heard of it; it is asked last */
	__u8 pad[2];
	__u32 epoch; /* another one whenever something that was learned of it changes */
	__u32 lowered; /* coarse seconds when mtu was lowered below link_mtu */
};

/* peers[addr]: hosts that tunnel packets are taken from. */
struct peer {
	__u32 host; /* index in hosts */
};

/* peer_slots[hash of addr]: the same for most of them in one array lookup. The
 * row counts only if addr is the source's; peers has those that found their slot
 * taken. */
struct peer_slot {
	__u8 addr[16];
	__u32 host; /* 0: empty */
};

/* uplink[0]: what of the underlay is ours. */
struct uplink {
	__u8 v4[16]; /* as IPv4-mapped; all zero: none */
	__u8 v6[16];
	__u16 vlan;
	__u16 outside[2]; /* of IPv4, of IPv6: index in hosts of the way to the outside; 0:
			   * there is none */
	__u8 serves; /* 1: services has frontends that the outside comes to */
	__u8 pad;
	__u16 port; /* the first of those that endpoints leave by, in host order */
	__u16 ports; /* how many there are; 0: none */
	__u16 mtu; /* of endpoints here; 0: there are none */
};

struct roles {
	__u32 count;
	__u32 host[MAX_ROLES]; /* indexes in hosts, in order of their names */
};

enum bouncer {
	BOUNCER_NONE = 0,
	BOUNCER_FILLING, /* this host is one, but its directory is not complete */
	BOUNCER_COMPLETE,
};

/* subnets[index]. */
struct subnet {
	__u32 vni; /* 0: no such subnet */
	__u8 bouncer; /* enum bouncer */
	__u8 pad[3];
	__u8 gateway4[4];
	__u8 gateway6[16];
	struct roles bouncers; /* 0 in host[] is this host */
};

/* vpcs[vni]. */
struct vpc {
	__u8 divider; /* 1: this host holds all routes of it */
	__u8 leaves; /* 1: what is in none of its subnets is outside, and is reached by SNAT */
	__u8 pad[2];
	struct roles dividers;
};

/* directory[(vni, addr)]: location of every endpoint address of the subnets
 * that this host is a bouncer of. */
struct location {
	__u32 host; /* index in hosts */
	__u32 identity;
	__u32 subnet;
	__u8 generation;
	__u8 pad[3];
};

/* routes[prefix]: subnets that this host bounces, and all of those VPCs that it
 * divides. */
struct route {
	__u32 subnet; /* index in subnets */
};

/* budgets[index in endpoints]: when the next ICMP error, the next question and the
 * next new flow would be due at the endpoint's rate, in coarse ns (GCRA). */
struct budget {
	__u64 icmp;
	__u64 question;
	__u64 opening; /* of a flow */
};

/* Always the endpoint's. Egress is judged where the source is, before the packet
 * leaves, ingress where the destination is. */
enum direction {
	DIRECTION_EGRESS = 0,
	DIRECTION_INGRESS = 1,
};

/* A conversation in a VPC, the same in both directions: its ends stand in the
 * order of their addresses (then of ports), whoever speaks. Echoes of ICMP have
 * their identifier as the port of who asks and 0 as the other's; what has no
 * ports has zeros. */
struct flow_key {
	__u32 vni_protocol; /* VNI << 8 | protocol */
	__be16 port[2];
	__u8 addr[2][16];
};

/* One end of a flow. */
struct flow_end {
	__u32 identity; /* as packets carried it, or as it was learned; 0: none or unknown */
	__u16 endpoint; /* index in endpoints; 0: not behind this host */
	__u16 host; /* index in hosts, if that was learned; 0: it was not */
	__u16 epoch; /* of the host, its lower half, when that was learned */
	__u8 generation; /* of the address's user */
	__u8 closed; /* 1: it has sent a FIN */
};

/*            ┌─ reply ────────────────────────┐
 *   OPENING ─┤ TCP: SYN-ACK ► REPLIED ─ ACK ──┴► ESTABLISHED ─ FIN ► CLOSING
 *                                                    └ RST, second FIN ► CLOSED
 *   any of them ─ policy refuses it now ► CUT ─ policy accepts ► ESTABLISHED
 */
enum flow_state {
	FLOW_NONE = 0,
	FLOW_OPENING, /* one side has spoken */
	FLOW_REPLIED, /* TCP: SYN and SYN-ACK were seen */
	FLOW_ESTABLISHED,
	FLOW_CLOSING, /* TCP: one side has closed */
	FLOW_CLOSED, /* TCP: both have, or one has reset it */
	FLOW_CUT, /* policy has changed and refuses it */
	FLOW_CHOSEN, /* its translation is known, and nothing else: it is not judged yet */
};

/* A flow to a frontend has two rows at its opener's host, each with the other's view:
 * what goes to the frontend meets (opener, frontend), what comes back meets (opener,
 * backend), which is the flow as everybody else sees it, and has all that is known of
 * its state; the former follows it. */
enum translation {
	TRANSLATION_NONE = 0,
	TRANSLATION_TO, /* what the opener sends goes to addr and port, the backend's */
	TRANSLATION_FROM, /* what the opener gets comes from addr and port, the frontend's */
	TRANSLATION_OUTSIDE, /* the same, and he is outside: it leaves without a tunnel */
	TRANSLATION_SOURCE, /* what the opener sends comes from addr and port, the host's, and
			     * leaves without a tunnel */
	TRANSLATION_FACE, /* the same flow as the outside sees it, in no VPC: what comes goes
			   * to addr and port, the opener's, in the VPC set[0] */
};

/* Beside the translation of a packet that is handed over: its sender gets it himself,
 * being the backend. He takes himself for the frontend's address then. */
#define TRANSLATION_SELF (1 << 7)

/* openings[key]: flows in which one side has spoken (LRU: new ones drive out old
 * ones). flows[key]: those in which both have; nothing drives them out. */
struct flow {
	__u32 seen; /* coarse seconds of the last packet, a few seconds coarse */
	__u32 tick; /* when that was written, in the unit of tick() */
	__u8 opener; /* which end opened it */
	__u8 state; /* enum flow_state */
	__u8 quick; /* bit n: packets of end n change nothing, but for TCP's flags */
	__u8 translation; /* enum translation */
	__u16 charged; /* index in endpoints of whose share it is */
	__be16 port; /* with addr: what the translation puts in */
	__u32 set[2]; /* by enum direction: the sets that accepted it; 0: none */
	__u32 rule[2]; /* by enum direction: the rules that did */
	__u8 addr[16];
	struct flow_end end[2];
};

/* shares[index in endpoints]: what an endpoint has of flows. Less than nothing where flows
 * that came from another host have gone before the agent has counted them. */
struct share {
	__s32 flows;
};

/* fragments[key]: what the fragments of a packet have in common (LRU). */
struct fragment_key {
	struct addr_key source;
	__u8 destination[16];
	__be32 id;
	__u32 protocol;
};

struct fragmented {
	__u32 since; /* coarse seconds when that was written */
	__u32 host; /* index in hosts: who gets them */
	__u32 identity; /* LEARNED: the destination's */
	__u32 token; /* ASKED: what they ask with */
	__be16 from; /* ports of the first one, if it has come */
	__be16 to;
	__u8 state; /* enum path_state: how they go; 0: that is not decided here */
	__u8 generation;
	__u8 flags; /* ASKED: of the question */
	__u8 begun; /* 1: the first one has come, and was accepted */
};

enum policy_verdict {
	POLICY_NONE = 0, /* the class says it */
	POLICY_ACCEPT,
	POLICY_DENY,
	POLICY_AUDIT, /* accept, and count what would have been denied */
};

/* What a policy says. Of two judgements that meet a packet the one with the lower
 * rank decides. */
struct judgement {
	__u32 word; /* rank << 2 | enum policy_verdict; of a class: where it has rows */
	__u32 of; /* number of the rule; of the port class where the verdict is NONE */
};

/* Where a port class has rows, above the two bits of the verdict, which is NONE. */
enum class_rows {
	CLASS_SINGLES = 1 << 2, /* ports by themselves, in policy_peers */
	CLASS_RANGES = 1 << 3, /* in policy_ports */
};

#define SETS 16384 /* a power of two */

/* sets[number & (SETS - 1)]: all that policies say of an endpoint in a direction.
 * A set that says something else is another one, and has another number. */
struct policy_set {
	__u32 number; /* 0: no such set */
	__u8 peers; /* 1: it has rows in policy_peers */
	__u8 prefixes; /* 1: it has rows in policy_prefixes */
	__u8 pad[2];
	struct judgement fallback; /* of what no row judges */
};

#define SINGLE_PORT (1U << 31) /* is in no identity: they have 24 bits */

/* policy_peers[(set, identity)], and for the ports that a class names one by one
 * policy_peers[(class, SINGLE_PORT | protocol << 16 | port)]: they are most of what
 * policies say of ports, and a hash finds them sooner than a trie. */
struct policy_peer_key {
	__u32 set;
	__u32 identity;
};

/* policy_prefixes[prefix]: prefixlen counts the set's 32 bits and, for IPv4, the
 * 96 bits of ::ffff:0:0/96. set is in network order; multiples of SETS, which are no
 * numbers of policy sets, are of source ranges. */
struct policy_prefix_key {
	__u32 prefixlen;
	__be32 set;
	__u8 addr[16];
};

/* policy_ports[prefix]: ranges, for what a class does not name by itself. prefixlen
 * counts the class's 32 bits, the protocol's 8, the 8 zeros and those of the port; 32
 * alone: whatever has no other row. Numbers are in network order. */
struct policy_port_key {
	__u32 prefixlen;
	__be32 class;
	__u8 protocol;
	__u8 pad;
	__be16 port;
};

/* services[key]: a frontend; port and protocol 0: an address that has some. Those of VNI 0
 * are the outside's, which comes to them at the uplink. */
struct service_key {
	__u32 vni;
	__u8 addr[16];
	__be16 port;
	__u8 protocol;
	__u8 pad;
};

struct service {
	__u32 first; /* index in choices of where its places begin */
	__u32 places; /* that flows choose from; 0: it has no backend */
	__u32 backends; /* index in backends of the first of its own */
	__u32 number; /* of services with affinity; of an outside frontend: the set in
		       * policy_prefixes that its clients are in, a multiple of SETS;
		       * others have 0 */
	__u32 affinity; /* seconds that a client keeps a backend after its last new flow; 0: none */
	__u32 vni; /* of an outside frontend: its backends' */
};

/* In the place of the VNI in a key of services: the rest is a backend of the service of
 * that number, which has affinity. */
#define BACKEND_OF (1U << 31)

/* affinities[key]: which backend a client has of a service (LRU). */
struct affinity_key {
	__u32 service; /* its number */
	__u8 addr[16]; /* the client's */
};

struct affinity {
	__u32 since; /* coarse seconds of its last new flow */
	__be16 port; /* the backend's */
	__u8 pad[2];
	__u8 addr[16];
};

#define PLACES 32 /* in a row, a power of two */

/* choices[index]: places of a service; each counts from the first of its backends. */
struct choices {
	__u16 backend[PLACES];
};

/* backends[index]: what stands behind services. */
struct backend {
	__u8 addr[16];
	__be16 port;
	__u16 host; /* where it is, for the outside: index in hosts; 0: behind this one */
	__u8 generation; /* of the address's user */
	__u8 pad[3];
};

/* What a packet has to do with flows. */
enum belongs {
	BELONGS_FLOW = 0, /* to the flow of its own key */
	BELONGS_ALONE, /* to none: it is judged by itself */
	BELONGS_QUOTED, /* an ICMP error: to the flow that it quotes, if there is one */
	BELONGS_FRAGMENT, /* a later fragment whose first one is not known */
};

/* Indexes of what `tracked` knows of both ends. */
enum role {
	ROLE_SOURCE = 0,
	ROLE_DESTINATION = 1,
};

/* An address and a port that are put in by a translation. */
struct turn {
	__u8 addr[16];
	__be16 port;
	__u8 translation; /* enum translation */
	__u8 pad[5];
};

#define LEAVES_PERHAPS 1 /* it is in no subnet of the VPC, which this host divides */
#define LEAVES_JUDGED 2 /* policy has judged it */

/* tracked[0], per CPU: a packet whose flow has to be looked at closely. */
struct tracked {
	struct flow_key key; /* of the packet itself */
	struct flow_key quoted; /* BELONGS_QUOTED */
	__u32 endpoint[2]; /* by enum role; 0: not behind this host */
	__u32 identity[2];
	__u32 host[2]; /* where it was learned to be */
	__u16 epoch[2];
	__u8 generation[2];
	__u8 side; /* which end of the key the source is */
	__u8 known; /* 1: the destination's identity is */
	__u8 flags; /* TCP's */
	__u8 belongs; /* enum belongs */
	__u8 own[2]; /* by enum direction: the role of the end whose policy it is */
	__u8 changed; /* 1: an end is not who it was */
	__u8 doubt; /* 1: who the destination is will be found out by asking */
	__u8 unopened; /* 1: no flow of the key is known */
	__u8 follows; /* 1: another fragment of the packet has gone before, and decided */
	__u8 led; /* 1: parts has changed */
	__u8 fresh; /* 1: its endpoint has just sent it; 0: it may be translated already */
	__u8 translation; /* enum translation: what the packet undergoes before it goes on */
	__u8 view_side; /* TO: which end of view the source is */
	__u8 settled; /* 1: the flow's row is in flows */
	__u8 self; /* 1: its sender gets it himself */
	__u8 turns_outer; /* of an error: 1: it is from, or for, the end that is translated */
	__u8 leaves; /* LEAVES_*, should it turn out to */
	struct fragmented parts; /* of a fragment */
	__u32 bytes;
	__u32 length; /* bytes from the transport header on; 0: in fragments */
	__u32 judge[2]; /* by enum direction: the set that has to judge it; 0: none */
	__u32 heard; /* what was learned of who opened the flow, who has said something else; or 0 */
	__u64 learned; /* coarse ns when it was who the destination is; 0: long ago */
	struct flow row; /* that is being made */
	struct turn turn; /* of the flow's row: the frontend */
	struct turn backend; /* TO: where it goes */
	struct flow_key view; /* TO: as its endpoint sends it */
	struct service_key service; /* for a lookup */
	struct affinity_key client; /* for a lookup */
	struct affinity affinity;
	struct policy_prefix_key prefix; /* for a lookup */
	struct policy_port_key port;
	struct policy_peer_key peer;
	struct policy_peer_key single;
	struct fragment_key fragment;
};

_Static_assert(sizeof(struct flow_key) == 40, "");
_Static_assert(sizeof(struct flow) == 72, "");
_Static_assert(MAX_ENDPOINTS < 1 << 16 && MAX_HOSTS < 1 << 16, "indexes in rows of flows");
_Static_assert(sizeof(struct fragment_key) == 44, "");
_Static_assert(sizeof(struct fragmented) == 24, "");

/* Slots of programs. */
enum program {
	PROGRAM_TURN = 0,
	PROGRAM_RETRY,
	PROGRAM_TELL,
	PROGRAM_ADMIT,
	PROGRAM_COURSE,
	PROGRAM_FRAGMENT,
	PROGRAM_SERVICE,
	PROGRAM_OUTSIDE,
	PROGRAM_DEPART,
	PROGRAM_MAX,
};

/* handed[0], per CPU: what uplink or endpoint has found out about a packet when it
 * hands it over. Addresses and ports are in network order, `l4` is bytes from the
 * packet's beginning. What stands after fragment_id is of packets of the tunnel. */
struct handed {
	struct addr_key source;
	struct addr_key destination;
	__be16 sport;
	__be16 dport;
	__u16 l3_length;
	__u16 ethertype;
	__u16 l4; /* 0: none */
	__u16 length; /* bytes before the inner Ethernet header */
	__u8 protocol;
	__u8 fragment;
	__u8 tos;
	__u8 ttl;
	__u32 endpoint; /* who sent it, index in endpoints; of no packet of the tunnel */
	__be32 fragment_id;
	__u8 unopened; /* 1: no flow of its own key is known */
	__u8 translation; /* TO: destination and dport are a backend's; OUTSIDE: it is for
			   * somebody there; TRANSLATION_SELF */
	__u8 leaves; /* LEAVES_*: of what may leave for the outside */
	__u8 pad;
	__u32 identity;
	__u32 peer;
	__u8 generation;
	__u8 outer_tos;
	__u8 type; /* of the option */
	__u8 flags;
	__u8 limit;
	__u8 source_generation;
	__u8 pad2[2];
	__u32 found;
	__u32 token;
	__u8 host[16];
};

/* drops[reason] and verdicts[verdict], per CPU. */
struct count {
	__u64 packets;
	__u64 bytes;
};

#endif
