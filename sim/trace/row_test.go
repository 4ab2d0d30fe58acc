// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"encoding/binary"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/trace"
	"github.com/mizar-net/mizar/sim/wire"
)

func rowBytes(t *testing.T, row any) []byte {
	t.Helper()
	b, err := binary.Append(nil, binary.NativeEndian, row)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return b
}

var names = &wire.Names{
	Hosts:   map[uint32]string{0: "h1", 2: "h2", 3: "h3"},
	Subnets: map[uint32]string{5: "red-a"}, Endpoints: map[uint32]string{7: "default/red-1"},
	Ports: map[uint32]string{1: "uplink"},
}

func TestRowsAreToldByName(t *testing.T) {
	subnet := bpf.RowSubnet{Vni: 100, Bouncer: 1}
	subnet.Bouncers.Count, subnet.Bouncers.Host[0], subnet.Bouncers.Host[1] = 2, 0, 3
	host := bpf.RowHost{Ifindex: 1, Mtu: 1500, Seed: 0xbeef}
	host.Addr = [16]byte{10: 0xff, 11: 0xff, 12: 192, 14: 2, 15: 9}
	host.NextHop.Octet = [6]byte{2, 0, 0, 0, 0, 9}
	face := bpf.RowFlow{Translation: uint8(bpf.RowTranslationTRANSLATION_FACE), Port: 0xa00f, Set: [2]uint32{100}}
	face.Addr = [16]byte{10: 0xff, 11: 0xff, 12: 10, 15: 9}
	for _, c := range []struct {
		table string
		row   any
		brief string
		all   trace.Row
	}{
		{"paths", bpf.RowPath{Host: 2, State: uint8(bpf.RowPathStatePATH_LEARNED), Tell: 1, Token: 0xabc, Since: 1500}, "learned: host h2, tell",
			trace.Row{"state": "learned", "host": "h2", "tell": "yes", "token": "0xabc", "since": "1.5µs"}},
		{"fragments", bpf.RowFragmented{State: uint8(bpf.RowPathStatePATH_ASKED), Host: 2, Token: 5}, "asked: host h2", trace.Row{"state": "asked", "host": "h2"}},
		{"fragments", bpf.RowFragmented{State: uint8(bpf.RowPathStatePATH_LEARNED), Host: 2}, "learned: host h2", trace.Row{"state": "learned", "host": "h2"}},
		{"fragments", bpf.RowFragmented{Begun: 1, From: 0x3930, To: 0x3500}, "from 12345, to 53", trace.Row{"from": "12345", "to": "53"}},
		{"paths", bpf.RowPath{State: uint8(bpf.RowPathStatePATH_ASKED), Token: 1}, "asked", trace.Row{"state": "asked", "token": "0x1"}},
		{"paths", bpf.RowPath{Host: 7, State: uint8(bpf.RowPathStatePATH_LOCAL)}, "local: endpoint red-1", trace.Row{"state": "local", "endpoint": "red-1"}},
		{"paths", bpf.RowPath{Host: 99, State: uint8(bpf.RowPathStatePATH_LEARNED)}, "learned: host number 99", trace.Row{"state": "learned", "host": "number 99"}},
		{"subnets", subnet, "bouncer, bouncers h1 h3", trace.Row{"vni": "100", "bouncer": "yes", "bouncers": "h1 h3"}},
		{"hosts", host, "addr 192.0.2.9, next hop 02:00:00:00:00:09",
			trace.Row{"addr": "192.0.2.9", "nextHop": "02:00:00:00:00:09", "port": "uplink", "mtu": "1500", "seed": "0xbeef"}},
		{"routes", bpf.RowRoute{Subnet: 5}, "subnet red-a", trace.Row{"subnet": "red-a"}},
		{"endpoints", bpf.RowEndpoint{}, "unused", trace.Row{}},
		{"flows", face, "none", trace.Row{"state": "none", "seen": "0s", "faceOf": "10.0.0.9:4000", "vni": "100"}},
		{"shares", bpf.RowShare{Flows: -2}, "flows -2", trace.Row{"flows": "-2"}},
	} {
		g := NewWithT(t)
		row, err := trace.Decode(c.table, rowBytes(t, c.row), names)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(row).To(Equal(c.all), c.table)
		g.Expect(row.Brief(c.table)).To(Equal(c.brief))
	}
}

