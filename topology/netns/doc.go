// SPDX-License-Identifier: Apache-2.0

// Package netns builds a topology for real, out of network namespaces, veth
// pairs and a bridge for each segment of the underlay.
//
//	 endpoint a1          host h1                     fabric          host h2
//	+---------+   +-------------------------+   +-----------------+   +------
//	|    eth0 +---+ ep-a1            uplink +---+ to-h1     to-h2 +---+ uplink
//	+---------+   | (program       (program |   |     \ bridge /  |   |
//	  GRO on      |  endpoint)       uplink)|   +-----------------+   +------
//	              +-------------------------+      GRO on
//
// Segments are joined by routers, which are namespaces that forward. A host that
// is an endpoint itself has both ends of that link in its own namespace.
//
// Every frame is whole on every link: all transmit offloads are off, so that
// programs meet finished checksums and frames no larger than the MTU. GRO is on
// where a program's redirect comes out: the driver takes frames of a redirect
// only for a device that polls (DESIGN: a veth passes nothing unless its peer
// has a program or GRO on).
//
// A machine room without a name lives in anonymous namespaces and goes with
// the process, however that ends. One with a name stays under /run/netns, as
// mizar-NAME-…, until [Down], and has a BPF filesystem under /run/mizar/rooms.
package netns
