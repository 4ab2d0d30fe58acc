// SPDX-License-Identifier: Apache-2.0

package golden_test

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/golden"
)

// compare compares under rules, and wants no error.
func compare(t testing.TB, want, got []golden.Frame, r golden.Rules) []golden.Difference {
	t.Helper()
	list, err := golden.Comparison{Want: want, Got: got, Rules: r}.Differences()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return list
}

// echoes are n echo requests, in tunnels, that came out at one port.
func echoes(t testing.TB, n int) []golden.Frame {
	var all []golden.Frame
	for i := range n {
		all = append(all, golden.Frame{Port: "uplink:h1", Bytes: build(t, frame.Spec{
			Kind: frame.Echo, SrcMAC: macA, DstMAC: macB, Src: a4, Dst: b4, ID: 7, ICMPSeq: uint16(i + 1), Tunnel: tunnel(100),
		})})
	}
	return all
}

// altered is a frame with another inner packet or tunnel.
func altered(t testing.TB, change func(*frame.Spec)) golden.Frame {
	s := frame.Spec{
		Kind: frame.Echo, SrcMAC: macA, DstMAC: macB, Src: a4, Dst: b4, ID: 7, ICMPSeq: 1, Tunnel: tunnel(100),
	}
	change(&s)
	return golden.Frame{Port: "uplink:h1", Bytes: build(t, s)}
}

func TestMasksCompareTheirBitsOnly(t *testing.T) {
	for _, c := range []struct {
		field, mask string
		same, other func(*frame.Spec)
	}{
		{"outer.tos", "0xfc", func(s *frame.Spec) { s.Tunnel.TOS = 3 }, func(s *frame.Spec) { s.Tunnel.TOS = 4 }},
		{"geneve.vni", "0xff", func(s *frame.Spec) { s.Tunnel.VNI += 256 }, func(s *frame.Spec) { s.Tunnel.VNI++ }},
		{"inner.eth.src", "ff:ff:ff:00:00:00", func(s *frame.Spec) { s.SrcMAC[5]++ }, func(s *frame.Spec) { s.SrcMAC[0] = 6 }},
		{"outer.src", "255.255.255.0", func(s *frame.Spec) { s.Tunnel.Src = host2 }, func(s *frame.Spec) { s.Tunnel.Src = a4 }},
	} {
		g := NewWithT(t)
		rules := golden.Rules{Mask: map[string]string{c.field: c.mask}}
		want := echoes(t, 1)
		g.Expect(compare(t, want, []golden.Frame{altered(t, c.same)}, rules)).To(BeEmpty(), c.field)
		list := compare(t, want, []golden.Frame{altered(t, c.other)}, rules)
		g.Expect(list).To(HaveLen(1), c.field)
		g.Expect(list[0].Field).To(Equal(c.field))
	}
	tcp := func(flags frame.TCPFlags) []golden.Frame {
		return []golden.Frame{{Port: "p", Bytes: build(t, frame.Spec{Kind: frame.TCP, Src: a4, Dst: b4, TCPFlags: flags, Payload: []byte("hello")})}}
	}
	rules := golden.Rules{Mask: map[string]string{"inner.tcp.flags": "SYN|ACK"}}
	NewWithT(t).Expect(compare(t, tcp(frame.ACK), tcp(frame.ACK|frame.PSH), rules)).To(BeEmpty())
	NewWithT(t).Expect(compare(t, tcp(frame.ACK), tcp(frame.SYN|frame.ACK), rules)).To(HaveLen(1))
}

