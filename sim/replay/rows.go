// SPDX-License-Identifier: Apache-2.0

package replay

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/sim/wire"
)

// source says which rows a program writes fields from.
type source struct {
	// fields are names, or such as "outer.eth.*".
	fields []string
	// maps in order of likelihood: the first that the step has met gave the
	// field.
	maps []string
	// otherwise is where it comes from when no such row was met.
	otherwise string
}

const (
	fromPacket = "no row: it is carried over from the packet that came in"
	computed   = "no row: the program computes it from the packet"
)

// sources follow bpf/include: encapsulate.h and send.h for the outer side,
// relay.h for options, deliver.h and neighbour.h for what endpoints see. The
// first that names the field holds.
var sources = []source{
	{[]string{"outer.sport", "outer.tos", "outer.ttl", "outer.id", "outer.df", "checksum"}, nil, computed},
	{[]string{"outer.*", "vlan"}, []string{"hosts", "uplinks"}, "no row was met that names a host"},
	{[]string{"geneve.vni"}, []string{"endpoints", "ports"}, fromPacket},
	{[]string{"geneve.identity.generation"}, []string{"paths", "directory"}, fromPacket},
	{[]string{"geneve.identity*"}, []string{"endpoints"}, fromPacket},
	{[]string{"geneve.return", "geneve.return.flags", "geneve.return.token"}, []string{"paths"}, fromPacket},
	{[]string{"geneve.return.host"}, []string{"hosts", "uplinks"}, fromPacket},
	{[]string{"geneve.not-here", "geneve.return.generation"}, []string{"locals"}, fromPacket},
	{[]string{"geneve.refusal", "geneve.refusal.reason", "geneve.refusal.mtu", "geneve.refusal.token"}, []string{"directory", "routes"}, fromPacket},
	{[]string{"geneve.send-back", "geneve.send-back.identity", "geneve.send-back.generation"}, []string{"directory"}, fromPacket},
	{[]string{"geneve.send-back.host"}, []string{"hosts", "directory"}, fromPacket},
	{[]string{"geneve.*"}, nil, fromPacket},
	{[]string{"inner.eth.src", "inner.eth.dst"}, []string{"locals", "endpoints"}, fromPacket},
	{[]string{"inner.ip.ttl"}, []string{"endpoints", "subnets"}, fromPacket},
	{[]string{"inner.arp.*", "inner.nd.*"}, []string{"endpoints"}, computed},
	{[]string{"packet", "order", "verdict", "reason", "xdp", "tunnel"}, []string{"*"}, "no row was met"},
	{[]string{"*"}, nil, fromPacket},
}

func sourceOf(field string) source {
	for _, s := range sources {
		for _, pattern := range s.fields {
			if prefix, ok := strings.CutSuffix(pattern, "*"); ok && strings.HasPrefix(field, prefix) || pattern == field {
				return s
			}
		}
	}
	return source{}
}

// Row says which map row gave a field of the frame that a step made: of the maps
// that the field can come from, the row that the step met last.
//
//	hosts row 2 (stage ask of the endpoint program on h1, hit), which subnets row 3 led to
func Row(s wire.Step, field string) string {
	from := sourceOf(field)
	for _, name := range from.maps {
		for i := len(s.Stages) - 1; i >= 0; i-- {
			stage := s.Stages[i]
			if stage.Map == "" || name != "*" && (stage.Map != name || givesNothing(name, stage)) {
				continue
			}
			text := fmt.Sprintf("%s (stage %s of the %s program on %s, %s)", row(stage), stage.Name, s.Program, s.Host, stage.Access)
			if before := ledTo(s.Stages[:i]); stage.Map == "hosts" && before != "" {
				text += ", which " + before + " led to"
			}
			return text
		}
	}
	return from.otherwise
}

// givesNothing says that the look-up was no source of a field: a miss among the
// addresses of a host, which only tells that the packet is not for it.
func givesNothing(name string, s wire.Stage) bool { return name == "locals" && !s.Hit }

// leading are the maps whose rows name hosts.
var leading = []string{"paths", "directory", "subnets", "vpcs", "peers", "peer_slots"}

// ledTo is the row that named a host: the last one found before it.
func ledTo(stages []wire.Stage) string {
	for _, s := range slices.Backward(stages) {
		if slices.Contains(leading, s.Map) && s.Hit {
			return row(s)
		}
	}
	return ""
}
