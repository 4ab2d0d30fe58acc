// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	. "github.com/onsi/gomega"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const (
	// kills is how often a process is killed, by turns in sim up, run and down.
	kills = 18
	// small is a network that is up soon.
	small = `title: Two hosts
topology:
  hosts: {h1: {addresses: [192.0.2.1]}, h2: {addresses: [192.0.2.2]}}
  vpcs: {red: {vni: 100}}
  subnets: {red-a: {vpc: red, cidrs: [10.0.0.0/24]}}
  endpoints:
    red-1: {subnet: red-a, host: h1, addresses: [10.0.0.2]}
    red-2: {subnet: red-a, host: h2, addresses: [10.0.0.3]}
steps:
- probe: {proto: [icmp, tcp, udp], from: red-1, to: red-2}
  expect: {verdict: deliver}
`
	spaces = "/run/netns"
	// pins has a folder for each network that is up.
	pins = "/run/mizar/rooms"
)

// Row J11: whatever a killed process has left, `sim down --all` removes.
func TestKilledAtAnyMomentLeavesNothing(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	program, file := mizar(), filepath.Join(t.TempDir(), "small.yaml")
	NewWithT(t).Expect(os.WriteFile(file, []byte(small), 0o600)).To(Succeed())
	apart(t, func(g Gomega) {
		k := &killer{program: program, dice: dice, states: map[string]int{}}
		up, run, down := []string{"sim", "up", file}, []string{"sim", "run", file, "--wire", "veth"}, []string{"sim", "down", "small"}
		lasts := map[string]time.Duration{}
		for _, c := range [][]string{up, down, run} {
			began := time.Now()
			k.mizar(g, c...)
			lasts[c[1]] = time.Since(began)
		}
		for i := range kills {
			command := [][]string{up, run, down}[i%3]
			if command[1] == "down" {
				k.mizar(g, up...)
			}
			k.kill(g, command, lasts[command[1]])
		}
		t.Logf("found before `down --all`: %v; %d programs and maps were held", k.states, k.held)
		g.Expect(k.held).To(BeNumerically(">", 0), "some process was killed while it held programs")
	})
}

// apart runs a test on a thread whose /run/netns and pins are its own and empty,
// so that `down --all` finds this test's networks alone. The thread is not used
// again.
func apart(t *testing.T, test func(g Gomega)) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		g := NewWithT(t)
		g.Expect(unix.Unshare(unix.CLONE_FS|unix.CLONE_NEWNS)).To(Succeed(), "root is needed")
		g.Expect(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")).To(Succeed())
		for _, dir := range []string{spaces, pins} {
			g.Expect(os.MkdirAll(dir, 0o755)).To(Succeed())
			g.Expect(unix.Mount("none", dir, "tmpfs", 0, "")).To(Succeed())
		}
		test(g)
	}()
	<-done
}

// killer runs the program and kills it.
type killer struct {
	program string
	dice    *rand.Rand
	// states counts what `sim list` called what was left.
	states map[string]int
	// held counts programs and maps that there were when something was killed.
	held int
}

// mizar runs the program to its end and returns what it said.
func (k *killer) mizar(g Gomega, arguments ...string) string {
	said, err := exec.Command(k.program, arguments...).CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), "mizar %v said:\n%s", arguments, said)
	return string(said)
}

