// SPDX-License-Identifier: Apache-2.0

package fault

// All returns every fault, in the order of the rows that they break.
func All() []Fault {
	return []Fault{
		{Name: "wrong-vni", Says: "one host numbers its VPCs otherwise than its peers",
			Rows: []string{"A1", "A4", "A13"}, states: wrongVNI},
		{Name: "no-local-delivery", Says: "packets between endpoints of one host are lost",
			Rows: []string{"A2", "A13"}, packet: loseLocal},
		{Name: "empty-directory", Says: "bouncers have no directory rows",
			Rows: []string{"A3", "B2"}, states: emptyDirectory},
		{Name: "no-dividers", Says: "no host knows a divider",
			Rows: []string{"A4"}, states: noDividers},
		{Name: "leak", Says: "packets are delivered to somebody of another VPC",
			Rows: []string{"A5"}, packet: leak},
		{Name: "mute-port", Says: "ports answer neither ARP nor neighbour discovery",
			Rows: []string{"A7", "B2"}, emissions: muteSender},
		{Name: "flood", Says: "ARP and neighbour discovery are sent over the underlay",
			Rows: []string{"A7", "B2"}, emissions: flood},
		{Name: "no-v6", Says: "bouncers have no directory rows of IPv6",
			Rows: []string{"A13"}, states: emptyDirectory6},
		{Name: "no-entropy", Says: "all tunnel packets have one outer source port",
			Rows: []string{"A16"}, packet: eachFrame(constantPort)},
		{Name: "no-tos", Says: "DSCP and ECN are not carried out",
			Rows: []string{"A17"}, packet: eachFrame(clearTOS)},
		{Name: "detour", Says: "every packet takes a hop more than it needs",
			Rows: []string{"B1", "B4"}, packet: detour},
		{Name: "no-guard", Says: "forged frames come out at another port, and nobody counts them",
			Rows: []string{"E16"}, emissions: deliverForged, drops: forgetGuard},
		{Name: "more-lookups", Says: "each program asks one more hash table, and writes a row",
			Rows: []string{"I4"}, packet: moreLookups},
		{Name: "more-overhead", Says: "each tunnel packet carries an option more",
			Rows: []string{"I5"}, packet: eachFrame(addOption)},
		{Name: "wrong-mode", Says: "programs that are asked to be native are generic, and the other way round",
			Rows: []string{"H18"}, states: wrongMode},
		{Name: "unequal-wires", Says: "the testrun wire says that nothing arrives, the veth wire tells the truth",
			Rows: []string{"J1"}, Wire: "testrun", packet: lose},
		{Name: "blind-trace", Says: "traces tell of every row that it is unused",
			Rows: []string{"J4"}, packet: blind},
		{Name: "unbreakable", Says: "nothing that a scenario breaks is broken, and the wire says that it is",
			Rows: []string{"J6"}, unbreakable: true},
		{Name: "altered-frames", Says: "a byte of the payload is changed on the way",
			Rows: []string{"J2"}, emissions: alterFrames},
	}
}
