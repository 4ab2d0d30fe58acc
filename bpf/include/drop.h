/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_DROP_H
#define MIZAR_DROP_H

/* Why a packet died, and what else can become of one.
 *
 * Contract: every path that loses a packet returns a reason of its own, and
 * some test makes it happen. The numbers are part of the recorded data: new
 * reasons are added before DROP_MAX, none is renumbered. Names without the
 * prefix, in lower case, are what people see. */

enum drop_reason {
	DROP_NONE = 0,
	/* Headers. */
	DROP_TRUNCATED, /* a header or a length reaches past the frame */
	DROP_ETHERTYPE, /* neither IPv4, IPv6 nor ARP from an endpoint */
	DROP_IP_HEADER, /* version, header length or total length is wrong */
	DROP_IP_ADDRESS, /* unspecified, loopback, mapped or multicast source … */
	DROP_EXTENSION, /* too many or unknown IPv6 extension headers */
	DROP_MULTICAST, /* group and broadcast destinations are not carried */
	/* The port and its guard. */
	DROP_NO_PORT, /* the device belongs to no endpoint */
	DROP_GUARD_MAC, /* source MAC is not the endpoint's */
	DROP_GUARD_ADDRESS, /* source address is not the endpoint's */
	DROP_GUARD_ARP, /* ARP sender is not the endpoint */
	DROP_GUARD_ND, /* ND link-layer option is not the endpoint's */
	DROP_ARP_OWN, /* ARP for the endpoint's own address: never answered */
	DROP_ARP_FOREIGN, /* ARP for an address outside the subnet */
	DROP_ARP_OTHER, /* ARP replies and announcements: nobody asked */
	DROP_ND_OWN, /* solicitation of the endpoint's own address */
	DROP_ND_FOREIGN, /* solicitation of an address outside the subnet */
	DROP_ND_OTHER, /* other ND and MLD messages: nobody asked */
	DROP_DESTINATION_MAC, /* sent to a MAC that is not the gateway's */
	/* Locating. */
	DROP_NO_SUBNET, /* the VPC has no subnet with the destination */
	DROP_NO_ENDPOINT, /* the subnet has no endpoint with the address */
	DROP_NO_BOUNCER, /* no bouncer or divider is live */
	DROP_NO_HOST, /* the location names a host that is not known here */
	DROP_TTL, /* TTL or hop limit ran out */
	DROP_MTU, /* too big for the underlay */
	DROP_NO_ROOM, /* the driver gave no head room */
	/* Tunnel. */
	DROP_TUNNEL_SOURCE, /* outer source is no host of ours */
	DROP_TUNNEL_FRAGMENT, /* the outer packet is a fragment */
	DROP_TUNNEL_CHECKSUM, /* outer UDP checksum is not zero */
	DROP_GENEVE_HEADER, /* version, protocol, length or OAM bit */
	DROP_GENEVE_CRITICAL, /* unknown critical option */
	DROP_GENEVE_OPTION, /* a known option of wrong length or place */
	DROP_NOT_OURS, /* inner destination is not here, and relaying not asked */
	DROP_RELAY_LIMIT, /* relayed too often */
	DROP_SEND_BACK, /* an answer that nobody asked for, or forged */
	DROP_ECN, /* congestion marked outside, not capable inside (RFC 6040) */
	DROP_STALE, /* relayed by a directory that is behind: another generation */
	DROP_NOT_HERE, /* a not-here for what this host did not send, or forged */
	DROP_REFUSAL, /* a refusal of what nobody asked for, or forged */
	DROP_GATEWAY, /* to the gateway, which answers nothing but echo */
	DROP_FRAGMENT, /* a fragment that reaches into the transport header */
	DROP_NO_PROGRAM, /* the program that goes on with it is not loaded */
	DROP_BUDGET, /* an ICMP error beyond what the endpoint may get */
	/* Flows and policy. */
	DROP_POLICY_EGRESS, /* the source's policy does not accept it */
	DROP_POLICY_INGRESS, /* the destination's policy does not accept it */
	DROP_FLOW_FULL, /* there is no room for one more flow */
	DROP_FLOW_QUOTA, /* a new flow beyond what the endpoint may open or have */
	DROP_FRAGMENT_UNKNOWN, /* policy looks at ports, and the first fragment was not seen */
	/* Services. */
	DROP_NO_SERVICE, /* the frontend's address has no such port */
	DROP_NO_BACKEND, /* the service has no backend */
	DROP_FLOW_TAKEN, /* another flow has the tuple that this one would be translated to */
	DROP_SNAT_PORTS, /* no port of the host is left for the destination */
	DROP_SNAT_TUNNEL, /* to the tunnel's port outside: it would come from a host */
	DROP_SOURCE_RANGE, /* the load balancer's address is not for the client */
	DROP_MAX,
};

/* What became of a packet. */
enum verdict {
	VERDICT_DROP = 0,
	VERDICT_PASS, /* to the host's stack, untouched */
	VERDICT_ANSWER, /* back out of the port, rewritten into an answer */
	VERDICT_DELIVER, /* to an endpoint behind this host */
	VERDICT_SEND, /* direct path to the endpoint's host */
	VERDICT_ASK, /* to a bouncer or divider */
	VERDICT_RELAY, /* as bouncer or divider, to the next host */
	VERDICT_SEND_BACK, /* as bouncer, to the source host with the location */
	VERDICT_RESEND, /* came back with the location; on to the endpoint's host */
	VERDICT_NOT_HERE, /* back to the host that sent it: the endpoint is not here */
	VERDICT_REFUSE, /* back to where it came from, as an error; counted as a drop too */
	VERDICT_SERVE, /* from the outside, to the host of a backend */
	VERDICT_LEAVE, /* to the outside, without a tunnel */
	VERDICT_MAX,
};

#endif