func TestWrongRulesAreRefused(t *testing.T) {
	for want, r := range map[string]golden.Rules{
		"has no bits":         {Mask: map[string]string{"tunnel": "1"}},
		"want a number":       {Mask: map[string]string{"outer.tos": "ff:ff"}},
		"want a MAC":          {Mask: map[string]string{"inner.eth.src": "0xff"}},
		"want TCP flags":      {Mask: map[string]string{"inner.tcp.flags": "SIN"}},
		"masked field":        {Mask: map[string]string{"outer.*": "1"}},
		"only of outer.sport": {Relations: map[string]string{"inner.sport": golden.Entropy}},
		"only of tokens":      {Relations: map[string]string{"outer.sport": golden.Echoed}},
		"another field":       {Relations: map[string]string{"outer.tos": "inner.tos"}},
		"to itself":           {Relations: map[string]string{"outer.tos": "outer.tos"}},
		`ignored field "bit`:  {Ignore: []string{"bits"}},
	} {
		_, err := golden.Comparison{Rules: r}.Differences()
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(want)))
	}
}

func TestRelationsAreCheckedNotCompared(t *testing.T) {
	g := NewWithT(t)
	rules := golden.Rules{Relations: map[string]string{
		"outer.sport": golden.Entropy, "outer.tos": "inner.ip.tos", "geneve.return.token": golden.Echoed,
	}}
	other := altered(t, func(s *frame.Spec) { s.TOS, s.Tunnel.TOS, s.Tunnel.Options.Return.Token = 8, 8, 4711 })
	list := compare(t, echoes(t, 1), []golden.Frame{other}, rules)
	g.Expect(list).To(HaveLen(1))
	g.Expect(list[0].Field).To(Equal("inner.ip.tos"), "another TOS outside is right when it is the one inside")
	for field, change := range map[string]func(*frame.Spec){
		"outer.sport":         func(s *frame.Spec) { s.Tunnel.SrcPort = 50000 },
		"outer.tos":           func(s *frame.Spec) { s.Tunnel.TOS = 8 },
		"geneve.return.token": func(s *frame.Spec) { s.Tunnel.Options.Return.Token = 0 },
	} {
		list := compare(t, echoes(t, 1), []golden.Frame{altered(t, change)}, rules)
		g.Expect(list).To(HaveLen(1), field)
		g.Expect(list[0].Field).To(Equal(field))
	}
}

// asking is a question that goes on to a bouncer and comes back as an answer.
func asking(t testing.TB, token, relayed, answered uint32) []golden.Frame {
	ask := func(s *frame.Spec) { s.Tunnel.Options.Return.Token = token }
	relay := func(s *frame.Spec) { s.Tunnel.Options.Return.Token, s.Tunnel.Options.Return.Limit = relayed, 3 }
	answer := func(s *frame.Spec) {
		s.Kind, s.Src, s.Dst = frame.EchoReply, b4, a4
		s.Tunnel.Options.Return.Token, s.Tunnel.Options.Return.Flags = answered, frame.ReturnAnswer
	}
	all := []golden.Frame{altered(t, ask), altered(t, relay), altered(t, answer)}
	all[1].Port, all[2].Port = "uplink:h3", "uplink:h2"
	return all
}

func TestTokensMustBeTheOnesAsked(t *testing.T) {
	g := NewWithT(t)
	rules := golden.Rules{Relations: map[string]string{"geneve.return.token": golden.Echoed}}
	want := asking(t, 5, 5, 5)
	g.Expect(compare(t, want, asking(t, 9, 9, 9), rules)).To(BeEmpty())
	for i, got := range [][]golden.Frame{asking(t, 9, 8, 9), asking(t, 9, 9, 8)} {
		list := compare(t, want, got, rules)
		g.Expect(list).To(HaveLen(1))
		g.Expect(list[0].Packet).To(Equal(i + 2))
		g.Expect(list[0].Field).To(Equal("geneve.return.token"))
		g.Expect(list[0].Want).To(ContainSubstring("9"))
	}
	list := compare(t, want[2:], want[2:], rules)
	g.Expect(list).To(HaveLen(1))
	g.Expect(list[0].Want).To(ContainSubstring("none: no packet from 10.0.0.2 to 10.0.0.3 asked"))
	list, err := golden.Comparison{Want: want[2:], Got: want[2:], Inputs: [][]byte{want[0].Bytes}, Rules: rules}.Differences()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(list).To(BeEmpty(), "what was put in has asked too")
}