// kill starts a command that takes about as long as lasts, kills it at some
// moment, and looks whether anything is left after a clean-up.
func (k *killer) kill(g Gomega, arguments []string, lasts time.Duration) {
	command := exec.Command(k.program, arguments...)
	g.Expect(command.Start()).To(Succeed())
	after := time.Duration(k.dice.Float64() * 1.1 * float64(lasts))
	<-time.After(after)
	// Stopped, so that what it holds is what it held when it was killed.
	g.Expect(command.Process.Signal(unix.SIGSTOP)).To(Or(Succeed(), MatchError(os.ErrProcessDone)))
	held := heldBy(command.Process.Pid)
	g.Expect(command.Process.Kill()).To(Succeed())
	_ = command.Wait() // it was killed, or had ended before
	held.add(attached(g))
	about := fmt.Sprintf("mizar %v, killed after %s", arguments, after)

	files, err := os.ReadDir(spaces)
	g.Expect(err).NotTo(HaveOccurred())
	state, _, found := strings.Cut(listed(k.mizar(g, "sim", "list")), ":")
	g.Expect(found).To(Equal(len(files) > 0), "%s: sim list tells of what is left: %v", about, files)
	if found {
		k.states[state]++
	}
	k.held += len(held.programs) + len(held.maps)
	k.mizar(g, "sim", "down", "--all")
	g.Expect(os.ReadDir(spaces)).To(BeEmpty(), about)
	g.Expect(os.ReadDir(pins)).To(BeEmpty(), about)
	g.Expect(remains(g, "small")).NotTo(ContainElement(MatchRegexp("link (ep|to)-|uplink|mizar")), about)
	g.Eventually(held.alive).WithTimeout(patience).WithPolling(5*time.Millisecond).Should(BeEmpty(), about)
}

// listed is the line of `sim list` about the network.
func listed(list string) string {
	for _, line := range strings.Split(list, "\n") {
		if strings.Contains(line, ": small,") {
			return line
		}
	}
	return ""
}

// holdings are programs and maps by their numbers in the kernel.
type holdings struct{ programs, maps map[uint32]bool }

func (h holdings) add(more holdings) {
	for id := range more.programs {
		h.programs[id] = true
	}
	for id := range more.maps {
		h.maps[id] = true
	}
}

// alive are those that the kernel still has. It opens none of them: a map of
// programs is emptied by a deferred job when its last descriptor is closed, and
// that of one who looks in between asks for the job again, by which the kernel
// (6.18) takes a reference that it never gives back, and the map lives for ever.
func (h holdings) alive() []string {
	var all []string
	for id := range h.programs {
		if next, err := ebpf.ProgramGetNextID(ebpf.ProgramID(id - 1)); err == nil && uint32(next) == id {
			all = append(all, fmt.Sprintf("program %d", id))
		}
	}
	for id := range h.maps {
		if next, err := ebpf.MapGetNextID(ebpf.MapID(id - 1)); err == nil && uint32(next) == id {
			all = append(all, fmt.Sprintf("map %d", id))
		}
	}
	return all
}

var idForm = regexp.MustCompile(`(?m)^(prog|map)_id:\s*(\d+)$`)

// heldBy reads what a process has descriptors of.
func heldBy(pid int) holdings {
	h := holdings{map[uint32]bool{}, map[uint32]bool{}}
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	for _, file := range files {
		text, _ := os.ReadFile(file) // it may have ended
		for _, m := range idForm.FindAllStringSubmatch(string(text), -1) {
			id, _ := strconv.ParseUint(m[2], 10, 32)
			map[string]map[uint32]bool{"prog": h.programs, "map": h.maps}[m[1]][uint32(id)] = true
		}
	}
	return h
}

// attached are the programs at devices in named namespaces, and their maps.
func attached(g Gomega) holdings {
	h := holdings{map[uint32]bool{}, map[uint32]bool{}}
	files, _ := filepath.Glob(spaces + "/*")
	for _, file := range files {
		for _, id := range programsIn(g, file) {
			h.programs[id] = true
			p, err := ebpf.NewProgramFromID(ebpf.ProgramID(id))
			g.Expect(err).NotTo(HaveOccurred())
			info, err := p.Info()
			g.Expect(err).NotTo(HaveOccurred())
			maps, _ := info.MapIDs()
			for _, m := range maps {
				h.maps[uint32(m)] = true
			}
			p.Close()
		}
	}
	return h
}

// programsIn are the numbers of XDP programs in a named namespace; none where
// the file stands for none.
func programsIn(g Gomega, file string) []uint32 {
	ns, err := netns.GetFromPath(file)
	g.Expect(err).NotTo(HaveOccurred())
	defer ns.Close()
	links, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return nil // a file without a mount
	}
	defer links.Close()
	all, err := links.LinkList()
	g.Expect(err).NotTo(HaveOccurred())
	var ids []uint32
	for _, l := range all {
		if xdp := l.Attrs().Xdp; xdp != nil && xdp.Attached {
			ids = append(ids, xdp.ProgId)
		}
	}
	return ids
}
