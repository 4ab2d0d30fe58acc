//go:build kernel

// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/e2e/build"
	"github.com/mizar-net/mizar/e2e/kernel/image"
	"github.com/mizar-net/mizar/e2e/kernel/machine"
)

const (
	// folderVariable names the folder that the kernel's package was unpacked to.
	folderVariable = "MIZAR_KERNEL"
	// whole is how long all may take, under an emulator on two CPUs.
	whole  = 8 * time.Minute
	memory = 1024 // MiB
)

// modules are what the tests need of the kernel's; others come along.
var modules = []string{"virtio_pci", "virtio_net", "veth", "geneve", "bridge", "sch_ingress", "cls_bpf"}

// port is a device virtio-net: the machine it is in, and its place on the underlay.
type port struct {
	machine string
	place   int
}

// mac is what the device has until it becomes an uplink.
func (p port) mac() state.MAC { return state.MAC{0x52, 0x54, 0, 0, 0, byte(p.place + 1)} }

// ports are all devices, by who has them.
var ports = map[string]port{
	"h1": {"alpha", 0}, "h2": {"beta", 1}, "h3": {"beta", 2},
	"ours": {"alpha", 3}, "foreign": {"beta", 4},
}

// machines are those of one test.
type machines struct {
	underlay *machine.Underlay
	byName   map[string]*machine.Machine
}

// boot starts all machines at once. Whoever called it ends them before the test is
// over: its context is, before anything that is left to Cleanup.
func boot(ctx context.Context, t *testing.T, g Gomega) *machines {
	t.Helper()
	kernel, initramfs := ingredients(t, g)
	u, err := machine.NewUnderlay(len(ports))
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = u.Close() })
	m := &machines{underlay: u, byName: map[string]*machine.Machine{}}
	var all sync.WaitGroup
	var mu sync.Mutex
	began := time.Now()
	for _, name := range []string{"alpha", "beta"} {
		c := machine.Config{Name: name, Kernel: kernel, Initramfs: initramfs, Memory: memory}
		for place := range len(ports) {
			for _, p := range ports {
				if p.place == place && p.machine == name {
					c.Ports = append(c.Ports, machine.Port{MAC: p.mac(), Cable: u.Cable(place)})
				}
			}
		}
		all.Go(func() {
			started, err := machine.Start(ctx, c)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
				return
			}
			m.byName[name] = started
		})
	}
	all.Wait()
	if t.Failed() {
		m.end(t)
		t.FailNow()
	}
	t.Logf("both machines booted in %s", time.Since(began).Round(time.Millisecond))
	return m
}

// end ends the machines, and shows what they said if something went wrong.
func (m *machines) end(t *testing.T) {
	for name, each := range m.byName {
		if err := each.Close(); err != nil {
			t.Error(err)
		}
		if log := each.Log(); t.Failed() && log != "" {
			t.Logf("machine %s said:\n%s", name, log)
		}
	}
}

// call lets the machine that has a host's device do something.
func (m *machines) call(ctx context.Context, g Gomega, host, method string, argument, answer any) {
	g.ExpectWithOffset(1, m.byName[ports[host].machine].Call(ctx, method, argument, answer)).To(Succeed())
}

// ingredients are the kernel and an initramfs with the guest and the binary.
func ingredients(t *testing.T, g Gomega) (kernel string, initramfs *os.File) {
	t.Helper()
	folder := os.Getenv(folderVariable)
	if folder == "" {
		t.Fatalf("%s is not set; `make kernel-test` sets it to the folder with the kernel", folderVariable)
	}
	found, err := filepath.Glob(filepath.Join(folder, "boot", "vmlinuz-*"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(HaveLen(1), "one kernel in %s/boot", folder)

	built, err := os.MkdirTemp("", "mizar-kernel-") // not t.TempDir, which is root's alone
	g.Expect(err).NotTo(HaveOccurred())
	defer os.RemoveAll(built)
	for name, pkg := range map[string]string{"init": "./e2e/kernel/guest", "mizar": "."} {
		g.Expect(build.Program(t.Context(), "../..", pkg, filepath.Join(built, name))).To(Succeed())
	}
	order, err := image.Modules(filepath.Join(folder, "lib", "modules"), modules...)
	g.Expect(err).NotTo(HaveOccurred())
	var b bytes.Buffer
	a := image.NewArchive(&b)
	for i, m := range order {
		g.Expect(a.Copy(fmt.Sprintf("modules/%02d-%s", i, filepath.Base(m)), m)).To(Succeed())
	}
	g.Expect(a.Copy("init", filepath.Join(built, "init"))).To(Succeed())
	g.Expect(a.Copy("mizar", filepath.Join(built, "mizar"))).To(Succeed())
	g.Expect(a.Folder("dev")).To(Succeed())
	g.Expect(a.Close()).To(Succeed())
	return found[0], inMemory(t, g, &b)
}

// inMemory is a file without a name, which no killed test leaves behind.
func inMemory(t *testing.T, g Gomega, content io.Reader) *os.File {
	t.Helper()
	fd, err := unix.MemfdCreate("initramfs", unix.MFD_CLOEXEC)
	g.Expect(err).NotTo(HaveOccurred())
	f := os.NewFile(uintptr(fd), "initramfs")
	t.Cleanup(func() { f.Close() })
	_, err = io.Copy(f, content)
	g.Expect(err).NotTo(HaveOccurred())
	return f
}
