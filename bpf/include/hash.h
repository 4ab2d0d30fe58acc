/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_HASH_H
#define MIZAR_HASH_H

/* Hashes that hosts must agree on, or that spread.
 *
 * Contract: pair_hash and rendezvous_score give the same numbers as the control
 * plane's Choose (a test holds them against each other). fmix32 is the finaliser
 * of MurmurHash3 (public domain). */

#include "address.h"
#include "pkt.h"

#define ENTROPY_BASE 49152 /* RFC 7348, 5: the dynamic range */
#define ENTROPY_MASK 0x3fff

static __always_inline __u32 fmix32(__u32 h)
{
	h ^= h >> 16;
	h *= 0x85ebca6b;
	h ^= h >> 13;
	h *= 0xc2b2ae35;
	h ^= h >> 16;
	return h;
}

/* Spreads five words over 32 bits: a sum of products, none of which waits for another, of
 * which a low bit moves high ones; and two rounds that move all. The factors are odd and
 * have about as many ones as zeros. */
static __always_inline __u32 spread5(__u64 a, __u64 b, __u64 c, __u64 d, __u64 e)
{
	__u64 h = a * 0x9e3779b97f4a7c15ULL + b * 0xbf58476d1ce4e5b9ULL +
		  c * 0x94d049bb133111ebULL + d * 0xd6e8feb86659fd93ULL + e * 0xa0761d6478bd642fULL;

	h = (h ^ h >> 32) * 0xe7037ed1a0b428dbULL;
	h = (h ^ h >> 32) * 0x8ebc6af09c88c6e3ULL;
	return h >> 32;
}

static __always_inline __u32 rotl(__u32 v, __u32 by)
{
	return v << by | v >> (32 - by);
}

static __always_inline __u32 addr_hash(__u32 h, const void *addr)
{
	h = fmix32(h ^ bpf_ntohl(load32(addr)));
	h = fmix32(h ^ bpf_ntohl(load32(addr + 4)));
	h = fmix32(h ^ bpf_ntohl(load32(addr + 8)));
	return fmix32(h ^ bpf_ntohl(load32(addr + 12)));
}

/* What a pair of addresses in a VPC chooses its bouncer by. */
static __noinline __u32 pair_hash(const struct pkt *p)
{
	__u32 h = addr_hash(p->source.vni, p->source.addr);

	return addr_hash(h, p->destination.addr);
}

static __always_inline __u32 rendezvous_score(__u32 pair, __u32 seed)
{
	return fmix32(pair ^ seed);
}

static __always_inline __u32 addr_fold(const void *addr)
{
	return bpf_ntohl(load32(addr) ^ load32(addr + 4) ^ load32(addr + 8) ^ load32(addr + 12));
}

/* Where an underlay address stands in peer_slots, if it does. */
static __always_inline __u32 peer_slot_index(struct addr_words a)
{
	__u64 both = a.high ^ a.low;
	__u32 h = bpf_ntohl((__u32)both ^ (__u32)(both >> 32));

	/* Hosts of one network differ in their last bits. */
	return (h ^ h >> 12) & (PEER_SLOTS - 1);
}

/* Both words of an address, folded as addr_fold does, in network order. */
static __always_inline __u32 addr_fold_raw(const void *addr)
{
	__u64 both = load64(addr) ^ load64(addr + 8);

	return (__u32)both ^ (__u32)(both >> 32);
}

/* Outer source port: entropy of the inner five fields; of three for fragments,
 * all of which take one path. */
static __always_inline __be16 entropy_port(const struct pkt *p)
{
	__u32 ports = 0;
	__u32 h = bpf_ntohl(addr_fold_raw(p->source.addr) ^
			    rotl(addr_fold_raw(p->destination.addr), 16));
	__be16 port;

	if (p->fragment == FRAGMENT_NONE)
		ports = (__u32)bpf_ntohs(p->sport) << 16 | bpf_ntohs(p->dport);
	h = fmix32(h ^ (__u32)p->protocol << 8 ^ ports);
	port = bpf_htons(ENTROPY_BASE | (h & ENTROPY_MASK));
	/* Now, while all it is made of is at hand. */
	asm volatile("" : "+r"(port));
	return port;
}

#endif
