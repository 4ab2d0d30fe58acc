/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_FLOW_H
#define MIZAR_FLOW_H

/* The flow of a packet, where its row says all that there is to know: the way of
 * established packets.
 *
 * Contract: what is decided here writes nothing but the time, at most once a
 * second. A row counts only while both its ends are who they were, the sets that
 * judged it are those of today, and the far end's host is where it was learned to
 * be; everything else is for track.h. */

#include "clock.h"
#include "guard.h"
#include "table.h"

/* Types of RFC 792 and RFC 4443. */
#define ECHO_REPLY4 0
#define ECHO4 8
#define ECHO6 128
#define ECHO_REPLY6 129

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

/* The head of echoes of both families. */
struct echo {
	__u8 type;
	__u8 code;
	__u16 check;
	__be16 id;
	__be16 sequence;
};

static __always_inline __u32 other_end(__u32 end)
{
	return bounded(end ^ 1, 1);
}

/* An end of a flow; kernel 6.1 wants to see the bound of the index right here. */
static __always_inline struct flow_end *end_of(const struct flow *f, __u32 end)
{
	return (struct flow_end *)&f->end[bounded(end, 1)];
}

/* Whether a is above b in the order of flow_key, which is any. */
static __always_inline bool addr_above(const void *a, const void *b)
{
	if (load64(a) != load64(b))
		return load64(a) > load64(b);
	return load64(a + 8) > load64(b + 8);
}

/* The ports that tell an echo's flow apart; false: it is no echo. */
static __always_inline bool echo_ports(const struct echo *head, bool v4, __be16 *from, __be16 *to)
{
	*from = 0;
	*to = 0;
	if (head->type == (v4 ? ECHO4 : ECHO6)) {
		*from = head->id;
		return true;
	}
	if (head->type != (v4 ? ECHO_REPLY4 : ECHO_REPLY6))
		return false;
	*to = head->id;
	return true;
}

