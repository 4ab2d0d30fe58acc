// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
)

// TestSegmentsAreJudgedByTheirOwnSize: a packet that stands for several is too
// big when one of them is. The kernel encapsulates no such packet outside of a
// device, so one that fits dies of that.
func TestSegmentsAreJudgedByTheirOwnSize(t *testing.T) {
	d, err := dataplane.Load(dataplane.Options{Mode: dataplane.Simulated})
	if err != nil {
		t.Fatalf("load the programs (this needs root): %v", err)
	}
	t.Cleanup(func() { d.Close() })
	if _, err := d.Apply(reasonsHost()); err != nil {
		t.Fatal(err)
	}
	if err := d.SetNow(time.Minute); err != nil {
		t.Fatal(err)
	}
	p, err := d.EndpointIn(state.FormTCX)
	if err != nil {
		t.Fatal(err)
	}
	const most = 1500 - 20 - 8 - 8 - 8 - 28 - 14 - 20 - 20 // the payload of a segment that fits, with a question
	for _, c := range []struct {
		kind    frame.Kind
		segment uint32
		want    bpf.RowDropReason
	}{
		{frame.TCP, 0, bpf.RowDropReasonDROP_MTU},
		{frame.TCP, most, bpf.RowDropReasonDROP_NO_ROOM},
		{frame.TCP, most + 1, bpf.RowDropReasonDROP_MTU},
		{frame.UDP, most + 12, bpf.RowDropReasonDROP_NO_ROOM},
		{frame.UDP, most + 13, bpf.RowDropReasonDROP_MTU},
		{frame.RawIP, 100, bpf.RowDropReasonDROP_MTU},
	} {
		f, err := frame.Build(sent(func(s *frame.Spec) { s.Kind, s.Proto, s.Payload = c.kind, 99, make([]byte, 3000) }))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Forget(); err != nil {
			t.Fatal(err)
		}
		// struct __sk_buff of linux/bpf.h: mark, number of segments, their size.
		told := make([]byte, 192)
		for at, value := range map[int]uint32{8: portOfRed, 164: 3, 176: c.segment} {
			binary.NativeEndian.PutUint32(told[at:], value)
		}
		if _, err := p.Run(&ebpf.RunOptions{Data: f, DataOut: make([]byte, len(f)+256), Context: told}); err != nil {
			t.Fatal(err)
		}
		record, err := d.TakeRecord()
		if err != nil {
			t.Fatal(err)
		}
		if got := bpf.RowDropReason(record.Reason); got != c.want {
			t.Errorf("%s in segments of %d: want %s, got %s", c.kind, c.segment, c.want, got)
		}
	}
}
