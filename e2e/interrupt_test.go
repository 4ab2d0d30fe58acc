// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// An interrupted run says so in one line, and lets go of all that it holds.
func TestInterruptIsToldInOneLine(t *testing.T) {
	g := NewWithT(t)
	var said strings.Builder
	command := exec.Command(mizar(), "sim", "run", "same-subnet", "-o", "json")
	command.Stderr = &said
	g.Expect(command.Start()).To(Succeed())
	held := holdings{}
	g.Eventually(func() int { held = heldBy(command.Process.Pid); return len(held.programs) }).WithTimeout(patience).Should(BeNumerically(">", 0))
	g.Expect(command.Process.Signal(os.Interrupt)).To(Succeed())
	g.Expect(command.Wait()).NotTo(Succeed())
	g.Expect(command.ProcessState.ExitCode()).To(Equal(2), "a run that was stopped proves nothing")
	g.Expect(strings.Split(strings.TrimSpace(said.String()), "\n")).To(ConsistOf(HavePrefix("mizar: interrupted; what was built is taken down")))
	g.Eventually(held.alive).WithTimeout(patience).Should(BeEmpty())
}