static __always_inline bool is_icmp(const struct pkt *p)
{
	return p->protocol == (p->ethertype == ETH_P_IP ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

static __always_inline __u8 protocol_of(const struct flow_key *key)
{
	return key->vni_protocol;
}

/* Who speaks to whom; addresses at multiples of 8. */
struct way {
	const __u8 *from, *to; /* addresses */
	__be16 sport, dport;
};

/* Writes addresses in their order and returns which end `from` is. */
static __always_inline __u32 write_addresses(struct flow_key *key, const struct way *w)
{
	bool turn =
		addr_above(w->from, w->to) || (w->sport > w->dport && addr_equal(w->from, w->to));
	const __u8 *low = turn ? w->to : w->from;
	const __u8 *high = turn ? w->from : w->to;

	addr_take(key->addr[0], low);
	addr_take(key->addr[1], high);
	return turn;
}

/* The same for IPv4, in fewer steps. What is written in words of eight bytes is read
 * in such words by the table. */
static __always_inline __u32 write_addresses4(struct flow_key *key, const struct way *w)
{
	__u32 from = load32(w->from + 12), to = load32(w->to + 12);
	bool turn = from > to || (from == to && w->sport > w->dport);
	__u64 *low = (void *)key->addr[0], *high = (void *)key->addr[1];

	low[0] = 0;
	low[1] = (__u64)(turn ? to : from) << 32 | MAPPED_PREFIX;
	high[0] = 0;
	high[1] = (__u64)(turn ? from : to) << 32 | MAPPED_PREFIX;
	return turn;
}

/* Writes addresses and ports in their order and returns which end `from` is. */
static __always_inline __u32 write_ends(struct flow_key *key, const struct way *w)
{
	bool turn = write_addresses(key, w);

	key->port[0] = turn ? w->dport : w->sport;
	key->port[1] = turn ? w->sport : w->dport;
	return turn;
}

/* The same for IPv4. */
static __always_inline __u32 write_ends4(struct flow_key *key, const struct way *w)
{
	bool turn = write_addresses4(key, w);

	key->port[0] = turn ? w->dport : w->sport;
	key->port[1] = turn ? w->sport : w->dport;
	return turn;
}

/* Writes the packet's key with these ports and returns which end the source is. */
static __always_inline __u32 flow_key(const struct pkt *p, struct flow_key *key, __be16 from,
				      __be16 to)
{
	struct way w = {p->source.addr, p->destination.addr, from, to};
	bool turn;

	key->vni_protocol = p->source.vni << 8 | p->protocol;
	turn = p->ethertype == ETH_P_IP ? write_ends4(key, &w) : write_ends(key, &w);
	return forget(turn, p->l3_length) & 1;
}

/* The same for a key that is looked up at once. A hash reads it in words of four bytes:
 * one that was written in halves is not to be had before both are in the cache. */
static __always_inline __u32 quick_key(const struct pkt *p, struct flow_key *key, __be16 from,
				       __be16 to)
{
	struct way w = {p->source.addr, p->destination.addr, from, to};
	bool turn;

	key->vni_protocol = p->source.vni << 8 | p->protocol;
	turn = p->ethertype == ETH_P_IP ? write_addresses4(key, &w) : write_addresses(key, &w);
	*(__u32 *)key->port = turn ? (__u32)from << 16 | to : (__u32)to << 16 | from;
	return forget(turn, p->l3_length);
}

/* TCP's flags; false: they lie behind the packet's first part. */
static __always_inline bool tcp_flags(const struct pkt *p, __u8 *flags)
{
	struct cursor c = {.pos = p->l4, .end = hook_end(p->ctx)};
	struct tcphdr *tcp = take(&c, sizeof(*tcp));

	if (!tcp)
		return false;
	*flags = ((__u8 *)tcp)[13];
	return true;
}

/* A packet that need not change the state of its flow, and the key of that. */
static __always_inline bool is_quick(const struct pkt *p, struct flow_key *key, __u32 *side)
{
	__be16 from = p->sport, to = p->dport;
	__u8 flags = 0;

	if (p->fragment != FRAGMENT_NONE)
		return false;
	if (p->protocol == IPPROTO_TCP) {
		if (!p->l4 || !tcp_flags(p, &flags) || flags & (TCP_SYN | TCP_FIN | TCP_RST))
			return false;
	} else if (is_icmp(p)) {
		if (!p->l4 || !echo_ports(p->l4, p->ethertype == ETH_P_IP, &from, &to))
			return false;
	}
	*side = quick_key(p, key, from, to);
	return true;
}

/* The row of a flow in which a packet from this end changes nothing. */
static __always_inline struct flow *quick_flow(struct pkt *p, const struct flow_key *key,
					       __u32 side)
{
	struct flow *f = flows_row_of(p->record, p->stage, key);

	if (!f)
		f = openings_row_of(p->record, p->stage, key);
	if (!f)
		p->unopened = true;
	return f && (f->quick >> side) & 1 ? f : NULL;
}

/* The endpoint still is who it was when the flow was judged, and is still judged by
 * the same set. */
static __always_inline bool still(struct flow *f, __u32 side, const struct endpoint *e)
{
	__u32 direction = bounded(side ^ f->opener, 1);

	return end_of(f, side)->generation == e->generation &&
	       f->set[direction] == e->set[direction];
}

/* The endpoint of an end of the flow, if that is behind this host and still who it
 * was. Whoever changes the address or the VPC of an endpoint removes its flows. */
static __always_inline struct endpoint *end_here(struct pkt *p, struct flow *f, __u32 side)
{
	const struct flow_end *end = end_of(f, side);
	struct endpoint *e = end->endpoint ? endpoints_row(p, end->endpoint) : NULL;

	return e && still(f, side, e) ? e : NULL;
}

/* The host of the flow's far end, if nothing that was learned of it has changed. */
static __always_inline struct host *end_away(struct pkt *p, const struct flow_end *end)
{
	struct host *h = end->host ? hosts_row(p, end->host) : NULL;

	return h && (__u16)h->epoch == end->epoch ? h : NULL;
}

/* Packets and bytes by rule, and what the simulator is told. */
static __always_inline void count_rules(struct record *r, const __u32 *rule, __u32 bytes)
{
	if (rule[DIRECTION_EGRESS])
		count(&rules, rule[DIRECTION_EGRESS], bytes);
	if (rule[DIRECTION_INGRESS])
		count(&rules, rule[DIRECTION_INGRESS], bytes);
	if (simulated && r) {
		asm volatile("" : "+r"(r));
		r->rule[DIRECTION_EGRESS] = rule[DIRECTION_EGRESS];
		r->rule[DIRECTION_INGRESS] = rule[DIRECTION_INGRESS];
	}
}

/* Notes that the flow has a packet now. */
static __always_inline void touch(struct pkt *p, struct flow *f, const struct flow_key *key)
{
	__u32 t = tick();

	if (simulated || load64(f->rule))
		count_rules(p->record, f->rule, p->bytes);
	if (f->tick == t)
		return;
	f->tick = t;
	f->seen = now() / SECOND;
	table_stored(p, TABLE_FLOWS, key, sizeof(*key));
}

/* What was learned of a host's endpoints is not so any more: flows with them are
 * looked at again. */
static __always_inline void forget_flows(struct pkt *p, __u32 host)
{
	struct host *h = host ? hosts_row(p, host) : NULL;

	if (h)
		__sync_fetch_and_add(&h->epoch, 1);
}

#endif
