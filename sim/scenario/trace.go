// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"strings"

	"github.com/mizar-net/mizar/controlplane/object/strict"
)

// Trace follows the packets of one conversation, and compares the way that the
// programs recorded with the frames that the veth wire carried.
type Trace struct {
	// Probe has the conversation; its Expect is empty.
	Probe Probe
	// Meets are rows that must be met, in this order, each as
	// "HOST STAGE MAP KEY ACCESS", and what stood in the row if it matters:
	// "h3 relay directory vni 100 10.0.0.3 hit host h2".
	Meets []string
}

func (d *decoder) trace(v strict.Value) *Trace {
	f := v.Fields("proto", "from", "to", "family", "port", "source", "count", "size", "fresh", "meets")
	t := &Trace{
		Probe: Probe{
			Protos: protos(f.Required("proto", "icmp, tcp or udp, or a list of them")),
			From:   d.endpoint(f.Required("from", "the name of an endpoint")),
			Family: family(f.Optional("family")),
			Source: uint16(f.Optional("source").Int(1, 65535)),
			Count:  f.Optional("count").Int(1, 1000),
			Size:   f.Optional("size").Int(1, mostDatagram),
			Fresh:  f.Optional("fresh").Bool(),
		},
		Meets: strict.Each(f.Optional("meets"), meets),
	}
	t.Probe.To = d.target(f.Required("to", "the name of an endpoint or a service, or an address"))
	t.Probe.Port = d.portTo(f.Optional("port"), t.Probe.To, t.Probe.Protos...)
	if t.Probe.Source == 0 {
		t.Probe.Source = 30000 // both wires have to send the same
	}
	return t
}

// meets reads a line of a trace; spaces count as one.
func meets(v strict.Value) string {
	words := strings.Fields(v.Text())
	const least = 5
	if v.Present() && len(words) > 0 && len(words) < least {
		v.Fail("HOST STAGE MAP KEY ACCESS, such as \"h1 path paths vni 100 10.0.0.3 miss\"")
	}
	return strings.Join(words, " ")
}
