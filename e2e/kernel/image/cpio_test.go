// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/e2e/kernel/image"
)

func TestArchiveHasFoldersBeforeTheirFiles(t *testing.T) {
	g := NewWithT(t)
	file := filepath.Join(t.TempDir(), "five")
	g.Expect(os.WriteFile(file, []byte("12345"), 0o600)).To(Succeed())
	var b bytes.Buffer
	a := image.NewArchive(&b)
	g.Expect(a.Copy("a/b/five", file)).To(Succeed())
	g.Expect(a.File("a/four", []byte("1234"))).To(Succeed())
	g.Expect(a.Folder("a")).To(Succeed(), "it is there")
	g.Expect(a.Copy("none", file+"-none")).To(MatchError(os.ErrNotExist))
	g.Expect(a.Close()).To(Succeed())
	g.Expect(entries(g, b.Bytes())).To(Equal([]string{
		"a 40755 ", "a/b 40755 ", "a/b/five 100755 12345", "a/four 100755 1234", "TRAILER!!! 0 ",
	}))
	g.Expect(image.NewArchive(broken{}).File("a", nil)).To(MatchError(errBroken))
}

// entries reads an archive by the layout of the kernel's documentation.
func entries(g Gomega, b []byte) (all []string) {
	field := func(i int) int {
		n, err := strconv.ParseUint(string(b[6+8*i:14+8*i]), 16, 32)
		g.Expect(err).NotTo(HaveOccurred())
		return int(n)
	}
	padded := func(n int) int { return (n + 3) &^ 3 }
	for len(b) > 0 {
		g.Expect(string(b[:6])).To(Equal("070701"))
		name, size := strings.TrimSuffix(string(b[110:110+field(11)]), "\x00"), field(6)
		at := padded(110 + field(11))
		all = append(all, name+" "+strconv.FormatInt(int64(field(1)), 8)+" "+string(b[at:at+size]))
		b = b[at+padded(size):]
	}
	return all
}

var errBroken = errors.New("broken")

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }

func TestModulesNamesWhatIsMissing(t *testing.T) {
	g := NewWithT(t)
	folder := t.TempDir()
	_, err := image.Modules(folder, "veth")
	g.Expect(err).To(MatchError(ContainSubstring("there is no module")))
	g.Expect(os.WriteFile(filepath.Join(folder, "virtio-net.ko"), []byte("no ELF"), 0o600)).To(Succeed())
	_, err = image.Modules(folder, "veth")
	g.Expect(err).To(MatchError(ContainSubstring("module veth: the kernel's package has none")))
	_, err = image.Modules(folder, "virtio_net")
	g.Expect(err).To(MatchError(ContainSubstring("module virtio_net: ")), "a dash is one below the line; its file is no module")
}
