// SPDX-License-Identifier: Apache-2.0

package fuzz

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/mizar-net/mizar/bpf"
)

// Parts is what the host knows of the packet that a fragment is of.
type Parts uint8

// What it may know.
const (
	NoParts       Parts = iota
	PartsAsked          // others have asked h1 with [Token]
	PartsAskedTwo       // others have asked h2, to be sent back, with [Token]
	PartsLearned        // others have gone to h2
	PartsGone           // others have gone to a host that is not there any more
	PartsBegun          // the first one has asked h1 with [Token]
	PartsHere           // the first one has been delivered
	PartsLong           // others have asked so long ago that it does not count
	kindsOfParts
)

// fragmentsLive is how long a row of fragments counts (RFC 8200, 4.5).
const fragmentsLive = time.Minute

// rowOfParts is what is known as a row of fragments.
func (b *Bench) rowOfParts(k Parts) bpf.RowFragmented {
	h1, h2 := b.held.Index().Hosts["h1"], b.held.Index().Hosts["h2"]
	row := bpf.RowFragmented{Since: uint32((b.now + between) / time.Second)}
	switch k {
	case PartsAsked, PartsBegun:
		row.State, row.Host, row.Generation, row.Token = asked, h1, 25, Token
	case PartsAskedTwo:
		row.State, row.Host, row.Generation, row.Token, row.Flags = asked, h2, 26, Token, sendBack
	case PartsLearned:
		row.State, row.Host, row.Generation, row.Identity = learned, h2, 27, 92
	case PartsGone:
		row.State, row.Host, row.Generation = learned, 1000, 28
	case PartsLong:
		row.State, row.Host, row.Token = asked, h1, Token
		row.Since -= uint32(fragmentsLive/time.Second) + 1
	}
	if k == PartsBegun || k == PartsHere {
		row.Begun, row.From, row.To = 1, 7, 9
	}
	return row
}

// counts says that the other fragments of a packet have gone a way that this one
// goes too; not so a first one that comes once more.
func (o oracle) counts(p packet) bool {
	return p.fragment != whole && o.parts.State != 0 && o.fresh() && (p.fragment == laterFragment || o.parts.Begun == 0)
}

// fresh says that the row of fragments is not too old.
func (o oracle) fresh() bool {
	return o.now/time.Second-time.Duration(o.parts.Since) <= fragmentsLive/time.Second
}

// together says that the question with that token was asked by all fragments of the
// packet.
func (o oracle) together(h heard) bool {
	row := o.parts
	return h.inner.fragment != whole && o.fresh() && row.State == asked && row.Token != 0 && row.Token == h.control.token
}

// along is the way of a fragment that others have gone before.
func (o oracle) along(from *endpoint) (to netip.Addr, l label, out outcome) {
	to, ok := o.hostNumbered(o.parts.Host)
	if !ok {
		return to, l, dropped(bpf.RowDropReasonDROP_NO_HOST)
	}
	l = label{vni: from.vni, identity: from.identity, generation: o.parts.Generation}
	if o.parts.State == learned {
		return to, l, outcome{verdict: bpf.RowVerdictVERDICT_SEND, port: uplinkPort}
	}
	l.option = asks(o.parts.Flags, 4, from.generation, o.parts.Token, source(to))
	return to, l, outcome{verdict: bpf.RowVerdictVERDICT_ASK, port: uplinkPort}
}

// identification is a 16-bit one as a key of fragments holds it.
func identification(b []byte) uint32 { return uint32(binary.NativeEndian.Uint16(b)) }
