// SPDX-License-Identifier: Apache-2.0

// Package controlplane decides what each host must hold.
//
//	YAML or API objects --object--> object.Set --compile--> one state.Host each
//
// The packages below it are a core of pure functions: no clock, no network, no
// dice, so that production and simulator run the same code. It ends at
// dataplane/state and never imports bpf, the rest of dataplane, or netlink.
package controlplane
