// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bench/report"
	"github.com/mizar-net/mizar/bench/suite"
	"github.com/mizar-net/mizar/bench/traffic"
)

// hasty is enough to see every part of the output.
var hasty = []string{"--loads", "1", "--rounds", "1", "--sample", "1ms"}

func TestShippedCapturesAreListed(t *testing.T) {
	for _, args := range [][]string{{"cases"}, {"replay", "--list"}} {
		g := NewWithT(t)
		shown, err := run(args...)
		g.Expect(err).NotTo(HaveOccurred())
		for _, s := range traffic.All() {
			g.Expect(shown).To(ContainSubstring("replay/"+s.Name), "%v", args)
		}
	}
}

// TestCaptureFromTheFrontDoor measures a file with both instruments, in every
// format.
func TestCaptureFromTheFrontDoor(t *testing.T) {
	g := NewWithT(t)
	c, err := traffic.Load("short")
	g.Expect(err).NotTo(HaveOccurred())
	dir := t.TempDir()
	file, page, old := filepath.Join(dir, "mine.pcap"), filepath.Join(dir, "page.html"), filepath.Join(dir, "old.json")
	g.Expect(c.Write(file)).To(Succeed())

	document, err := run(append([]string{"replay", file, "-o", "json", "--html", page}, hasty...)...)
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	d, err := report.Parse([]byte(document))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(d.Mixes).To(HaveLen(1))
	g.Expect(d.Mixes[0].Packets).To(Equal(len(c.Packets)))
	var names []string
	for _, f := range d.Figures {
		names = append(names, f.Instrument+" "+f.Name)
		g.Expect(f.FloorCost()).NotTo(BeZero(), f.ID())
	}
	g.Expect(names).To(Equal([]string{"test_run replay/mine/send", "test_run replay/mine", "live replay/mine"}))
	g.Expect(d.Figures[2].Delivered()).To(BeNumerically(">", 0.9))
	g.Expect(document).To(And(ContainSubstring(`"mpps"`), ContainSubstring(`"gbit_per_s"`)))
	html, err := os.ReadFile(page)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(html)).To(And(ContainSubstring("mine: 360 packets"), ContainSubstring("Gbit/s")))

	g.Expect(os.WriteFile(old, []byte(document), 0o600)).To(Succeed())
	table, err := run(append([]string{"replay", file, "--compare", old, "--instrument", "live"}, hasty...)...)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(table).To(And(ContainSubstring("mine: 360 packets, mean"), ContainSubstring("against "+old), Not(ContainSubstring("test_run"))))
	lines, err := run(append([]string{"replay", file, "-o", "benchfmt", "--instrument", "live"}, hasty...)...)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(lines).To(ContainSubstring("BenchmarkReplayMine/instrument=live/"))
}

// TestBadCapturesAreNamed says file, packet, why, and what to do.
func TestBadCapturesAreNamed(t *testing.T) {
	g := NewWithT(t)
	pcap := func(name string, link, captured, length uint32) string {
		b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
		b = append(b, 2, 0, 4, 0)
		b = append(b, make([]byte, 8)...)
		for _, v := range []uint32{65535, link, 0, 0, captured, length} {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		file := filepath.Join(t.TempDir(), name)
		g.Expect(os.WriteFile(file, append(b, make([]byte, captured)...), 0o600)).To(Succeed())
		return file
	}
	good := pcap("good.pcap", 1, 60, 60)
	for _, c := range []struct {
		want  string
		files []string
	}{
		{"cooked.pcap: packet 1: byte 24: link type 113: want Ethernet (1) or raw IP", []string{pcap("cooked.pcap", 113, 60, 60)}},
		{"cut.pcap: packet 1: byte 24: only 60 of 100 bytes were captured: want whole packets (record with snap length 0)", []string{pcap("cut.pcap", 1, 60, 100)}},
		{"long.pcap: none of its 1 packets can be sent: want at least one of at most 1514 bytes", []string{pcap("long.pcap", 1, 9000, 9000)}},
		{"want different names", []string{good, pcap("good.pcap", 1, 60, 60)}},
	} {
		_, err := run(append(append([]string{"replay"}, c.files...), hasty...)...)
		g.Expect(err).To(MatchError(ContainSubstring(c.want)))
	}
}

// TestForeignCaptures takes a handful of every link type beside the repository.
func TestForeignCaptures(t *testing.T) {
	folder := os.Getenv("MIZAR_PCAPS")
	if folder == "" {
		folder = "../../../shared/pcaps"
	}
	if _, err := os.Stat(folder); err != nil {
		t.Logf("not run: no foreign captures at %s (MIZAR_PCAPS says where they are)", folder)
		return
	}
	args := []string{"replay", "-o", "json"}
	for _, name := range []string{
		"zeek/globus-url-copy.pcap", "zeek/dns__dns-binds.pcap", "zeek/icmp__icmp-timeexceeded.pcap", "tcpdump/802.1ad_QinQ.pcap",
		"tcpdump/LINKTYPE_IPV4.pcap", "tcpdump/LINKTYPE_IPV6.pcap", "tcpdump/LINKTYPE_RAW_ipv6.pcap", "tcpdump/OSPFv3_with_AH.pcap",
	} {
		args = append(args, filepath.Join(folder, name))
	}
	g := NewWithT(t)
	document, err := run(append(args, hasty...)...)
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	d, err := report.Parse([]byte(document))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(d.Mixes).To(HaveLen(8))
	for _, f := range d.Figures {
		if f.Instrument == report.Live {
			g.Expect(f.Delivered()).To(BeNumerically("~", f.Share.Expected, 0.1), f.ID())
		}
	}
}

// TestRegressionsOfRecordedTrafficAreMeasuredAgain: short runs compare a capture
// with the recorded figures, and know how to measure it once more.
func TestRegressionsOfRecordedTrafficAreMeasuredAgain(t *testing.T) {
	g := NewWithT(t)
	_, recorded, err := report.Recorded()
	g.Expect(err).NotTo(HaveOccurred())
	var o options
	var names []string
	for _, f := range recorded {
		if suite.IsReplay(f.Name) {
			names = append(names, f.ID())
		}
	}
	g.Expect(names).NotTo(BeEmpty(), "mizar bench --brief compares a capture")
	o.instrument, o.output, o.cpu = report.Live, "text", -1
	_, err = o.pin()
	g.Expect(err).NotTo(HaveOccurred())
	o.plan = suite.Plan{Loads: 1, Rounds: 1, Sample: time.Millisecond}
	figures, err := o.remeasure(context.Background(), []string{"replay/imix"})
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	g.Expect(figures).To(HaveLen(1))
	g.Expect(names).To(ContainElement(figures[0].ID()))
}