// Every map that programs tell of has a decoder, for rows of the size that the
// map has.
func TestEveryMapIsDecoded(t *testing.T) {
	g := NewWithT(t)
	spec, err := bpf.LoadRow()
	g.Expect(err).NotTo(HaveOccurred())
	for table := bpf.RowTableTABLE_NONE + 1; table < bpf.RowTableTABLE_MAX; table++ {
		m := spec.Maps[table.String()]
		g.Expect(m).NotTo(BeNil(), table.String())
		_, err := trace.Decode(table.String(), make([]byte, m.ValueSize), nil)
		g.Expect(err).NotTo(HaveOccurred())
		_, err = trace.Decode(table.String(), make([]byte, m.ValueSize+1), nil)
		g.Expect(err).To(MatchError(ContainSubstring("want")))
	}
	_, err = trace.Decode("unheard-of", nil, nil)
	g.Expect(err).To(MatchError(ContainSubstring("no such map")))
}

func TestPlacesAreNumbers(t *testing.T) {
	g := NewWithT(t)
	row, err := trace.Decode("choices", append([]byte{3, 0, 0, 0, 1, 2}, make([]byte, 58)...), nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(row).To(Equal(trace.Row{"backend": "3 0 513"}))
}

// Fields that one line shows are fields that rows have.
func TestBriefFieldsExist(t *testing.T) {
	g := NewWithT(t)
	for table, fields := range trace.BriefFields() {
		has := trace.FieldNames(table)
		for _, f := range fields {
			g.Expect(has).To(ContainElement(f), table)
		}
	}
}

func TestKeysOfArraysAreNamed(t *testing.T) {
	g := NewWithT(t)
	g.Expect(trace.KeyOf("hosts", []byte{3, 0, 0, 0}, names)).To(Equal("host h3"))
	g.Expect(trace.KeyOf("subnets", []byte{5, 0, 0, 0}, names)).To(Equal("subnet red-a"))
	g.Expect(trace.KeyOf("endpoints", []byte{7, 0, 0, 0}, names)).To(Equal("endpoint red-1"))
	g.Expect(trace.KeyOf("ports", []byte{7, 0, 0, 0}, names)).To(Equal("row 7"))
	g.Expect(trace.KeyOf("hosts", []byte{3, 0, 0, 0}, nil)).To(Equal("row 3"))
}

func TestTraceShowsWhatARowWas(t *testing.T) {
	g := NewWithT(t)
	o := outcome(t)
	o.Requests[0].Steps[0].Names = names
	o.Requests[0].Steps[0].Stages = []wire.Stage{{
		Name: "learn", Map: "paths", Key: addrKey(100, "10.0.0.3"), Access: "update", Hit: true,
		Before: rowBytes(t, bpf.RowPath{State: uint8(bpf.RowPathStatePATH_ASKED)}),
		Row:    rowBytes(t, bpf.RowPath{Host: 2, State: uint8(bpf.RowPathStatePATH_LEARNED)}),
	}}
	stage := trace.Of(o)[0].Steps[0].Stages[0]
	g.Expect(stage.Text).To(Equal("learned: host h2 (was asked)"))
	g.Expect(stage.Before).To(Equal(trace.Row{"state": "asked"}))
	o.Requests[0].Steps[0].Stages[0].Row = []byte{1}
	g.Expect(trace.Of(o)[0].Steps[0].Stages[0].Text).To(ContainSubstring("got 1 bytes"))
}

func TestCaptureHasAPacketForEveryProgram(t *testing.T) {
	g := NewWithT(t)
	o := outcome(t)
	o.Requests[0].Steps[0].Action = "transmit"
	c := trace.Capture(o)
	g.Expect(c.Packets).To(HaveLen(2))
	g.Expect(c.Packets[0].Interface).To(Equal("endpoint:default/red-1"))
	g.Expect(c.Packets[0].Action).To(Equal("transmit"))
	g.Expect(c.Packets[0].Comment).To(HavePrefix("request 1, program 1 of 2\nh1: endpoint program at red-1\n  guard\n"))
	g.Expect(c.Packets[1].Interface).To(Equal("uplink:h3"))
	g.Expect(c.Packets[1].Comment).To(HaveSuffix("\ndrop no_endpoint"))
	g.Expect(c.Packets[1].ID).To(Equal(c.Packets[0].ID))

	o.Requests[0].Delivered, o.Requests[0].To = true, "default/red-2"
	o.Requests[0].Steps[1].Out = o.Requests[0].Steps[1].In
	c = trace.Capture(o)
	g.Expect(c.Packets).To(HaveLen(3))
	g.Expect(c.Packets[2].Interface).To(Equal("endpoint:default/red-2"))
	g.Expect(c.Packets[2].Frame).To(Equal(o.Requests[0].Steps[1].In))
	_, err := c.Pcapng()
	g.Expect(err).NotTo(HaveOccurred())
	_, err = frame.Decode(c.Packets[0].Frame)
	g.Expect(err).NotTo(HaveOccurred())
}