func TestUnorderedGroups(t *testing.T) {
	g := NewWithT(t)
	want := echoes(t, 5)
	swapped := []golden.Frame{want[0], want[2], want[1], want[3], want[4]}
	g.Expect(compare(t, want, swapped, golden.Rules{})).To(HaveLen(1))
	g.Expect(compare(t, want, swapped, golden.Rules{Unordered: []golden.Group{{Port: "uplink:h1"}}})).To(BeEmpty())
	g.Expect(compare(t, want, swapped, golden.Rules{Unordered: []golden.Group{{Port: "uplink:h1", Packets: []int{2, 3}}}})).To(BeEmpty())
	g.Expect(compare(t, want, swapped, golden.Rules{Unordered: []golden.Group{{Port: "uplink:h1", Packets: []int{4, 5}}}})).To(HaveLen(1))
	g.Expect(compare(t, want, swapped, golden.Rules{Unordered: []golden.Group{{Port: "uplink:h2"}}})).To(HaveLen(1))
	// A changed packet is found in its group, wherever it came.
	changed := slices.Clone(want)
	changed[3], changed[1] = altered(t, func(s *frame.Spec) { s.ICMPSeq, s.TTL = 2, 63 }), want[3]
	list := compare(t, want, changed, golden.Rules{Unordered: []golden.Group{{Port: "uplink:h1"}}})
	g.Expect(list).To(HaveLen(1))
	g.Expect(list[0].Field).To(Equal("inner.ip.ttl"))
	g.Expect(list[0].Packet).To(Equal(2))
}

func TestOneLostExtraOrMovedPacketIsOneDifference(t *testing.T) {
	all := echoes(t, 12)
	rapid.Check(t, func(r *rapid.T) {
		g := NewWithT(t)
		got := slices.Clone(all)
		at := rapid.IntRange(0, len(all)-1).Draw(r, "at")
		to := rapid.IntRange(0, len(all)-2).Draw(r, "to")
		switch what := rapid.SampledFrom([]string{"lost", "extra", "moved", "twice", "changed"}).Draw(r, "what"); what {
		case "lost":
			got = slices.Delete(got, at, at+1)
		case "extra":
			got = slices.Insert(got, at, altered(t, func(s *frame.Spec) { s.ICMPSeq = 99 }))
		case "twice":
			got = slices.Insert(got, at, got[to])
		case "changed":
			got[at] = altered(t, func(s *frame.Spec) { s.ICMPSeq, s.ID = uint16(at+1), 8 })
		case "moved":
			if to == at {
				to++
			}
			moved := got[at]
			got = slices.Insert(slices.Delete(got, at, at+1), to, moved)
		}
		g.Expect(compare(t, all, got, golden.Rules{})).To(HaveLen(1))
	})
}

func TestALostAndAChangedPacketAreToldApart(t *testing.T) {
	g := NewWithT(t)
	want := echoes(t, 4)
	got := []golden.Frame{want[1], altered(t, func(s *frame.Spec) { s.ICMPSeq, s.Tunnel.VNI = 3, 101 }), want[3]}
	list := compare(t, want, got, golden.Rules{})
	g.Expect(list).To(HaveLen(2))
	g.Expect(list[0].Packet).To(Equal(1))
	g.Expect(list[0].Field).To(Equal("packet"))
	g.Expect(list[1].Packet).To(Equal(3))
	g.Expect(list[1].Field).To(Equal("geneve.vni"))
}

func TestNoOtherPacketsAtPortsWithoutGoldenOnes(t *testing.T) {
	g := NewWithT(t)
	all := echoes(t, 1)
	other := golden.Frame{Port: "endpoint:default/b", Bytes: all[0].Bytes}
	list := compare(t, all, append(slices.Clone(all), other), golden.Rules{})
	g.Expect(list).To(HaveLen(1))
	g.Expect(list[0].Port).To(Equal(other.Port))
	g.Expect(list[0].Want).To(BeEmpty())
}

