// SPDX-License-Identifier: Apache-2.0

package names_test

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/dataplane/names"
	"github.com/mizar-net/mizar/dataplane/state"
)

func some(network string) names.Names {
	n := names.Of(state.Host{Name: "h1", VPCs: []state.VPC{{Name: "red", VNI: 100}}}, encode.Index{
		Hosts: map[string]uint32{"h2": 1}, Endpoints: map[string]uint32{"default/a": 4},
		Sets: map[string]uint32{"web ingress\x00f00": 16385}, Rules: map[string]uint32{"default/web ingress[0]": 7},
	})
	n.Network = network
	return n
}

func TestNumbersHaveNames(t *testing.T) {
	NewWithT(t).Expect(some("")).To(Equal(names.Names{
		Host: "h1", VPCs: map[uint32]string{100: "red"}, Hosts: map[uint32]string{0: "h1", 1: "h2"}, Endpoints: map[uint32]string{4: "default/a"},
		Sets: map[uint32]string{16385: "web ingress"}, Rules: map[uint32]string{7: "default/web ingress[0]"},
	}))
}

func TestNamesAreFoundUntilTheyAreRemoved(t *testing.T) {
	g := NewWithT(t)
	dir := filepath.Join(t.TempDir(), "names")
	g.Expect(names.Read(dir, 3)).To(Equal(names.Names{}), "nobody has left any")
	g.Expect(names.RemoveNetwork(dir, "tour")).To(Succeed())
	g.Expect(names.Write(dir, 3, some("tour"))).To(Succeed())
	g.Expect(names.Write(dir, 4, some("other"))).To(Succeed())
	g.Expect(names.Write(dir, 5, some(""))).To(Succeed())
	g.Expect(names.Read(dir, 3)).To(Equal(some("tour")))
	g.Expect(names.Write(dir, 3, names.Names{Network: "tour", Host: "h9"})).To(Succeed())
	g.Expect(names.Read(dir, 3)).To(HaveField("Host", "h9"))

	g.Expect(names.Networks(dir)).To(Equal([]string{"other", "tour"}))
	g.Expect(names.RemoveNetwork(dir, "tour")).To(Succeed())
	g.Expect(names.Read(dir, 3)).To(Equal(names.Names{}))
	g.Expect(names.Read(dir, 4)).To(Equal(some("other")), "those of others stay")
	g.Expect(names.Read(dir, 5)).To(Equal(some("")))
	for range 2 {
		g.Expect(names.Remove(dir, 5)).To(Succeed())
	}
	left, err := os.ReadDir(dir)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(left).To(HaveExactElements(HaveField("Name()", "other")), "and no drafts")
	g.Expect(names.RemoveNetwork(dir, "")).NotTo(Succeed(), "all names of hosts that are machines")
}

func TestForeignFilesAreNamed(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	g.Expect(os.WriteFile(filepath.Join(dir, "3.json"), []byte("{"), 0o600)).To(Succeed())
	_, err := names.Read(dir, 3)
	g.Expect(err).To(MatchError(And(ContainSubstring("3.json is not what Mizar wrote"), ContainSubstring("remove it"))))
}
