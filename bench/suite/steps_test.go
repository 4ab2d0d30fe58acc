// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"bytes"
	"flag"
	"os"
	"testing"

	. "github.com/onsi/gomega"
)

var update = flag.Bool("update", false, "write the golden file anew")

const goldenSteps = "testdata/steps.golden"

// What a packet executes is the same on every machine, so that it is held to the
// instruction: numbers that move are explained in the commit that moves them.
func TestStepsAreTheGoldenOnes(t *testing.T) {
	g := NewWithT(t)
	all, err := CountSteps()
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	var got bytes.Buffer
	g.Expect(WriteSteps(&got, all)).To(Succeed())
	if *update {
		g.Expect(os.MkdirAll("testdata", 0o755)).To(Succeed())
		g.Expect(os.WriteFile(goldenSteps, got.Bytes(), 0o644)).To(Succeed())
	}
	want, err := os.ReadFile(goldenSteps)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got.String()).To(Equal(string(want)), "if it should be so: go test ./bench/suite -run Steps -update")
}
