// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
)

// TestMain also is the process that builds and then waits to be killed.
func TestMain(m *testing.M) {
	if os.Getenv("MIZAR_TEST_BUILD_AND_WAIT") != "" {
		buildAndWait()
		return
	}
	os.Exit(m.Run())
}

// buildAndWait builds a room without a name, prints its namespaces and waits.
func buildAndWait() {
	n, err := New(Options{Name: os.Getenv("MIZAR_TEST_NAME")})
	if err == nil {
		err = n.Apply(context.Background(), room(2, 1))
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	print := func() error { id, err := os.Readlink("/proc/thread-self/ns/net"); fmt.Println(id); return err }
	_ = n.InFabric(print)
	_ = n.InHost("h1", print)
	_ = n.InEndpoint("default/a2", print)
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed
}

func TestKilledProcessLeavesNothing(t *testing.T) {
	g := NewWithT(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "MIZAR_TEST_BUILD_AND_WAIT=1")
	_, err := cmd.StdinPipe() // stays open as long as this test
	g.Expect(err).NotTo(HaveOccurred())
	out, err := cmd.StdoutPipe()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(cmd.Start()).To(Succeed())
	var made []string
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "ready" {
		made = append(made, lines.Text())
	}
	g.Expect(made).To(HaveLen(3))
	g.Expect(holders(made)).NotTo(BeEmpty())
	g.Expect(cmd.Process.Kill()).To(Succeed())
	_ = cmd.Wait() // it was killed
	g.Expect(holders(made)).To(BeEmpty())
}

// holders are the open files and threads that keep a namespace alive.
func holders(namespaces []string) []string {
	var held []string
	for _, pattern := range []string{"/proc/[0-9]*/fd/*", "/proc/[0-9]*/task/*/ns/net"} {
		files, _ := filepath.Glob(pattern) // the pattern is well-formed
		for _, f := range files {
			target, err := os.Readlink(f)
			for _, n := range namespaces {
				if err == nil && target == n {
					held = append(held, f)
				}
			}
		}
	}
	return held
}

// BenchmarkBuild builds a room of the size that people wait for.
func BenchmarkBuild(b *testing.B) {
	for b.Loop() {
		n, err := Build(b.Context(), room(10, 10), Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := n.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// What a killed process has left of a room with a name is told from one that is
// being built, and can be removed; what is being built is left alone.
func TestKilledProcessLeavesSomethingHalfBuilt(t *testing.T) {
	g := NewWithT(t)
	name := fmt.Sprintf("killed-%d", os.Getpid())
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "MIZAR_TEST_BUILD_AND_WAIT=1", "MIZAR_TEST_NAME="+name)
	_, err := cmd.StdinPipe() // stays open as long as this test
	g.Expect(err).NotTo(HaveOccurred())
	out, err := cmd.StdoutPipe()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(cmd.Start()).To(Succeed())
	t.Cleanup(func() { _ = Down(name) })
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "ready" {
	}
	room := Named{Name: name, Hosts: []string{"h1", "h2"}, Endpoints: []string{"default/a1", "default/a2"}}
	in := func(s State) Named { room.State = s; return room }
	g.Expect(List()).To(ContainElement(in(Building)))
	g.Expect(Down(name)).To(MatchError(errBusy))
	_, err = New(Options{Name: name})
	g.Expect(err).To(MatchError(os.ErrExist))
	g.Expect(List()).To(ContainElement(in(Building)))

	g.Expect(cmd.Process.Kill()).To(Succeed())
	_ = cmd.Wait() // it was killed
	g.Expect(List()).To(ContainElement(in(Half)))
	g.Expect(Enter(name, "h1", nil)).To(MatchError(ContainSubstring("half-built")))
	g.Expect(Down(name)).To(Succeed())
	g.Expect(List()).NotTo(ContainElement(HaveField("Name", name)))

	// A Down that was killed after any of its steps.
	for _, left := range []string{fileOf(name, Fabric, ""), fileOf(name, Host, "h1"), fileOf(name, Endpoint, "default/a1")} {
		g.Expect(os.WriteFile(left, nil, 0o400)).To(Succeed())
		g.Expect(List()).To(ContainElement(And(HaveField("Name", name), HaveField("State", Half))))
		g.Expect(Down(name)).To(Succeed())
		g.Expect(List()).NotTo(ContainElement(HaveField("Name", name)))
	}
}
