// SPDX-License-Identifier: Apache-2.0

package corpus_test

import (
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
)

// record is a record of a capture file as it stands there.
type record struct {
	frame []byte
	// length is what the record says that there was; 0: the frame's.
	length int
}

// odd are frames that the project's own captures lack.
func odd(t testing.TB) []record {
	t.Helper()
	a4, b4 := netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("192.0.2.20")
	a6, b6 := netip.MustParseAddr("2001:db8::10"), netip.MustParseAddr("2001:db8::20")
	mac := state.MAC{0, 0, 0x5e, 0, 0x53, 0x10}
	var list []record
	add := func(s frame.Spec, spoil func([]byte)) {
		s.SrcMAC = mac
		b, err := frame.Build(s)
		if err != nil {
			t.Fatal(err)
		}
		if spoil != nil {
			spoil(b)
		}
		list = append(list, record{frame: b})
	}
	for _, pair := range [][2]netip.Addr{{a4, b4}, {a6, b6}, {a4, a4}, {a6, a6}} {
		udp := frame.Spec{Kind: frame.UDP, Src: pair[0], Dst: pair[1], SrcPort: 53, DstPort: 5353, TOS: 2, Payload: []byte("odd")}
		add(udp, nil)
		add(udp, func(b []byte) { b[len(b)-1] ^= 0x55 }) // the checksum is wrong
		tagged, short := udp, udp
		tagged.VLAN, short.TTL = 7, 1
		add(tagged, nil)
		add(short, nil)
		add(frame.Spec{Kind: frame.RawIP, Proto: 50, Src: pair[0], Dst: pair[1], TOS: 3, Payload: make([]byte, 32)}, nil)
		add(frame.Spec{Kind: frame.SCTP, Src: pair[0], Dst: pair[1], SrcPort: 9, DstPort: 9, Payload: []byte("odd ")}, nil)
		add(frame.Spec{Kind: frame.UDP, Src: pair[0], Dst: pair[1], SrcPort: 6081, DstPort: 6081, Payload: make([]byte, 40)}, nil)
	}
	add(frame.Spec{Kind: frame.UDP, Src: a4, Dst: b4, Payload: make([]byte, 64)}, func(b []byte) { b[24] ^= 0xff }) // the header's is
	add(frame.Spec{Kind: frame.UDP, Src: a4, Dst: netip.MustParseAddr("224.0.0.251"), Payload: []byte("odd")}, nil)
	for _, kind := range []frame.Kind{frame.ARPRequest, frame.ARPReply, frame.ARPProbe} {
		add(frame.Spec{Kind: kind, Src: a4, Dst: b4}, nil)
	}
	add(frame.Spec{Kind: frame.NS, Src: a6, Target: b6}, nil)
	add(frame.Spec{Kind: frame.NA, Src: a6, Dst: b6}, nil)
	add(frame.Spec{Kind: frame.DAD, Src: a6}, nil)
	add(frame.Spec{Kind: frame.RS, Src: a6}, nil)
	add(frame.Spec{Kind: frame.UDP, Src: a6, Dst: b6, Extensions: []frame.Extension{{Type: 60, Data: make([]byte, 6)}}, Payload: []byte("odd")}, nil)
	add(frame.Spec{Kind: frame.Raw, EtherType: 0x88cc, Payload: make([]byte, 46)}, nil)
	whole := list[0].frame
	return append(list, record{frame: whole[:40], length: len(whole)}, record{frame: whole[:13]}, record{frame: make([]byte, 9500)},
		record{frame: whole, length: 20})
}

// write makes a classic capture file of Ethernet frames.
func write(t testing.TB, list []record) (folder string) {
	t.Helper()
	b := binary.BigEndian.AppendUint32(nil, 0xa1b2c3d4)
	b = append(b, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 1)
	for _, r := range list {
		if r.length == 0 {
			r.length = len(r.frame)
		}
		b = append(b, make([]byte, 8)...)
		b = binary.BigEndian.AppendUint32(b, uint32(len(r.frame)))
		b = binary.BigEndian.AppendUint32(b, uint32(r.length))
		b = append(b, r.frame...)
	}
	folder = t.TempDir()
	b = append(b, 0, 0, 0) // the file was cut here
	for name, content := range map[string][]byte{"odd.pcap": b, "text.cap": []byte("no capture")} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// TestOwn runs the project's own captures, which are always there.
func TestOwn(t *testing.T) {
	golden(t, "testdata/own.golden", "../scenarios/captures", write(t, odd(t)))
}
