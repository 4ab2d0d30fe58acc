// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/mizar-net/mizar/controlplane/object/strict"
	"github.com/mizar-net/mizar/sim/wire"
)

// Table is a truth table: who reaches whom by what, in every family that both have.
//
//	table:
//	  ports: [icmp, tcp/80, udp/53]     # or proto: [tcp, udp] and port: 80
//	  from: [x/a, x/b]                  # endpoints: names both
//	  to: [x/a, y/a, 203.0.113.9]
//	  truth: ["-.X", ".XX"]             # of all ports; or {tcp/80: […], udp/53: […], …}
//
// With truth: oracle the table has no say of its own, and wires are held against the
// oracle alone.
type Table struct {
	Talks  []Talk
	Family int
	// From are full names of endpoints, To those or addresses.
	From []string
	To   []Target
	// Relays are hosts that must each relay some first packet.
	Relays []string
	// Truth has for each of Talks a line for each of From, with a mark for each of
	// To: '.' deliver, 'X' drop, '-' not probed. Nil: as the oracle says.
	Truth [][]string
}

// Talk is what is spoken: "icmp", "tcp/80".
type Talk struct {
	Proto wire.Proto
	// Port is the destination's; 0 with icmp.
	Port uint16
}

// String is "tcp/80".
func (t Talk) String() string {
	if t.Port == 0 {
		return string(t.Proto)
	}
	return fmt.Sprintf("%s/%d", t.Proto, t.Port)
}

// Target is whom somebody talks to: an endpoint by its full name, a service, somebody
// outside by his, or an address.
type Target struct {
	Endpoint string
	Service  *Frontend
	Outsider string
	Addr     netip.Addr
}

// String is the name that people call it by, or the address.
func (t Target) String() string {
	if t.Service != nil {
		return t.Service.String()
	}
	switch {
	case t.Endpoint != "":
		return Short(t.Endpoint)
	case t.Outsider != "":
		return t.Outsider
	}
	return t.Addr.String()
}

// Cell is the expected verdict of one pair, empty where that is the oracle's; ok is
// false when the pair is not probed.
func (t Table) Cell(talk, from, to int) (v Verdict, ok bool) {
	if t.Truth == nil {
		return "", t.From[from] != t.To[to].Endpoint
	}
	switch t.Truth[talk][from][to] {
	case '.':
		return Deliver, true
	case 'X':
		return Drop, true
	}
	return "", false
}

func (d *decoder) table(v strict.Value) *Table {
	f := v.Fields("proto", "port", "ports", "family", "endpoints", "from", "to", "truth", "relays")
	t := &Table{
		Talks:  d.talks(v, f),
		Family: family(f.Optional("family")),
		Relays: strict.Each(f.Optional("relays"), d.host),
	}
	both := strict.Each(f.Optional("endpoints"), d.endpoint)
	t.From = strict.Each(f.Optional("from"), d.endpoint)
	t.To = strict.Each(f.Optional("to"), d.target)
	if len(t.From) == 0 {
		t.From = both
	}
	for _, name := range both {
		if !f.Optional("to").Present() {
			t.To = append(t.To, Target{Endpoint: name})
		}
	}
	if v.Present() && d.shape == nil && (len(t.From) == 0 || len(t.To) == 0) {
		v.FailGot("nobody to talk, or to be talked to", "endpoints, or from and to")
	}
	t.Truth = d.truth(f.Required("truth", "one line for each of endpoints, such as \"-.X\", or oracle"), t)
	return t
}

// talks are those of ports, or each of proto with port.
func (d *decoder) talks(v strict.Value, f strict.Fields) (all []Talk) {
	proto, port := f.Optional("proto"), uint16(f.Optional("port").Int(1, 65535))
	if port == 0 {
		port = 7
	}
	ports := strict.Each(f.Optional("ports"), talk)
	if v.Present() && d.shape == nil && proto.Present() == f.Optional("ports").Present() {
		v.FailGot("both or neither of proto and ports", "one of them: proto: [tcp, udp], or ports: [icmp, tcp/80]")
		return nil
	}
	if d.shape == nil && !proto.Present() {
		return ports
	}
	for _, one := range protos(proto) {
		if one == wire.ICMP {
			all = append(all, Talk{Proto: one})
			continue
		}
		all = append(all, Talk{one, port})
	}
	return all
}

// talk reads "icmp" or "tcp/80".
func talk(v strict.Value) Talk {
	proto, port, found := strings.Cut(v.Text(), "/")
	n, err := strconv.ParseUint(port, 10, 16)
	switch {
	case !v.Present() || v.Text() == "":
	case proto == string(wire.ICMP) && !found:
		return Talk{Proto: wire.ICMP}
	case (proto == string(wire.TCP) || proto == string(wire.UDP)) && err == nil && n > 0:
		return Talk{wire.Proto(proto), uint16(n)}
	default:
		v.Fail("icmp, tcp/PORT or udp/PORT")
	}
	return Talk{}
}

// truth reads lines for all talks, or for each by its name; nil for the oracle's.
func (d *decoder) truth(v strict.Value, t *Table) [][]string {
	if isText(v, "oracle") {
		return nil
	}
	if d.shape != nil {
		v.Enum("oracle")
	}
	truth := make([][]string, len(t.Talks))
	if !isMap(v) {
		lines := d.lines(v, t)
		for i := range truth {
			truth[i] = lines
		}
		return truth
	}
	for _, e := range v.Entries() {
		lines, found := d.lines(e.Value, t), false
		for i, talk := range t.Talks {
			if talk.String() == e.Key {
				truth[i], found = lines, true
			}
		}
		if !found && d.shape == nil {
			e.Value.FailGot("the truth of "+strict.Quote(e.Key), "those of the ports that are probed")
		}
	}
	for i, talk := range t.Talks {
		if truth[i] == nil && d.shape == nil {
			v.FailGot("no truth of "+talk.String(), "one of each of ports")
		}
	}
	return truth
}

// lines reads a line for each of From with a mark for each of To.
func (d *decoder) lines(v strict.Value, t *Table) []string {
	all := strict.Each(v, func(v strict.Value) string { return truthRow(v, len(t.To)) })
	if v.Present() && len(all) != len(t.From) {
		v.FailGot(fmt.Sprintf("%d lines", len(all)), fmt.Sprintf("%d, one for each of endpoints", len(t.From)))
	}
	return all
}

func truthRow(v strict.Value, width int) string {
	marks := strings.ReplaceAll(v.Text(), " ", "")
	if marks != "" && (strings.Trim(marks, ".X-") != "" || len(marks) != width) {
		v.Fail(fmt.Sprintf("%d marks, '.' deliver, 'X' drop, '-' not probed", width))
	}
	return marks
}
