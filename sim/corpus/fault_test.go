// SPDX-License-Identifier: Apache-2.0

package corpus_test

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/kernel"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/corpus"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// faulty is a machine with a planted fault.
type faulty struct {
	testrun.Machine
	before func(*testrun.Arrival)
	after  func(testrun.Arrival, *testrun.Result)
	fails  error
	drops  func(map[string]uint64)
}

func (f faulty) Run(a testrun.Arrival) (testrun.Result, error) {
	if f.fails != nil {
		return testrun.Result{}, f.fails
	}
	if f.before != nil {
		f.before(&a)
	}
	r, err := f.Machine.Run(a)
	if f.after != nil && err == nil {
		f.after(a, &r)
	}
	return r, err
}

func (f faulty) Drops() (map[string]uint64, error) {
	m, err := f.Machine.Drops()
	if f.drops != nil {
		f.drops(m)
	}
	return m, err
}

// verdict makes a fault of what comes out with one verdict.
func verdict(v bpf.RowVerdict, spoil func(*testrun.Result)) faulty {
	return faulty{after: func(_ testrun.Arrival, r *testrun.Result) {
		if bpf.RowVerdict(r.Record.Verdict) == v {
			spoil(r)
		}
	}}
}

// flip spoils a byte, counted from the end when negative.
func flip(at int) func(*testrun.Result) {
	return func(r *testrun.Result) {
		if at < 0 {
			at += len(r.Frame)
		}
		if at < len(r.Frame) {
			r.Frame[at] ^= 0x10
		}
		if at > 0 && at >= len(r.Frame) {
			r.Frame[0] ^= 0x10
		}
	}
}

// sumIPv4 makes the header's checksum right, whatever it was.
func sumIPv4(r *testrun.Result) {
	if len(r.Frame) < 34 || binary.BigEndian.Uint16(r.Frame[12:]) != 0x0800 {
		return
	}
	h := r.Frame[14 : 14+int(r.Frame[14]&0xf)*4]
	h[10], h[11] = 0, 0
	sum := uint32(0)
	for ; len(h) >= 2; h = h[2:] {
		sum += uint32(binary.BigEndian.Uint16(h))
	}
	sum = sum&0xffff + sum>>16
	binary.BigEndian.PutUint16(r.Frame[24:], ^uint16(sum&0xffff+sum>>16))
}

