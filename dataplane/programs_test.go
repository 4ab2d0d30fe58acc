// SPDX-License-Identifier: Apache-2.0

package dataplane_test

import (
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/state"
)

func TestUplinksHaveEveryForm(t *testing.T) {
	g := NewWithT(t)
	d := load(t)
	for form, kind := range map[state.Form]ebpf.ProgramType{"": ebpf.XDP, state.FormXDP: ebpf.XDP, state.FormTCX: ebpf.SchedCLS} {
		p, err := d.UplinkIn(form)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(p.Type()).To(Equal(kind), "form %q", form)
		next, err := d.Next(form)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(next).To(HaveLen(int(bpf.RowProgramPROGRAM_MAX)))
		g.Expect(next).To(HaveEach(HaveField("Type()", kind)), "form %q", form)
	}
	_, err := d.UplinkIn("punched-cards")
	g.Expect(err).To(MatchError(ContainSubstring(`form "punched-cards": there are [xdp tcx]`)))
}

// Whatever form is loaded, before or after, what its programs hand packets over to
// is kept.
func TestPinsFollowForms(t *testing.T) {
	g := NewWithT(t)
	d := load(t)
	dir := t.TempDir()
	g.Expect(unix.Mount("bpf", dir, "bpf", 0, "mode=0700")).To(Succeed(), "root is needed")
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	g.Expect(d.Pin(dir)).To(Succeed())
	_, err := d.UplinkIn(state.FormTCX)
	g.Expect(err).NotTo(HaveOccurred())
	for _, name := range []string{"programs", "programs_tcx"} {
		m, err := ebpf.LoadPinnedMap(filepath.Join(dir, name), nil)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(m.Type()).To(Equal(ebpf.ProgramArray))
		g.Expect(m.Close()).To(Succeed())
	}
}
