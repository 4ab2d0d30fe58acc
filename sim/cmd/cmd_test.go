// SPDX-License-Identifier: Apache-2.0

package cmd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/spf13/cobra"

	"github.com/mizar-net/mizar/sim/cmd"
	"github.com/mizar-net/mizar/sim/run"
)

// mizar runs a command line and returns its output and exit code.
func mizar(ctx context.Context, args ...string) (string, error) {
	root := &cobra.Command{Use: "mizar", SilenceUsage: true, SilenceErrors: true}
	root.AddCommand(cmd.Commands()...)
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	return out.String(), err
}

const small = `title: one ping
topology:
  hosts: {h1: {addresses: [192.0.2.1]}, h2: {addresses: [192.0.2.2]}}
  vpcs: {red: {vni: 100}}
  subnets: {red-a: {vpc: red, cidrs: [10.0.0.0/24]}}
  endpoints:
    red-1: {subnet: red-a, host: h1, addresses: [10.0.0.2]}
    red-2: {subnet: red-a, host: h2, addresses: [10.0.0.3]}
steps:
- name: it arrives
  probe: {proto: icmp, from: red-1, to: VERDICT
`

func write(t *testing.T, rest string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "small.yaml")
	text := strings.Replace(small, "VERDICT", rest, 1)
	NewWithT(t).Expect(os.WriteFile(file, []byte(text), 0o600)).To(Succeed())
	return file
}

const (
	right = "red-2}\n  expect: {verdict: deliver}"
	wrong = "red-2}\n  expect: {verdict: drop, reason: ttl}"
	bad   = "red-9}\n  expect: {verdict: deliver}"
)

func TestValidateTellsPlaceAndExpectation(t *testing.T) {
	g := NewWithT(t)
	out, err := mizar(t.Context(), "sim", "validate", write(t, right))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(ContainSubstring("small.yaml: 1 steps, valid"))

	file := write(t, bad)
	_, err = mizar(t.Context(), "sim", "validate", file)
	g.Expect(cmd.ExitCode(err)).To(Equal(2))
	g.Expect(err).To(MatchError(ContainSubstring(file + ":11: steps[0].probe.to: ")))
}

func TestBadCommandLinesExitWith2(t *testing.T) {
	file := write(t, right)
	for _, line := range [][]string{
		{"sim", "run", "no-such-scenario"},
		{"sim", "run", file, "--wire", "radio"},
		{"sim", "run", file, "-o", "xml"},
		{"sim", "run", "lookups", "--wire", "veth"},
		{"sim", "trace", file, "--from", "red-1", "--to", "red-9"},
		{"sim", "trace", file, "--from", "red-1", "--to", "red-2", "--family", "6"},
		{"sim", "trace", file, "--from", "red-1", "--to", "Service/web"},
		{"sim", "replay", file, "nothing.pcap", "--at", "red-9", "--golden", "x"},
		{"sim", "replay", file, "nothing.pcap", "--at", "red-1", "--golden", "x"},
		{"sim", "down"},
		{"sim", "down", "no-such-network"},
	} {
		_, err := mizar(t.Context(), line...)
		NewWithT(t).Expect(cmd.ExitCode(err)).To(Equal(2), "%v: %v", line, err)
	}
}

func TestRunPassesAndFails(t *testing.T) {
	g := NewWithT(t)
	out, err := mizar(t.Context(), "sim", "run", write(t, right), "-v")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(ContainSubstring("  pass  it arrives\n"))
	g.Expect(out).To(ContainSubstring("TX CHECKSUM"), "-v prints offloads")
	g.Expect(out).NotTo(ContainSubstring("\x1b"), "plain lines in a pipe")

	out, err = mizar(t.Context(), "sim", "run", write(t, wrong), "--wire", "testrun")
	g.Expect(cmd.ExitCode(err)).To(Equal(1))
	g.Expect(out).To(ContainSubstring("verdict: testrun got delivered to red-2, the scenario wants all dropped (ttl)"))
}

func TestRunInJSON(t *testing.T) {
	g := NewWithT(t)
	out, err := mizar(t.Context(), "sim", "run", write(t, right), "--wire", "testrun", "-o", "json")
	g.Expect(err).NotTo(HaveOccurred())
	var r run.Result
	g.Expect(json.Unmarshal([]byte(out), &r)).To(Succeed())
	g.Expect(r.Status).To(Equal(run.Pass))
	g.Expect(r.Runs[0].Steps[0].Checks[0].Hops).To(Equal([]int{1}))
}

