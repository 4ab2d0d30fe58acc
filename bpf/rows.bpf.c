//go:build ignore

/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */

/* No program: the maps alone. The loader makes one host's maps from this
 * object, and the Go types of all rows and enums are generated from it. */
#include "include/drop.h"
#include "include/geneve.h"
#include "include/maps.h"
#include "include/record.h"

/* Enums that no row names are kept for Go by these. */
const enum drop_reason drop_reason_type SEC(".rodata.types");
const enum verdict verdict_type SEC(".rodata.types");
const enum stage stage_type SEC(".rodata.types");
const enum table table_type SEC(".rodata.types");
const enum access access_type SEC(".rodata.types");
const enum path_state path_state_type SEC(".rodata.types");
const enum program program_type SEC(".rodata.types");
const enum direction direction_type SEC(".rodata.types");
const enum flow_state flow_state_type SEC(".rodata.types");
const enum translation translation_type SEC(".rodata.types");
const enum policy_verdict policy_verdict_type SEC(".rodata.types");
const enum class_rows class_rows_type SEC(".rodata.types");
const enum bouncer bouncer_type SEC(".rodata.types");

char _license[] SEC("license") = "Dual BSD/GPL";
