// SPDX-License-Identifier: Apache-2.0

package kernel_test

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane/kernel"
)

// portProgram returns the port number that stands in the metadata, after it
// has moved the frame's start by push bytes.
func portProgram(t *testing.T, push int32) *ebpf.Program {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "port", Type: ebpf.XDP, License: "GPL", Flags: 1 << 5, // BPF_F_XDP_HAS_FRAGS
		Instructions: asm.Instructions{
			asm.Mov.Reg(asm.R6, asm.R1),
			asm.Mov.Imm(asm.R2, push),
			asm.FnXdpAdjustHead.Call(),
			asm.LoadMem(asm.R2, asm.R6, 0, asm.Word),
			asm.LoadMem(asm.R3, asm.R6, 8, asm.Word),
			asm.Mov.Imm(asm.R0, 0),
			asm.Mov.Reg(asm.R4, asm.R3),
			asm.Add.Imm(asm.R4, 4),
			asm.JGT.Reg(asm.R4, asm.R2, "out"),
			asm.LoadMem(asm.R0, asm.R3, 0, asm.Word),
			asm.Return().WithSymbol("out"),
		},
	})
	if err != nil {
		t.Fatalf("load the program (root is needed): %+v", err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func TestRunTellsThePort(t *testing.T) {
	g := NewWithT(t)
	frame := make([]byte, 60)
	for i := range frame {
		frame[i] = byte(i)
	}
	for _, push := range []int32{0, -58, 14} {
		got, err := kernel.System{}.Run(portProgram(t, push), frame, kernel.RunOptions{Port: 4711})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(uint32(got.Action)).To(BeEquivalentTo(4711), "push %d", push)
		g.Expect(got.Frame).To(HaveLen(len(frame) - int(push)))
		g.Expect(got.Frame[max(0, -int(push)):]).To(Equal(frame[max(0, int(push)):]))
	}
}

func TestRunRefusesWhatNoDriverHandsOver(t *testing.T) {
	p := portProgram(t, 0)
	for _, c := range []struct {
		length, mtu int
		accepted    bool
	}{
		{13, 0, false}, {14, 0, true}, {1518, 1500, true}, {1519, 1500, false},
		{kernel.MaxFrame, 0, true}, {kernel.MaxFrame + 1, 0, false}, {kernel.MaxFrame + 1, 65000, false},
	} {
		g := NewWithT(t)
		frame := make([]byte, c.length)
		_, err := kernel.System{}.Run(p, frame, kernel.RunOptions{MTU: c.mtu})
		g.Expect(err == nil).To(Equal(c.accepted), "%d bytes, MTU %d: %v", c.length, c.mtu, err)
	}
}
