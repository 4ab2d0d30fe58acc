/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MIZAR_TABLE_H
#define MIZAR_TABLE_H

/* The one door to every map.
 *
 * Contract: no map helper is called outside of this file (a test walks the
 * instructions), so that what a packet costs in lookups and writes is counted
 * and recorded in one place. Rows are NULL when absent; rows of array maps are
 * NULL only for an index out of range. */

#include "maps.h"
#include "pkt.h"

static __always_inline void record_event(struct record *r, __u8 stage, enum table table,
					 enum access access, const void *key, __u32 size)
{
	struct record_stage *s;
	__u32 i;

	if (!r)
		return;
	i = r->stages;
	if (i >= RECORD_STAGES)
		return;
	i = bounded(i, RECORD_STAGES - 1);
	s = &r->stage[i];
	s->stage = stage;
	s->table = table;
	s->access = access;
	if (key)
		__builtin_memcpy(s->key, key, size < RECORD_KEY ? size : RECORD_KEY);
	r->stages = i + 1;
}

/* Says which stage begins. Costs nothing outside of a simulation. */
static __always_inline void stage(struct pkt *p, enum stage stage)
{
	if (!p->record)
		return;
	p->stage = stage;
	record_event(p->record, stage, TABLE_NONE, ACCESS_NONE, NULL, 0);
}

static __always_inline bool table_is_array(enum table table)
{
	return table == TABLE_PORTS || table == TABLE_ENDPOINTS || table == TABLE_HOSTS ||
	       table == TABLE_PEER_SLOTS || table == TABLE_UPLINKS || table == TABLE_SUBNETS ||
	       table == TABLE_BUDGETS || table == TABLE_SHARES || table == TABLE_POLICY_SETS ||
	       table == TABLE_CHOICES || table == TABLE_BACKENDS;
}

static __always_inline void *lookup(struct record *r, __u8 stage, enum table table, void *map,
				    const void *key, __u32 size)
{
	void *row = bpf_map_lookup_elem(map, key);

	if (r) {
		/* Keeps what is computed from r behind the comparison. */
		asm volatile("" : "+r"(r));
		if (table_is_array(table))
			r->array_lookups++;
		else
			r->hash_lookups++;
		record_event(r, stage, table, row ? ACCESS_HIT : ACCESS_MISS, key, size);
	}
	return row;
}

static __always_inline void *table_lookup(struct pkt *p, enum table table, void *map,
					  const void *key, __u32 size)
{
	return lookup(p->record, p->stage, table, map, key, size);
}

static __always_inline void table_update(struct pkt *p, enum table table, void *map,
					 const void *key, __u32 size, const void *row)
{
	if (p->record) {
		p->record->updates++;
		record_event(p->record, p->stage, table, ACCESS_UPDATE, key, size);
	}
	/* An LRU map always finds room; losing what was learned is harmless. */
	bpf_map_update_elem(map, key, row, BPF_ANY);
}

/* Notes a store that went straight to a row. */
static __always_inline void table_stored(struct pkt *p, enum table table, const void *key,
					 __u32 size)
{
	if (p->record) {
		p->record->updates++;
		record_event(p->record, p->stage, table, ACCESS_UPDATE, key, size);
	}
}

#define TABLE(name, id, keytype, rowtype)                                                    \
	static __always_inline struct rowtype *name##_row(struct pkt *p, const keytype *key) \
	{                                                                                    \
		return table_lookup(p, id, &name, key, sizeof(*key));                        \
	}

TABLE(locals, TABLE_LOCALS, struct addr_key, local)
TABLE(paths, TABLE_PATHS, struct addr_key, path)
TABLE(peers, TABLE_PEERS, struct underlay_key, peer)
TABLE(vpcs, TABLE_VPCS, __u32, vpc)
TABLE(directory, TABLE_DIRECTORY, struct addr_key, location)
TABLE(routes, TABLE_ROUTES, struct prefix_key, route)

/* Rows of arrays, by index; a row that is not in use is as good as none. */

static __always_inline struct endpoint *endpoints_row(struct pkt *p, __u32 index)
{
	struct endpoint *e = table_lookup(p, TABLE_ENDPOINTS, &endpoints, &index, sizeof(index));

	return e && e->vni ? e : NULL;
}

/* For functions that have no struct pkt, only what it would record in. */
static __always_inline struct host *hosts_row_of(struct record *r, __u8 stage, __u32 index)
{
	struct host *h = lookup(r, stage, TABLE_HOSTS, &hosts, &index, sizeof(index));

	return h && h->ifindex ? h : NULL;
}