func TestTracePrintsEveryHost(t *testing.T) {
	g := NewWithT(t)
	out, err := mizar(t.Context(), "sim", "trace", "tour", "--from", "red-1", "--to", "red-2", "--tcp", "80")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(ContainSubstring("request 1: h1 → h3 → h2: delivered to red-2, 2 hops"))
	g.Expect(out).To(ContainSubstring("reply 1: h2 → h1: delivered to red-1, 1 hop"))
	g.Expect(out).To(ContainSubstring("relay ─► h2"))
}

func TestTraceGoesToAService(t *testing.T) {
	g := NewWithT(t)
	out, err := mizar(t.Context(), "sim", "trace", "services", "--from", "y/client", "--to", "Service/y/near", "--tcp", "80")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(ContainSubstring("request 1: h1 → h3 → h2: delivered to y/near, 2 hops"))
	g.Expect(out).To(ContainSubstring("reply 1: h2 → h1: delivered to y/client, 1 hop"))
}

func TestReplayRecordsAndCompares(t *testing.T) {
	g := NewWithT(t)
	golden := filepath.Join(t.TempDir(), "golden.pcapng")
	replay := func(capture string, more ...string) error {
		_, err := mizar(t.Context(), append([]string{
			"sim", "replay", write(t, right), "../scenarios/captures/" + capture, "--at", "red-1",
			"--rewrite", "192.0.2.10=red-1,192.0.2.20=red-2", "--wire", "testrun",
		}, more...)...)
		return err
	}
	g.Expect(replay("dns4.pcap", "--record", golden)).To(Succeed())
	g.Expect(replay("dns4.pcap", "--golden", golden)).To(Succeed())
	g.Expect(cmd.ExitCode(replay("ping4.pcap", "--golden", golden))).To(Equal(1))
	g.Expect(cmd.ExitCode(replay("README.md", "--golden", golden))).To(Equal(2))
}

// stopper cancels a context as soon as a run has said something.
type stopper struct {
	bytes.Buffer
	stop context.CancelFunc
}

func (s *stopper) Write(b []byte) (int, error) {
	s.stop()
	return s.Buffer.Write(b)
}

func TestCtrlCLeavesNothingBehind(t *testing.T) {
	g := NewWithT(t)
	before := things(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	root := &cobra.Command{Use: "mizar", SilenceUsage: true, SilenceErrors: true}
	root.AddCommand(cmd.Commands()...)
	root.SetOut(&stopper{stop: cancel})
	root.SetArgs([]string{"sim", "run", "same-subnet"})
	err := root.ExecuteContext(ctx)
	g.Expect(err).To(MatchError(context.Canceled))
	g.Expect(cmd.ExitCode(err)).To(Equal(2))
	g.Expect(things(t)).To(Equal(before))
}

func TestUpExecDown(t *testing.T) {
	g := NewWithT(t)
	file := write(t, right)
	name := "cmd-test"
	file2 := filepath.Join(filepath.Dir(file), name+".yaml")
	g.Expect(os.Rename(file, file2)).To(Succeed())
	before := things(t)
	_, err := mizar(t.Context(), "sim", "up", file2)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _, _ = mizar(context.Background(), "sim", "down", name) })
	out, err := mizar(t.Context(), "sim", "list")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(ContainSubstring("up: cmd-test, hosts h1 h2, endpoints red-1 red-2"))
	out, err = mizar(t.Context(), "sim", "exec", name, "red-1", "--", "cat", "/proc/net/dev")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(ContainSubstring("eth0"))
	_, err = mizar(t.Context(), "sim", "exec", name, "red-1", "--", "sh", "-c", "exit 7")
	g.Expect(cmd.ExitCode(err)).To(Equal(7))
	_, err = mizar(t.Context(), "sim", "down", name)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(things(t)).To(Equal(before))
}

// things are the named namespaces, mounts of pins and links of this machine.
func things(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, dir := range []string{"/run/netns", "/run/mizar/rooms", "/sys/class/net"} {
		entries, err := os.ReadDir(dir)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		for _, e := range entries {
			all = append(all, dir+"/"+e.Name())
		}
	}
	slices.Sort(all)
	return all
}
