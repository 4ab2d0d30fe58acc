// SPDX-License-Identifier: Apache-2.0

// Package service compiles Kubernetes services to what hosts choose backends by.
//
//	Service ─────────► frontends ─┐
//	EndpointSlices ┐              ├─► one service a port and family ──► state.Service
//	or endpoints ──┴─► backends ──┘                Table
//
// A service is in one VPC: the one that its annotation mizar.dev/vpc names, or its
// namespace's; or else the one that all of the endpoints are in that it selects, or
// that its slices name, or that its namespace has; or else the default VPC, or the
// only one. Its frontends are its cluster addresses, its external addresses and those
// that a load balancer was given; its backends those of its endpoint slices, or, where
// none is written for it, the endpoints that its selector selects: there need be nobody
// who makes slices. Services without a cluster address by intention (headless) and
// those of type ExternalName have no frontends, and nothing is made of them.
//
// Where a service says so, a host chooses from backends that are near to it: its own, or
// those of its zone, which is the label topology.kubernetes.io/zone of hosts.
//
// What cannot be done as it was written is left out, a condition says so, and
// everything else goes on.
//
// Clients outside of all VPCs come to node ports at every host, to external addresses and
// to those of load balancers, wherever packets to these arrive. Their backends are those
// that are endpoints, for a host that has no part in the VPC must be told where they are.
// A client keeps its backend, where the service says so, because all of its flows choose
// alike: nothing is kept of it, and there is no time-out.
package service