// noted is a frame that was dropped and one that came out, with all that is
// known of them.
func noted(t testing.TB) []golden.Frame {
	all := echoes(t, 2)
	all[0] = golden.Frame{Port: "uplink:h1", Bytes: all[0].Bytes, Input: 1, Verdict: "ask", Action: "redirect", Note: "endpoint program at default/a on h1, to h3"}
	all[1] = golden.Frame{Port: golden.Dropped("h1"), Bytes: all[1].Bytes[:20], Input: 2, Verdict: "drop", Reason: "guard_mac", Action: "drop", Note: "endpoint program at default/a on h1"}
	return all
}

func TestNotesAreKeptAndCompared(t *testing.T) {
	g := NewWithT(t)
	file := filepath.Join(t.TempDir(), "x.pcapng")
	g.Expect(golden.Write(file, noted(t))).To(Succeed())
	read, err := golden.Read(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(read).To(Equal(noted(t)))
	for field, change := range map[string]func(*golden.Frame){
		"verdict": func(f *golden.Frame) { f.Verdict = "send" },
		"reason":  func(f *golden.Frame) { f.Reason = "guard_address" },
		"xdp":     func(f *golden.Frame) { f.Action = "pass" },
		"input":   func(f *golden.Frame) { f.Input = 7 },
	} {
		got := noted(t)
		change(&got[1])
		list := compare(t, read, got, golden.Rules{})
		g.Expect(list).To(HaveLen(1), field)
		g.Expect(list[0].Field).To(Equal(field))
		g.Expect(compare(t, read, got, golden.Rules{Ignore: []string{field}})).To(BeEmpty())
	}
	unknown := noted(t)
	for i := range unknown {
		unknown[i].Verdict, unknown[i].Action, unknown[i].Input = "", "", 0
	}
	g.Expect(compare(t, read, unknown, golden.Rules{})).To(BeEmpty(), "what is not known is not compared")
}

func TestTsharkReadsVerdictsAndComments(t *testing.T) {
	path, err := exec.LookPath("tshark")
	if err != nil {
		t.Log("no tshark here: nobody else reads the options")
		return
	}
	g := NewWithT(t)
	file := filepath.Join(t.TempDir(), "x.pcapng")
	g.Expect(golden.Write(file, noted(t))).To(Succeed())
	fields := []string{"-T", "fields", "-e", "frame.number", "-e", "frame.interface_name", "-e", "frame.packet_id", "-e", "frame.comment"}
	out, err := exec.Command(path, append([]string{"-n", "-r", file, "-Y", "frame.verdict.ebpf_xdp == 1"}, fields...)...).Output()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(strings.TrimSpace(string(out))).To(Equal("2\tdrop:h1\t2\tdrop guard_mac: endpoint program at default/a on h1"))
	out, err = exec.Command(path, "-n", "-r", file, "-Y", "frame.verdict.ebpf_xdp == 4", "-T", "fields", "-e", "frame.number").Output()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(strings.TrimSpace(string(out))).To(Equal("1"))
}

func TestEachFieldHasItsPlace(t *testing.T) {
	found := map[string]bool{}
	for _, s := range specs() {
		whole := build(t, s)
		for _, field := range golden.Fields() {
			place, ok := golden.PlaceOf(whole, field)
			if !ok {
				continue
			}
			found[field] = true
			bad := bytes.Clone(whole)
			bad[place.Offset+place.Size-1] ^= 1
			list := compare(t, []golden.Frame{{Port: "p", Bytes: whole}}, []golden.Frame{{Port: "p", Bytes: bad}}, golden.Rules{})
			if len(list) == 0 || list[0].Field != field && !slices.Contains(list[0].Also, field) && list[0].Field != "frame" {
				t.Errorf("%s in %s: reported %v", field, s.Kind, list)
			}
		}
	}
	NewWithT(t).Expect(len(found)).To(BeNumerically(">", 35))
}
