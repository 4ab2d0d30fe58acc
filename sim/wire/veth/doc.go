// SPDX-License-Identifier: Apache-2.0

// Package veth is the wire of namespaces, veth pairs and real sockets: the
// programs sit at devices in the driver, and what answers a probe is the
// kernel's own stack.
//
// What became of a packet is read off frames that were really seen: a packet
// socket in the fabric hears what each host puts on the underlay, one in each
// endpoint's namespace what arrives there.
//
//	endpoint a1        host h1             fabric            host h2   …
//	  eth0 ────── ep-a1      uplink ──── to-h1 ─ bridge ─ to-h2 ──── uplink
//	   ear                                ear              ear
//
// A link that loses or delays has a relay of this process in it, between to-h1 and
// the bridge, because the kernel has no netem.
//
// The endpoints' own group announcements (MLD) are held back, so that nothing
// is counted that nobody sent; during [Wire.Inject] no stack hears anything, so
// that nothing answers a frame but the programs.
package veth