static __always_inline struct host *hosts_row(struct pkt *p, __u32 index)
{
	return hosts_row_of(p->record, p->stage, index);
}

static __always_inline struct subnet *subnets_row(struct pkt *p, __u32 index)
{
	struct subnet *s = table_lookup(p, TABLE_SUBNETS, &subnets, &index, sizeof(index));

	return s && s->vni ? s : NULL;
}

static __always_inline struct peer_slot *peer_slots_row(struct pkt *p, __u32 slot)
{
	return table_lookup(p, TABLE_PEER_SLOTS, &peer_slots, &slot, sizeof(slot));
}

static __always_inline struct uplink *uplinks_row(struct pkt *p)
{
	__u32 zero = 0;

	return table_lookup(p, TABLE_UPLINKS, &uplinks, &zero, sizeof(zero));
}

static __always_inline struct port *ports_row(struct pkt *p, __u32 ifindex)
{
	__u32 slot = ifindex & (MAX_PORTS - 1);
	struct port *row = table_lookup(p, TABLE_PORTS, &ports, &slot, sizeof(slot));

	return row && row->ifindex == ifindex ? row : NULL;
}

static __always_inline struct budget *budgets_row(struct pkt *p, __u32 endpoint)
{
	return table_lookup(p, TABLE_BUDGETS, &budgets, &endpoint, sizeof(endpoint));
}

/* Rows of flows and policy, for functions that have no struct pkt. */

static __always_inline struct flow *flows_row_of(struct record *r, __u8 stage,
						 const struct flow_key *key)
{
	return lookup(r, stage, TABLE_FLOWS, &flows, key, sizeof(*key));
}

static __always_inline struct flow *openings_row_of(struct record *r, __u8 stage,
						    const struct flow_key *key)
{
	return lookup(r, stage, TABLE_OPENINGS, &openings, key, sizeof(*key));
}

static __always_inline struct endpoint *endpoints_row_of(struct record *r, __u8 stage, __u32 index)
{
	struct endpoint *e = lookup(r, stage, TABLE_ENDPOINTS, &endpoints, &index, sizeof(index));

	return e && e->vni ? e : NULL;
}

static __always_inline struct budget *budgets_row_of(struct record *r, __u8 stage, __u32 endpoint)
{
	return lookup(r, stage, TABLE_BUDGETS, &budgets, &endpoint, sizeof(endpoint));
}

static __always_inline struct share *shares_row_of(struct record *r, __u8 stage, __u32 endpoint)
{
	return lookup(r, stage, TABLE_SHARES, &shares, &endpoint, sizeof(endpoint));
}

/* NULL too when the number is another set's by now. */
static __always_inline struct policy_set *policy_sets_row_of(struct record *r, __u8 stage,
							     __u32 number)
{
	__u32 slot = number & (SETS - 1);
	struct policy_set *s =
		lookup(r, stage, TABLE_POLICY_SETS, &policy_sets, &slot, sizeof(slot));

	return s && s->number == number ? s : NULL;
}

static __always_inline struct judgement *policy_peers_row_of(struct record *r, __u8 stage,
							     const struct policy_peer_key *key)
{
	return lookup(r, stage, TABLE_POLICY_PEERS, &policy_peers, key, sizeof(*key));
}

static __always_inline struct judgement *policy_prefixes_row_of(struct record *r, __u8 stage,
								const struct policy_prefix_key *key)
{
	return lookup(r, stage, TABLE_POLICY_PREFIXES, &policy_prefixes, key, sizeof(*key));
}

static __always_inline struct judgement *policy_ports_row_of(struct record *r, __u8 stage,
							     const struct policy_port_key *key)
{
	return lookup(r, stage, TABLE_POLICY_PORTS, &policy_ports, key, sizeof(*key));
}

static __always_inline struct service *services_row_of(struct record *r, __u8 stage,
						       const struct service_key *key)
{
	return lookup(r, stage, TABLE_SERVICES, &services, key, sizeof(*key));
}

static __always_inline struct affinity *affinities_row_of(struct record *r, __u8 stage,
							  const struct affinity_key *key)
{
	return lookup(r, stage, TABLE_AFFINITIES, &affinities, key, sizeof(*key));
}

static __always_inline struct choices *choices_row_of(struct record *r, __u8 stage, __u32 index)
{
	return lookup(r, stage, TABLE_CHOICES, &choices, &index, sizeof(index));
}

/* NULL too when there is no such backend by now. */
static __always_inline struct backend *backends_row_of(struct record *r, __u8 stage, __u32 index)
{
	struct backend *b = lookup(r, stage, TABLE_BACKENDS, &backends, &index, sizeof(index));

	return b && b->port ? b : NULL;
}

