// SPDX-License-Identifier: Apache-2.0

package fuzz

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/kernel"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
)

// Endpoint runs the case through the endpoint program, and says what it did
// otherwise than the oracle: "" when nothing.
func (b *Bench) Endpoint(c Case) (string, error) {
	vni := uint32(0)
	if from := atPort(c.port()); from != nil {
		vni = from.vni
	}
	p, _ := read(c.Frame)
	program, err := b.held.EndpointIn(c.Form)
	if err != nil {
		return "", err
	}
	q, _ := served(vni, p)
	return b.try(c, program, b.knows(c, vni, p, q.dst), func(o oracle) outcome { return o.endpoint(c.port(), c.Frame) })
}

// Uplink is the same for the uplink program and those behind it.
func (b *Bench) Uplink(c Case) (string, error) {
	h, kind := hear(c.Frame)
	if kind == ours {
		h, _ = h.open()
	}
	return b.try(c, b.held.Uplink(), b.knows(c, h.vni, h.inner, h.inner.dst), func(o oracle) outcome { return o.uplink(c.Frame) })
}

func (b *Bench) try(c Case, p *ebpf.Program, at knowledge, says func(oracle) outcome) (string, error) {
	if err := b.prepare(at); err != nil {
		return "", err
	}
	port := uint32(uplinkPort)
	if c.Form != "" {
		port = c.port()
	}
	got, err := b.run(p, port, c.Frame)
	if err != nil {
		return "", err
	}
	want := says(b.oracle(at))
	if want.unknown {
		return "", nil
	}
	counted, err := b.miscounted(want)
	if said := b.differs(want, got, at.paths, c.Form); said != "" || err != nil {
		return said, err
	}
	return counted, nil
}

// differs is the first difference between what must be and what is.
func (b *Bench) differs(want outcome, got ran, known rows, form state.Form) string {
	verdict, reason := bpf.RowVerdict(got.record.Verdict), bpf.RowDropReason(got.record.Reason)
	if verdict != want.verdict || reason != want.reason {
		return fmt.Sprintf("verdict %s (%s), want %s (%s)", verdict, reason, want.verdict, want.reason)
	}
	if action := actionOf(want, form); got.action != action {
		return fmt.Sprintf("verdict %s with action %s, want %s", verdict, got.action, action)
	}
	if got.record.Ifindex != want.port {
		return fmt.Sprintf("out of port %d, want %d", got.record.Ifindex, want.port)
	}
	token, said := sameRows(want, got.paths, known)
	if said != "" {
		return said
	}
	if wanted := (map[string]uint16{want.lowered: want.mtu}); want.lowered == "" && len(got.mtus) > 0 || want.lowered != "" && !maps.Equal(got.mtus, wanted) {
		return fmt.Sprintf("MTUs lowered: %v, want %q %d", got.mtus, want.lowered, want.mtu)
	}
	if want.frame == nil {
		return ""
	}
	return sameFrame(want, got.frame, token)
}

// actionOf is what a program returns with a verdict.
func actionOf(want outcome, form state.Form) kernel.Action {
	switch want.verdict {
	case bpf.RowVerdictVERDICT_DROP:
		return kernel.Drop
	case bpf.RowVerdictVERDICT_PASS:
		return kernel.Pass
	case bpf.RowVerdictVERDICT_DELIVER:
		return kernel.Redirect
	}
	if form == "" && want.port != uplinkPort {
		return kernel.Redirect // from the underlay to an endpoint
	}
	// Out of the port that it came in by; TCX has one action for all ports.
	if form == state.FormTCX || form == state.FormXDP && want.port == uplinkPort {
		return kernel.Redirect
	}
	return kernel.Transmit
}

// sameRows holds the rows of paths to what was known and what must be learned,
// and returns the token that the host chose.
func sameRows(want outcome, got, known rows) (uint32, string) {
	all := maps.Clone(known)
	maps.Copy(all, want.learned)
	token := uint32(0)
	for k, row := range all {
		is, ok := got[k]
		if _, fresh := want.learned[k]; ok && fresh && want.token {
			token, row.Token = is.Token, is.Token
			if token == 0 {
				return 0, "asked with the token 0"
			}
		}
		if !ok || is != row {
			return 0, fmt.Sprintf("row %v of paths is %+v, want %+v", k, is, row)
		}
	}
	if len(got) != len(all) {
		return 0, fmt.Sprintf("%d rows of paths, want %d: %v", len(got), len(all), got)
	}
	return token, ""
}

// sameFrame compares every byte of what came out; the oracle has no say in a
// token, but that it is the row's.
func sameFrame(want outcome, got []byte, token uint32) string {
	wanted := want.frame
	if want.token && want.reason == 0 {
		wanted = bytes.Clone(wanted)
		at := tokenAt(wanted)
		if len(got) < at+4 {
			return fmt.Sprintf("%d bytes came out, too few for an option", len(got))
		}
		binary.BigEndian.PutUint32(wanted[at:], token)
	}
	if bytes.Equal(wanted, got) {
		return ""
	}
	at := 0
	for at < min(len(wanted), len(got)) && wanted[at] == got[at] {
		at++
	}
	return fmt.Sprintf("byte %d differs:\n got %d bytes …% x\nwant %d bytes …% x", at, len(got), excerpt(got, at), len(wanted), excerpt(wanted, at))
}

// excerpt is what stands around a byte.
func excerpt(b []byte, at int) []byte { return b[max(0, min(at-8, len(b))):min(at+24, len(b))] }

// tokenAt is where the token of a tunnel packet stands.
func tokenAt(b []byte) int {
	ip := 20
	if binary.BigEndian.Uint16(b[12:]) == frame.TypeIPv6 {
		ip = 40
	}
	return ethernet + ip + 8 + 8 + 8 + 4 + 4
}

// miscounted holds the counters to exactly one verdict, and one reason if there
// is any.
func (b *Bench) miscounted(want outcome) (string, error) {
	drops, err := b.held.Drops()
	if err != nil {
		return "", err
	}
	verdicts, err := b.held.Verdicts()
	if err != nil {
		return "", err
	}
	b.verdicts[want.verdict.String()]++
	if want.reason != 0 {
		b.drops[want.reason.String()]++
	}
	if !maps.Equal(drops, b.drops) || !maps.Equal(verdicts, b.verdicts) {
		said := fmt.Sprintf("counted %v and %v, want %v and %v", verdicts, drops, b.verdicts, b.drops)
		b.drops, b.verdicts = drops, verdicts
		return said, nil
	}
	return "", nil
}
