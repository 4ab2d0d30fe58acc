// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf"
	. "github.com/onsi/gomega"
)

// pinned makes a map that nothing but a pin at a host keeps.
func pinned(g Gomega, n *Net, host string) (file string) {
	dir, err := n.Pins(host)
	g.Expect(err).NotTo(HaveOccurred())
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	g.Expect(err).NotTo(HaveOccurred())
	defer m.Close()
	file = filepath.Join(dir, "rows")
	g.Expect(m.Pin(file)).To(Succeed())
	return file
}

func TestPinsStayWithTheirRoom(t *testing.T) {
	g := NewWithT(t)
	var names, files []string
	for i := range 2 {
		name := fmt.Sprintf("pins%d-%d", i, os.Getpid())
		topo := room(2, 1)
		topo.Hosts[1].Name, topo.Endpoints[1].Host = "h2.rack", "h2.rack"
		n, err := Build(t.Context(), topo, Options{Name: name})
		g.Expect(err).NotTo(HaveOccurred())
		defer func() { _ = Down(name) }()
		files = append(files, pinned(g, n, "h1"), pinned(g, n, "h2.rack"))
		_, err = n.Pins("h3")
		g.Expect(err).To(MatchError(ContainSubstring(`"h3"`)))
		g.Expect(n.Release()).To(Succeed())
		names = append(names, name)
	}
	_, err := New(Options{Name: names[1]})
	g.Expect(err).To(MatchError(ContainSubstring("take it down first")))
	g.Expect(Down(names[0])).To(Succeed())
	g.Expect(pinsOf(names[0])).NotTo(BeAnExistingFile())
	for _, file := range files[2:] {
		m, err := ebpf.LoadPinnedMap(file, nil)
		g.Expect(err).NotTo(HaveOccurred(), "the other room's pins stay")
		g.Expect(m.Close()).To(Succeed())
	}
	g.Expect(Down(names[1])).To(Succeed())
	g.Expect(pinsOf(names[1])).NotTo(BeAnExistingFile())
}

func TestPinsGoWithTheirRoom(t *testing.T) {
	g := NewWithT(t)
	name := fmt.Sprintf("pins-%d", os.Getpid())
	n, err := Build(t.Context(), room(1, 0), Options{Name: name})
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = Down(name) }()
	pinned(g, n, "h1")
	g.Expect(n.Close()).To(Succeed())
	g.Expect(pinsOf(name)).NotTo(BeAnExistingFile())
	_, err = build(t, room(1, 0)).Pins("h1")
	g.Expect(err).To(MatchError(ContainSubstring("has no name")))
}

// Somebody may take the namespaces' files away by hand; the pins are then in the
// way of nobody.
func TestOldPinsAreTakenAway(t *testing.T) {
	g := NewWithT(t)
	name := fmt.Sprintf("pins-old-%d", os.Getpid())
	g.Expect(mountPins(name)).To(Succeed())
	defer func() { _ = unpin(pinsOf(name)) }()
	g.Expect(os.Mkdir(filepath.Join(pinsOf(name), "h1"), 0o700)).To(Succeed())
	n, err := New(Options{Name: name})
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = n.Close() }()
	g.Expect(filepath.Join(pinsOf(name), "h1")).NotTo(BeAnExistingFile())
	g.Expect(n.Close()).To(Succeed())
	g.Expect(pinsOf(name)).NotTo(BeAnExistingFile())
}
