// SPDX-License-Identifier: Apache-2.0

package fuzz

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/kernel"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
)

// Token is that of every open question.
const Token = 0x5eed0001

// Known is what the host knows of an address when a frame comes.
type Known uint8

// What it may know.
const (
	Nothing       Known = iota
	AskedNow            // asked a moment ago, with [Token]
	AskedLong           // asked long ago, with [Token]
	LearnedH1           // learned long ago to be behind h1
	LearnedH2Tell       // learned a moment ago to be behind h2, which is to be told
	LearnedGone         // learned to be behind a host that is not there any more
	LocalHere           // taken to be behind this host
	LearnedH4Now        // learned a moment ago to be behind h4
	knowns
)

// Case is one frame that meets a host.
type Case struct {
	Role Role
	// Port is an endpoint's (0 to 3: me, neighbour, the twin of me in another
	// VPC, nobody's); of the uplink it does not count.
	Port uint8
	// Form of the endpoint program.
	Form state.Form
	// Source and Destination say what the host knows of the addresses of the
	// inner packet.
	Source, Destination Known
	// Parts says what it knows of the packet that the inner one is a fragment of.
	Parts Parts
	Frame []byte
}

// String is the case as a report shows it.
func (c Case) String() string {
	return fmt.Sprintf("role %d, port %d, form %q, source %d, destination %d, parts %d, %d bytes % x", c.Role, c.Port, c.Form, c.Source, c.Destination, c.Parts, len(c.Frame), c.Frame[:min(len(c.Frame), 256)])
}

// endpointCase reads the knobs of the endpoint's fuzz target.
func endpointCase(knobs uint16, frame []byte) Case {
	c := Case{Port: uint8(knobs & 3), Form: state.FormXDP, Role: Role(knobs >> 3 & 3), Destination: Known(knobs >> 5 & 7), Parts: Parts(knobs >> 8 & 7), Frame: frame}
	if knobs&4 != 0 {
		c.Form = state.FormTCX
	}
	return c
}

// uplinkCase reads the knobs of the uplink's.
func uplinkCase(knobs uint16, frame []byte) Case {
	return Case{Role: Role(knobs & 3), Source: Known(knobs >> 2 & 7), Destination: Known(knobs >> 5 & 7), Parts: Parts(knobs >> 8 & 7), Frame: frame}
}

// Runs says that the frame can be run: none that a driver would not hand over,
// and all of it in a packet's first part. Outside of a device the kernel makes no
// sk_buff of an IP packet without its header.
func (c Case) Runs() bool {
	b := c.Frame
	if len(b) < kernel.MinFrame || len(b) > longest {
		return false
	}
	least := map[uint16]int{frame.TypeIPv4: ethernet + 20, frame.TypeIPv6: ethernet + 40}
	return c.Form != state.FormTCX || len(b) >= least[binary.BigEndian.Uint16(b[12:])]
}

// longest frames are too big for the underlay, and in one part.
const longest = 2000

// port is the number of the endpoint's.
func (c Case) port() uint32 {
	return [...]uint32{mePort, neighbourPort, bluePort, nobodysPort}[c.Port&3]
}

// row is what is known as a row of paths.
func (b *Bench) row(k Known, a netip.Addr) (bpf.RowPath, bool) {
	i := b.held.Index()
	long, moment := uint64(b.now+between-time.Minute), uint64(b.now+between-time.Millisecond)
	switch k {
	case AskedNow:
		return bpf.RowPath{State: asked, Token: Token, Since: moment}, true
	case AskedLong:
		return bpf.RowPath{State: asked, Token: Token, Since: long}, true
	case LearnedH1:
		return bpf.RowPath{State: learned, Host: i.Hosts["h1"], Identity: 90, Generation: 21, Since: long}, true
	case LearnedH2Tell:
		return bpf.RowPath{State: learned, Host: i.Hosts["h2"], Identity: 91, Generation: 22, Token: Token, Tell: 1, Since: moment}, true
	case LearnedGone:
		return bpf.RowPath{State: learned, Host: 1000, Generation: 23, Since: moment}, true
	case LocalHere:
		row := bpf.RowPath{State: local, Host: i.Endpoints["neighbour"]}
		if a == me.v4 || a == me.v6 {
			row.Host = i.Endpoints["me"]
		}
		return row, true
	case LearnedH4Now:
		return bpf.RowPath{State: learned, Host: i.Hosts["h4"], Generation: 24, Token: Token, Since: moment}, true
	}
	return bpf.RowPath{}, false
}

// knowledge is what the host knows when the case's frame comes.
type knowledge struct {
	paths rows
	// packet and parts are the row of fragments; no parts: there is none.
	packet bpf.RowFragmentKey
	parts  bpf.RowFragmented
}

// knows are the rows that the case wants for an inner packet, which goes to an address: its
// own destination's, or a backend's.
func (b *Bench) knows(c Case, vni uint32, p packet, to netip.Addr) knowledge {
	at := knowledge{paths: rows{}}
	if row, ok := b.row(c.Source, p.src); ok && p.src.IsValid() {
		at.paths[key(vni, p.src)] = row
	}
	if row, ok := b.row(c.Destination, to); ok && to.IsValid() {
		at.paths[key(vni, to)] = row
	}
	if c.Parts != NoParts && p.fragment != whole && p.src.IsValid() {
		at.packet = bpf.RowFragmentKey{Source: key(vni, p.src), Destination: p.dst.As16(), Id: p.id, Protocol: uint32(p.proto)}
		at.parts = b.rowOfParts(c.Parts)
	}
	return at
}