// TestFaultsAreFound plants a fault for each promise.
func TestFaultsAreFound(t *testing.T) {
	const (
		drop, pass, answer   = bpf.RowVerdictVERDICT_DROP, bpf.RowVerdictVERDICT_PASS, bpf.RowVerdictVERDICT_ANSWER
		deliver, send, ask   = bpf.RowVerdictVERDICT_DELIVER, bpf.RowVerdictVERDICT_SEND, bpf.RowVerdictVERDICT_ASK
		relay, sendBack      = bpf.RowVerdictVERDICT_RELAY, bpf.RowVerdictVERDICT_SEND_BACK
		udpLength, outerTOS  = 14 + 20 + 5, 14 + 1
		outerPort, geneveVNI = 14 + 20 + 1, 14 + 20 + 8 + 6
	)
	folder := write(t, odd(t))
	for name, c := range map[string]struct {
		fault faulty
		want  string
	}{
		"verdict":     {verdict(pass, func(r *testrun.Result) { r.Record.Verdict = 77 }), "gave the verdict verdict(77)"},
		"action":      {verdict(pass, func(r *testrun.Result) { r.Action = kernel.Aborted }), "with action aborted, want pass"},
		"no reason":   {verdict(drop, func(r *testrun.Result) { r.Record.Reason = 0 }), "verdict drop with reason none"},
		"reason":      {verdict(pass, func(r *testrun.Result) { r.Record.Reason = 1 }), "verdict pass with reason truncated"},
		"misread":     {verdict(drop, func(r *testrun.Result) { r.Record.Reason = uint32(bpf.RowDropReasonDROP_IP_HEADER) }), "every header can be read"},
		"drop's port": {verdict(drop, func(r *testrun.Result) { r.Record.Ifindex = 1 }), "dropped, but out of port 1"},
		"run":         {faulty{fails: errors.New("bad address")}, "the program did not run: bad address"},
		"uncounted":   {faulty{drops: func(m map[string]uint64) { delete(m, "guard_mac") }}, "packets died of guard_mac, but 0 are counted"},
		"twice":       {faulty{drops: func(m map[string]uint64) { m["multicast"] *= 2 }}, "packets died of multicast, but "},
		"stolen": {verdict(pass, func(r *testrun.Result) {
			r.Action, r.Record.Verdict, r.Record.Reason = kernel.Drop, uint32(drop), uint32(bpf.RowDropReasonDROP_NOT_OURS)
		}), "verdict drop on a packet that is for the tunnel: false"},
		"touched":   {verdict(pass, flip(-1)), "came out as"},
		"no guard":  {faulty{before: forge(t)}, "the endpoint is "},
		"unread":    {faulty{before: forge(t)}, "whose headers cannot be read"},
		"payload":   {verdict(deliver, flip(-1)), "came out as"},
		"source":    {verdict(deliver, flip(6)), "byte 6 came out as"},
		"TTL":       {verdict(deliver, flip(22)), "the IPv4 header's checksum was off by"},
		"made good": {verdict(deliver, sumIPv4), "the IPv4 header's checksum was off by"},
		"longer":    {verdict(deliver, func(r *testrun.Result) { r.Frame = append(r.Frame, 0) }), "bytes came out, want"},
		"port":      {verdict(deliver, func(r *testrun.Result) { r.Record.Ifindex = 9 }), "delivered to port 9, where no endpoint is"},
		"other's":   {verdict(deliver, func(r *testrun.Result) { r.Record.Ifindex ^= 1 }), "but the destination is"},
		"incapable": {faulty{before: unmark}, "not capable inside"},
		"answer":    {verdict(answer, flip(11)), "byte 11 came out as"},
		"asker":     {verdict(answer, func(r *testrun.Result) { r.Record.Ifindex = 1 }), "answered out of port 1"},
		"uplink":    {verdict(send, func(r *testrun.Result) { r.Record.Ifindex = 100 }), "but out of port 100, want the uplink"},
		"sent":      {verdict(send, flip(-1)), "came out as"},
		"relayed":   {verdict(relay, flip(-1)), "came out as"},
		"sent back": {verdict(sendBack, flip(-1)), "came out as"},
		"no tunnel": {verdict(ask, flip(23)), "no tunnel packet came out"},
		"UDP":       {verdict(ask, flip(udpLength)), "outer"},
		"IP":        {verdict(ask, flip(14+10)), "checksum outer.ip"},
		"TOS":       {verdict(ask, flip(outerTOS)), "outer headers"},
		"VNI":       {verdict(ask, flip(geneveVNI)), "outer headers"},
		"entropy":   {verdict(ask, flip(outerPort)), "the entropy of the inner fields"},
	} {
		t.Run(name, func(t *testing.T) {
			c.fault.Machine = machine(t)
			report, err := corpus.Run(t.Context(), c.fault, folder)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range report.Found {
				if strings.Contains(s.Broken, c.want) {
					return
				}
			}
			t.Errorf("%d surprises, none says %q: %v", report.Surprises, c.want, report.Found)
		})
	}
}

// forge lets what the guard would stop through: the program gets an honest frame
// in the place of the one that was sent.
func forge(t *testing.T) func(*testrun.Arrival) {
	honest, err := frame.Build(frame.Spec{Kind: frame.UDP, SrcMAC: state.MAC{2, 0, 0, 0, 0, 10}, DstMAC: state.MAC{2, 0x4d, 0x5a, 0x4d, 0x5a, 1},
		Src: netip.MustParseAddr("100.64.0.10"), Dst: netip.MustParseAddr("100.64.0.20")})
	if err != nil {
		t.Fatal(err)
	}
	return func(a *testrun.Arrival) {
		if a.Program == testrun.Endpoint {
			a.Frame = honest
		}
	}
}

// unmark hides congestion from the program.
func unmark(a *testrun.Arrival) {
	if a.Program == testrun.Uplink && len(a.Frame) > 15 && a.Frame[15]&3 == 3 {
		a.Frame = append([]byte(nil), a.Frame...)
		a.Frame[15] &^= 3
	}
}
