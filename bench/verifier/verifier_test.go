// SPDX-License-Identifier: Apache-2.0

package verifier_test

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/bench/verifier"
)

var update = flag.Bool("update", false, "write the golden file anew")

const golden = "testdata/verifier.golden"

// limit is how many instructions the verifier of any kernel walks at most.
const limit = 1_000_000

// TestReportIsTheGoldenOne compares with the committed report: numbers that move
// are explained in the commit that moves them. Another series of kernels has
// other numbers; there, all programs must be inside its limits with room to spare.
func TestReportIsTheGoldenOne(t *testing.T) {
	g := NewWithT(t)
	lines, err := verifier.Report()
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	for _, l := range lines {
		g.Expect(l.Processed).To(BeNumerically("<", limit*8/10), "%s %s", l.Program, l.Configuration)
		g.Expect(l.Took).To(BeNumerically(">", 0))
	}

	var got bytes.Buffer
	got.WriteString("kernel " + series(t) + "\n")
	g.Expect(verifier.Write(&got, lines, verifier.Lasting)).To(Succeed())
	if *update {
		g.Expect(os.WriteFile(golden, got.Bytes(), 0o644)).To(Succeed())
	}
	want, err := os.ReadFile(golden)
	g.Expect(err).NotTo(HaveOccurred())
	first, _, _ := strings.Cut(string(want), "\n")
	if first != "kernel "+series(t) {
		t.Logf("%s is of %s, this is kernel %s: only the limits were checked", golden, first, series(t))
		return
	}
	g.Expect(got.String()).To(Equal(string(want)), "if it should be so: go test ./bench/verifier -update")
}

// series is the first two numbers of the kernel's version.
func series(t *testing.T) string {
	t.Helper()
	var name unix.Utsname
	NewWithT(t).Expect(unix.Uname(&name)).To(Succeed())
	parts := strings.SplitN(unix.ByteSliceToString(name.Release[:]), ".", 3)
	return strings.Join(parts[:2], ".")
}
