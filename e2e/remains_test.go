// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/topology/netns"
)

// patience bounds how long a test waits for something that is sure to come.
const patience = time.Minute

// Row J11: what a run makes is gone after it was interrupted in its middle.
func TestInterruptLeavesNothingBehind(t *testing.T) {
	g := NewWithT(t)
	before := remains(g, "")
	command := exec.Command(mizar(), "sim", "run", "same-subnet", "--wire", "veth")
	g.Expect(command.Start()).To(Succeed())
	g.Eventually(func() int { return namespaces(command.Process.Pid) }).WithTimeout(patience).Should(
		BeNumerically(">", 2), "the run has begun to make namespaces")
	g.Expect(command.Process.Signal(os.Interrupt)).To(Succeed())
	g.Expect(command.Wait()).NotTo(Succeed())
	g.Expect(command.ProcessState.ExitCode()).To(Equal(2), "a run that was stopped proves nothing")
	g.Expect(remains(g, "")).To(Equal(before))
}

// A network that is up stays until it is taken down, and then is gone.
func TestUpExecDown(t *testing.T) {
	g := NewWithT(t)
	network := fmt.Sprintf("e2e%d", os.Getpid())
	text, err := os.ReadFile("../sim/scenarios/same-subnet.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	folder := t.TempDir()
	g.Expect(os.CopyFS(filepath.Join(folder, "objects"), os.DirFS("../sim/scenarios/objects"))).To(Succeed())
	file := filepath.Join(folder, network+".yaml")
	g.Expect(os.WriteFile(file, text, 0o600)).To(Succeed())
	before := remains(g, network)

	code, said := exitCode(g, "sim", "up", file)
	g.Expect(code).To(BeZero(), said)
	defer exitCode(g, "sim", "down", network)
	g.Expect(remains(g, network)).NotTo(Equal(before))
	code, said = exitCode(g, "sim", "exec", network, "red-1", "--", "cat", "/proc/net/if_inet6")
	g.Expect(code).To(BeZero(), said)
	g.Expect(said).To(ContainSubstring("fd000000000000000000000000000002"), "red-1's own address")
	g.Expect(answerFrom(g, network, "red-1", "10.0.0.99")).To(MatchError(unix.EHOSTUNREACH), "the programs of rare packets are there when `sim up` has ended")
	code, said = exitCode(g, "sim", "up", file)
	g.Expect(code).To(Equal(2), said)
	g.Expect(said).To(ContainSubstring("take it down first"))
	code, said = exitCode(g, "sim", "down", network)
	g.Expect(code).To(BeZero(), said)
	g.Expect(remains(g, network)).To(Equal(before))
}

// answerFrom sends a datagram from an endpoint of a network that is up, and returns
// what comes of it.
func answerFrom(g Gomega, network, endpoint, to string) error {
	var socket net.Conn
	g.Expect(netns.Enter(network, endpoint, func() (err error) {
		socket, err = net.Dial("udp", net.JoinHostPort(to, "9"))
		return err
	})).To(Succeed())
	defer socket.Close()
	raw, err := socket.(*net.UDPConn).SyscallConn()
	g.Expect(err).NotTo(HaveOccurred())
	var told error
	g.Expect(raw.Control(func(fd uintptr) {
		told = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVERR, 1)
	})).To(Succeed())
	g.Expect(told).NotTo(HaveOccurred())
	g.Expect(socket.SetDeadline(time.Now().Add(patience / 6))).To(Succeed())
	_, err = socket.Write([]byte("anybody?"))
	g.Expect(err).NotTo(HaveOccurred())
	_, err = socket.Read(make([]byte, 1))
	return err
}

// remains are what the kernel could still hold: named namespaces, mounts and pins
// of a network, links of this namespace, pins elsewhere.
func remains(g Gomega, network string) []string {
	var all []string
	named, _ := filepath.Glob("/run/netns/*")
	folders, _ := filepath.Glob(pins + "/*")
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	g.Expect(err).NotTo(HaveOccurred())
	for _, thing := range slices.Concat(named, folders, strings.Split(string(mounts), "\n")) {
		if network != "" && strings.Contains(thing, network) {
			all = append(all, thing)
		}
	}
	links, err := net.Interfaces()
	g.Expect(err).NotTo(HaveOccurred())
	for _, link := range links {
		all = append(all, "link "+link.Name)
	}
	_ = filepath.WalkDir("/sys/fs/bpf", func(name string, _ fs.DirEntry, err error) error {
		if err == nil {
			all = append(all, name)
		}
		return nil // no bpffs, no pins
	})
	return all
}

// namespaces counts the network namespaces that a process holds by descriptors.
func namespaces(pid int) int {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	count := 0
	for _, file := range files {
		if target, err := os.Readlink(file); err == nil && strings.HasPrefix(target, "net:[") {
			count++
		}
	}
	return count
}