static __always_inline struct fragmented *fragments_row_of(struct record *r, __u8 stage,
							   const struct fragment_key *key)
{
	return lookup(r, stage, TABLE_FRAGMENTS, &fragments, key, sizeof(*key));
}

/* Notes a change of a row in a function that has no struct pkt. */
static __always_inline void record_change(struct record *r, __u8 stage, enum table table,
					  enum access access, const void *key, __u32 size)
{
	if (simulated && r) {
		asm volatile("" : "+r"(r));
		r->updates++;
		record_event(r, stage, table, access, key, size);
	}
}

/* False when there is no room. */
static __always_inline bool flows_put(struct record *r, __u8 stage, const struct flow_key *key,
				      const struct flow *row)
{
	if (bpf_map_update_elem(&flows, key, row, BPF_ANY))
		return false;
	record_change(r, stage, TABLE_FLOWS, ACCESS_UPDATE, key, sizeof(*key));
	return true;
}

static __always_inline void flows_delete(struct record *r, __u8 stage, const struct flow_key *key)
{
	bpf_map_delete_elem(&flows, key);
	record_change(r, stage, TABLE_FLOWS, ACCESS_DELETE, key, sizeof(*key));
}

static __always_inline void fragments_put(struct record *r, __u8 stage,
					  const struct fragment_key *key,
					  const struct fragmented *row)
{
	bpf_map_update_elem(&fragments, key, row, BPF_ANY);
	record_change(r, stage, TABLE_FRAGMENTS, ACCESS_UPDATE, key, sizeof(*key));
}

static __always_inline bool openings_write(struct record *r, __u8 stage, const struct flow_key *key,
					   const struct flow *row, __u64 flags)
{
	if (bpf_map_update_elem(&openings, key, row, flags))
		return false;
	record_change(r, stage, TABLE_OPENINGS, ACCESS_UPDATE, key, sizeof(*key));
	return true;
}

/* An LRU map finds room at the cost of older rows. */
static __always_inline bool openings_put(struct record *r, __u8 stage, const struct flow_key *key,
					 const struct flow *row)
{
	return openings_write(r, stage, key, row, BPF_ANY);
}

/* false: there is one. */
static __always_inline bool openings_add(struct record *r, __u8 stage, const struct flow_key *key,
					 const struct flow *row)
{
	return openings_write(r, stage, key, row, BPF_NOEXIST);
}

static __always_inline void openings_delete(struct record *r, __u8 stage,
					    const struct flow_key *key)
{
	bpf_map_delete_elem(&openings, key);
	record_change(r, stage, TABLE_OPENINGS, ACCESS_DELETE, key, sizeof(*key));
}

/* What drives an older row out costs that client its backend, if that is another one than
 * its next flow would choose. */
static __always_inline void affinities_put(struct record *r, __u8 stage,
					   const struct affinity_key *key,
					   const struct affinity *row)
{
	bpf_map_update_elem(&affinities, key, row, BPF_ANY);
	record_change(r, stage, TABLE_AFFINITIES, ACCESS_UPDATE, key, sizeof(*key));
}

/* This CPU's room for a packet's flow. */
static __always_inline struct tracked *tracked_row(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&tracked, &zero);
}

static __always_inline void paths_put(struct pkt *p, const struct addr_key *key,
				      const struct path *row)
{
	table_update(p, TABLE_PATHS, &paths, key, sizeof(*key), row);
}

/* This CPU's note for the next program. */
static __always_inline struct handed *handed_row(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&handed, &zero);
}

/* Goes on in another program, which must be a constant: so the kernel knows it, and
 * jumps straight there. Returns only if there is none. */
static __always_inline enum drop_reason next_program(struct pkt *p, enum program to)
{
	bpf_tail_call_static(p->ctx, &programs, to);
	return DROP_NO_PROGRAM;
}

/* Per-CPU counters; they cost no lookup that a packet waits for. */
static __always_inline void count(void *map, __u32 index, __u32 bytes)
{
	struct count *c = bpf_map_lookup_elem(map, &index);

	if (c) {
		c->packets++;
		c->bytes += bytes;
	}
}

/* The simulator's rows. */

static __always_inline struct record *records_row(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&records, &zero);
}

static __always_inline __u64 virtual_now(void)
{
	__u32 zero = 0;
	struct virtual_clock *v = bpf_map_lookup_elem(&virtuals, &zero);

	return v ? v->now : 0;
}

#endif
