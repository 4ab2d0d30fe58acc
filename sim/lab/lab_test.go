// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/lab"
	"github.com/mizar-net/mizar/topology/netns"
)

// states are two hosts with an endpoint each.
func states() []state.Host {
	addr := netip.MustParseAddr
	var s object.Set
	s.VPCs = []object.VPC{{Meta: object.Meta{Name: "red"}, VNI: 100, Dividers: object.Placement{Count: 1}}}
	s.Subnets = []object.Subnet{{
		Meta: object.Meta{Name: "s"}, VPC: "red", Bouncers: object.Placement{Count: 1},
		CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}, Gateways: []netip.Addr{addr("10.0.0.1")},
	}}
	for i := 1; i <= 2; i++ {
		s.Hosts = append(s.Hosts, object.Host{Meta: object.Meta{Name: fmt.Sprintf("h%d", i)}, MTU: 1500, Addresses: []netip.Addr{addr(fmt.Sprintf("172.16.0.%d", i))}})
		s.Endpoints = append(s.Endpoints, object.Endpoint{
			Meta: object.Meta{Name: fmt.Sprintf("a%d", i), Namespace: "default"}, Subnet: "s", Host: fmt.Sprintf("h%d", i),
			Addresses: []netip.Addr{addr(fmt.Sprintf("10.0.0.%d", i+1))}, MAC: [6]byte{2, 0, 0, 0, 0, byte(i)},
		})
	}
	return compile.Hosts(s)
}

// up brings a lab up that ends with the test.
func up(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("lab-%s-%d", strings.ToLower(t.Name()[4:]), os.Getpid())
	report, err := lab.Up(t.Context(), name, states())
	if err != nil {
		t.Fatalf("up (root is needed): %+v", err)
	}
	if len(report.Offloads) != 8 {
		t.Errorf("%d devices, want 8", len(report.Offloads))
	}
	t.Cleanup(func() { _ = lab.Down(name) })
	return name
}

func TestWorks(t *testing.T) {
	g := NewWithT(t)
	name := up(t)
	var server net.Listener
	g.Expect(netns.Enter(name, "a2", func() (err error) { server, err = net.Listen("tcp", ":80"); return err })).To(Succeed())
	defer server.Close()
	go func() {
		conn, err := server.Accept()
		if err == nil {
			_, _ = io.WriteString(conn, "hello from a2")
			_ = conn.Close()
		}
	}()
	var client net.Conn
	g.Expect(netns.Enter(name, "default/a1", func() (err error) { client, err = net.DialTimeout("tcp", "10.0.0.3:80", 5*time.Second); return err })).To(Succeed())
	defer client.Close()
	g.Expect(client.SetDeadline(time.Now().Add(5 * time.Second))).To(Succeed())
	g.Expect(io.ReadAll(client)).To(BeEquivalentTo("hello from a2"))

	labs, err := lab.List()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(labs).To(ContainElement(lab.Lab{Name: name, State: netns.Up, Hosts: []string{"h1", "h2"}, Endpoints: []string{"default/a1", "default/a2"}}))
	_, err = lab.Up(t.Context(), name, states())
	g.Expect(err).To(MatchError(ContainSubstring("take it down first")))
	g.Expect(lab.List()).To(ContainElement(HaveField("Name", name)), "the second Up does not hurt the first")
	g.Expect(lab.Down(name)).To(Succeed())
	g.Expect(lab.List()).NotTo(ContainElement(HaveField("Name", name)))
}

func TestExecRunsInside(t *testing.T) {
	g := NewWithT(t)
	name := up(t)
	var out strings.Builder
	run := func(who string, argv ...string) (int, error) {
		out.Reset()
		return lab.Exec(t.Context(), lab.Command{Lab: name, Who: who, Argv: argv, Stdin: strings.NewReader("typed"), Stdout: &out, Stderr: &out})
	}
	for who, device := range map[string]string{"a1": "eth0:", "h1": "uplink:", "fabric": "to-h2:"} {
		g.Expect(run(who, "cat", "/proc/self/net/dev")).To(Equal(0))
		g.Expect(out.String()).To(ContainSubstring(device))
	}
	g.Expect(run("a1", "cat")).To(Equal(0))
	g.Expect(out.String()).To(Equal("typed"))
	g.Expect(run("a1", "sh", "-c", "exit 7")).To(Equal(7))
	g.Expect(run("a1", "sh", "-c", "kill -9 $$")).To(Equal(137))
	_, err := run("a9", "true")
	g.Expect(err).To(MatchError(ContainSubstring("default/a1")))
	_, err = run("a1", "no-such-command")
	g.Expect(err).To(MatchError(ContainSubstring("no-such-command")))
	_, err = run("a1")
	g.Expect(err).To(MatchError(ContainSubstring("no command")))
}

func TestExecIsInterrupted(t *testing.T) {
	g := NewWithT(t)
	name := up(t)
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	go func() {
		_, _ = bufio.NewReader(r).ReadString('\n')
		cancel()
	}()
	code, err := lab.Exec(ctx, lab.Command{Lab: name, Who: "a1", Argv: []string{"sh", "-c", "echo ready; exec sleep 60"}, Stdout: w})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(code).To(Equal(130))
}

func TestFailedUpLeavesNothing(t *testing.T) {
	g := NewWithT(t)
	name := fmt.Sprintf("lab-failed-%d", os.Getpid())
	bad := states()
	bad[1].MTU = 10 // no device takes it
	_, err := lab.Up(t.Context(), name, bad)
	g.Expect(err).To(MatchError(ContainSubstring("h2")))
	g.Expect(lab.List()).NotTo(ContainElement(HaveField("Name", name)))
	_, err = lab.Up(t.Context(), "", states())
	g.Expect(err).To(MatchError(ContainSubstring("needs a name")))
}
