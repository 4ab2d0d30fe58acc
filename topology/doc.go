// SPDX-License-Identifier: Apache-2.0

// Package topology describes hosts, uplinks, links and endpoints of one machine's
// small network; topology/netns builds one of namespaces and veth pairs, and
// takes down all it made, also when it was interrupted.
package topology
