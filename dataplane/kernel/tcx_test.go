// SPDX-License-Identifier: Apache-2.0

package kernel_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	. "github.com/onsi/gomega"
	"github.com/vishvananda/netlink"

	"github.com/mizar-net/mizar/dataplane/kernel"
	"github.com/mizar-net/mizar/dataplane/state"
)

// answering is a TCX program that returns the packet's mark.
func answering(t *testing.T) *ebpf.Program {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "mark", Type: ebpf.SchedCLS, AttachType: ebpf.AttachTCXIngress, License: "GPL",
		Instructions: asm.Instructions{asm.LoadMem(asm.R0, asm.R1, 8, asm.Word), asm.Return()},
	})
	if err != nil {
		t.Fatalf("load the program (root is needed): %+v", err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func TestRunTellsATCXProgramThePort(t *testing.T) {
	p := answering(t)
	for code, want := range map[uint32]kernel.Action{0: kernel.Pass, 2: kernel.Drop, 7: kernel.Redirect, 0xffffffff: kernel.Pass} {
		g := NewWithT(t)
		got, err := kernel.System{}.Run(p, make([]byte, 60), kernel.RunOptions{Port: code})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got.Action).To(Equal(want), "%d", code)
		g.Expect(got.Frame).To(HaveLen(60))
	}
	_, err := kernel.System{}.Run(p, make([]byte, 60), kernel.RunOptions{Port: 99})
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("it returned 99, which is no action of TCX")))
}

func TestRunSaysHowLongFramesForTCXMayBe(t *testing.T) {
	p := answering(t)
	for _, length := range []int{kernel.MinFrame, kernel.MaxTCXFrame} {
		_, err := kernel.System{}.Run(p, make([]byte, length), kernel.RunOptions{})
		NewWithT(t).Expect(err).NotTo(HaveOccurred(), "%d bytes", length)
	}
	_, err := kernel.System{}.Run(p, make([]byte, kernel.MaxTCXFrame+1), kernel.RunOptions{})
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring(fmt.Sprintf("at most %d", kernel.MaxTCXFrame))))
}

func TestAttachTCX(t *testing.T) {
	p := answering(t)
	inNamespace(t, func(g Gomega) {
		lo, err := netlink.LinkByName("lo")
		g.Expect(err).NotTo(HaveOccurred())
		there := func() int {
			all, err := link.QueryPrograms(link.QueryOptions{Target: lo.Attrs().Index, Attach: ebpf.AttachTCXIngress})
			g.Expect(err).NotTo(HaveOccurred())
			return len(all.Programs)
		}
		a, err := kernel.System{}.AttachTCX(t.Context(), lo.Attrs().Index, p)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(there()).To(Equal(1))
		g.Expect(a.Form()).To(Equal(state.FormTCX))
		g.Expect(a.Close()).To(Succeed())
		g.Expect(there()).To(BeZero())
		_, err = kernel.System{}.AttachTCX(t.Context(), 4711, p)
		g.Expect(err).To(MatchError(ContainSubstring("attach to interface 4711, TCX hook")))
		g.Expect(errors.Is(err, ebpf.ErrNotSupported)).To(BeFalse())
	})
}
