/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_ENDPOINT_H
#define MIZAR_ENDPOINT_H

/* Everything an endpoint sends, at the host side of its link: the stages that
 * both forms of the endpoint program share.
 *
 *   port → parse → guard → ARP and ND answered here
 *                        → learned? send directly
 *                        → local?   deliver, the wire is not touched
 *                        → else     ask a bouncer or divider
 *
 * Contract: process() meets the packet as the endpoint sent it. What the hook
 * does otherwise stands in hook_xdp.h and hook_tcx.h, and nowhere here. */

#include "send.h"

static __always_inline bool is_group(const struct pkt *p)
{
	const __u8 *a = p->destination.addr;

	if (p->ethertype == ETH_P_IPV6)
		return a[0] == 0xff;
	return a[12] >= 224;
}

/* Unspecified and loopback destinations never leave an honest stack. */
static __always_inline bool is_nowhere(const struct pkt *p)
{
	const __u8 *a = p->destination.addr;

	if (p->ethertype == ETH_P_IPV6)
		return !(load32(a) | load32(a + 4) | load32(a + 8)) &&
		       bpf_ntohl(load32(a + 12)) <= 1;
	return a[12] == 0 || a[12] == 127;
}

static __always_inline enum drop_reason answer(struct pkt *p, struct cursor *c,
					       const struct endpoint *e)
{
	struct subnet *s;

	if (!p->l3)
		return answer_arp(p, c, e);
	s = subnets_row(p, e->subnet);
	return s ? answer_nd(p, e, s) : DROP_NO_SUBNET;
}

/* The endpoint that a row of paths names, if it still has the address. */
static __always_inline struct endpoint *still_local(struct pkt *p, const struct path *path)
{
	struct endpoint *to;

	if (!path || path->state != PATH_LOCAL)
		return NULL;
	to = endpoints_row(p, path->host);
	if (!to || to->vni != p->destination.vni)
		return NULL;
	if (p->ethertype == ETH_P_IP)
		return is_own4(to, load32(p->destination.addr + 12)) ? to : NULL;
	return is_own6(to, p->destination.addr) ? to : NULL;
}

/* The first packet to an endpoint of this host; the next one finds it in paths. */
static __always_inline struct endpoint *find_local(struct pkt *p)
{
	struct path row = {.state = PATH_LOCAL};
	struct endpoint *to;
	struct local *local;

	stage(p, STAGE_LOCAL);
	local = locals_row(p, &p->destination);
	if (!local)
		return NULL;
	to = endpoints_row(p, local->endpoint);
	if (!to)
		return NULL;
	row.host = local->endpoint;
	paths_put(p, &p->destination, &row);
	return to;
}

static __always_inline struct endpoint *local_endpoint(struct pkt *p, const struct path *path)
{
	struct endpoint *to = still_local(p, path);

	return to ? to : find_local(p);
}

static __always_inline enum drop_reason forward(struct pkt *p, const struct endpoint *e)
{
	struct endpoint *to;
	struct path *path;
	enum drop_reason reason;

	stage(p, STAGE_PATH);
	path = paths_row(p, &p->destination);
	to = path && path->state == PATH_LEARNED ? NULL : local_endpoint(p, path);
	if (!to)
		return send(p, e, path);
	reason = route(p, e);
	return reason ? reason : deliver(p, &to->door, 0);
}

/* TCP or UDP right behind an IP header without options, all of it in the first
 * part: how the headers of a packet in parts lie that a stack sends. */
static __always_inline bool is_plain(const struct pkt *p)
{
	struct cursor c = {.pos = hook_data(p->ctx), .end = hook_end(p->ctx)};
	struct ethhdr *eth = take(&c, sizeof(*eth));
	struct iphdr *ip = take(&c, sizeof(*ip));
	__u8 protocol;

	if (!eth || !ip)
		return false;
	if (*ethertype(eth) == bpf_htons(ETH_P_IPV6)) {
		protocol = ((struct ipv6hdr *)ip)->nexthdr;
		if (!take(&c, sizeof(struct ipv6hdr) - sizeof(*ip)))
			return false;
	} else {
		protocol = ip->protocol;
		if (*(__u8 *)ip != 0x45)
			return false;
	}
	return (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) && take(&c, sizeof(struct tcphdr));
}

/* Sees to it that the headers lie in the packet's first part, before any pointer
 * into the packet is taken. */
static __always_inline enum drop_reason gather(struct pkt *p)
{
	if (!hook_in_parts(p->ctx, HEADERS_MAX) || is_plain(p))
		return DROP_NONE;
	return hook_pull(p->ctx, HEADERS_MAX) ? DROP_NO_ROOM : DROP_NONE;
}

static __always_inline enum drop_reason process(struct pkt *p)
{
	enum drop_reason reason;
	struct endpoint *e;
	struct port *port;
	struct cursor c;

	stage(p, STAGE_PORT);
	port = ports_row(p, p->port);
	e = port ? endpoints_row(p, port->endpoint) : NULL;
	if (!e)
		return DROP_NO_PORT;
	p->source.vni = e->vni;
	p->destination.vni = e->vni;
	stage(p, STAGE_PARSE);
	if (hook_tagged(p->ctx))
		return DROP_ETHERTYPE;
	reason = gather(p);
	if (reason)
		return reason;
	c = (struct cursor){.pos = hook_data(p->ctx), .end = hook_end(p->ctx)};
	reason = parse_frame(p, &c);
	if (reason)
		return reason;
	reason = guard(p, e);
	if (reason)
		return reason;
	if (!p->l3 || is_link_message(p))
		return answer(p, &c, e);
	if (is_group(p))
		return DROP_MULTICAST;
	if (is_nowhere(p))
		return DROP_IP_ADDRESS;
	if (!mac_equal(p->eth->h_dest, &e->door.gateway))
		return DROP_DESTINATION_MAC;
	return forward(p, e);
}

#endif
