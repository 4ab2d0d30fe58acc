// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bench/report"
)

// run is what a user types after `mizar`.
func run(args ...string) (string, error) {
	c := benchCommand()
	var shown bytes.Buffer
	c.SetOut(&shown)
	c.SetErr(&shown)
	c.SetArgs(args)
	err := c.Execute()
	return shown.String(), err
}

func TestFlagsAreRefusedBeforeAnythingIsMeasured(t *testing.T) {
	for _, c := range []struct {
		want string
		args []string
	}{
		{"--output", []string{"-o", "xml"}},
		{"--family", []string{"--family", "5"}},
		{"--instrument", []string{"--instrument", "stopwatch"}},
		{"--cpus", []string{"--cpus", "3"}},
		{"--cpus", []string{"--cpus", "2", "--targets"}},
		{"--loads 0", []string{"--loads", "0"}},
		{"--targets and --brief", []string{"--targets", "--brief"}},
		{"no benchfmt of verdicts", []string{"--targets", "-o", "benchfmt"}},
		{"--compare", []string{"--compare", filepath.Join(t.TempDir(), "nothing.json")}},
		{"nothing to measure for [warp-drive]", []string{"warp-drive"}},
		{"nothing.pcap", []string{"replay", "nothing.pcap"}},
		{"sockets make packets of their own", []string{"replay", "--instrument", "sockets"}},
		{"--output", []string{"memory", "-o", "benchfmt"}},
		{"--vpcs 0", []string{"memory", "--vpcs", "0"}},
		{"--loads 0", []string{"load", "--loads", "0"}},
		{"--output", []string{"services", "-o", "benchfmt"}},
	} {
		_, err := run(c.args...)
		g := NewWithT(t)
		g.Expect(err).To(MatchError(ContainSubstring(c.want)), "%v", c.args)
		g.Expect(errors.Is(err, ErrMissed)).To(BeFalse(), "%v", c.args)
	}
}

// TestOneCaseFromTheFrontDoor measures shortly, writes all that can be written,
// and compares with itself.
func TestOneCaseFromTheFrontDoor(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	short := []string{"uplink/pass", "--family", "4", "--flows", "1", "--loads", "5", "--rounds", "1", "--sample", "1ms"}
	document, err := run(append(short, "-o", "json", "--html", filepath.Join(dir, "page.html"))...)
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	d, err := report.Parse([]byte(document))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(d.Figures).To(HaveLen(1))
	g.Expect(filepath.Join(dir, "page.html")).To(BeARegularFile())

	old := filepath.Join(dir, "old.json")
	g.Expect(os.WriteFile(old, []byte(document), 0o600)).To(Succeed())
	table, err := run(append(short, "--compare", old)...)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(table).To(And(ContainSubstring("against "+old), ContainSubstring("uplink/pass")))
}

// TestWhatCannotBeMeasuredIsNoPass looks for iperf3 where it is not.
func TestWhatCannotBeMeasuredIsNoPass(t *testing.T) {
	g := NewWithT(t)
	t.Setenv("PATH", t.TempDir())
	short := []string{"tcp-stream/1500", "--family", "4", "--loads", "1", "--rounds", "1", "--sample", "1ms"}
	_, err := run(short...)
	g.Expect(err).To(MatchError(ContainSubstring("not measured: tcp-stream/1500: iperf3")))
	g.Expect(errors.Is(err, ErrMissed)).To(BeFalse())
	table, err := run(append(short, "--targets")...)
	g.Expect(err).To(MatchError(ErrMissed))
	g.Expect(table).To(And(ContainSubstring("NOT MEASURED"), ContainSubstring("\nnot measured: tcp-stream/1500: iperf3 is not installed; on Debian: apt-get install iperf3\n")))
}

// TestTransactionsFromTheFrontDoor measures shortly and compares with itself.
func TestTransactionsFromTheFrontDoor(t *testing.T) {
	g := NewWithT(t)
	short := []string{"tcp-rr/rate", "tcp-rr/p99", "--family", "4", "--flows", "10", "--loads", "1", "--rounds", "1", "--sample", "1ms"}
	document, err := run(append(short, "-o", "json")...)
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	g.Expect(document).To(And(ContainSubstring(`"unit": "transactions/s"`), ContainSubstring(`"unit": "µs"`), ContainSubstring(`"role": "underlay"`)))
	old := filepath.Join(t.TempDir(), "old.json")
	g.Expect(os.WriteFile(old, []byte(document), 0o600)).To(Succeed())
	table, err := run(append(short, "--compare", old)...)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(table).To(MatchRegexp(`tcp-rr/rate +xdp +v4 +10 .*too few loads`))
}

func TestTargetsThatAreNotReachedFail(t *testing.T) {
	_, err := run("--targets", "uplink/deliver", "--family", "4", "--loads", "1", "--rounds", "1", "--sample", "1ms")
	NewWithT(t).Expect(err).To(MatchError(ErrMissed))
}

// TestGrowthMemoryAndLoadFromTheFrontDoor measures little of each.
func TestGrowthMemoryAndLoadFromTheFrontDoor(t *testing.T) {
	g := NewWithT(t)
	page := filepath.Join(t.TempDir(), "page.html")
	text, err := run("growth/established/paths", "--family", "4", "--flows", "1", "--loads", "1", "--rounds", "1", "--sample", "1ms", "--html", page)
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	g.Expect(text).To(And(ContainSubstring("growth/established/paths/10 "), ContainSubstring("growth/established/paths/64000 ")))
	drawn, err := os.ReadFile(page)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(drawn)).To(ContainSubstring("<svg"))

	text, err = run("memory", "--directory", "1000")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(text).To(And(ContainSubstring("peer_slots"), MatchRegexp(`a policy row: policy_peers +\d+ +96 +pass`)))
	text, err = run("memory", "--directory", "1000", "-o", "json")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(text).To(And(ContainSubstring(`"name": "directory"`), MatchRegexp(`"status": "pass"`)))

	text, err = run("load", "--loads", "1", "--most", "1000")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(text).To(And(ContainSubstring("change/directory/1000"), Not(ContainSubstring("directory/100000"))))
	text, err = run("load", "--loads", "1", "--most", "0", "-o", "json")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(text).To(ContainSubstring(`"name": "apply/endpoints/4095"`))
	text, err = run("load", "--loads", "1", "--most", "0", "-o", "benchfmt")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(text).To(MatchRegexp(`BenchmarkLoad/change-endpoints-10 1 [0-9]+ ns/op`))
}
