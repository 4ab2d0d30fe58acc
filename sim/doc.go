// SPDX-License-Identifier: Apache-2.0

// Package sim is a whole network in one process, for those who develop, test or
// try to understand one.
//
//	scenario (YAML) --> run --> wire (testrun | veth) --> outcomes --+
//	               \--> oracle (objects alone) ------> expectations -+--> rows
//
// A scenario has a topology, objects and steps. It runs packet by packet through
// the real programs in memory (testrun), or in network namespaces with real
// sockets (veth); the oracle says from the objects alone what must come out.
// Production code never imports what is below this folder.
package sim
