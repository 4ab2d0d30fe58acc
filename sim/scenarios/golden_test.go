// SPDX-License-Identifier: Apache-2.0

package scenarios_test

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/sim/golden"
)

// No golden capture is accepted without proof: each checksum, inner and outer,
// and an independent decode by gopacket; by tshark too where it is installed, as
// it must be in CI.
func TestGoldenCapturesAreProven(t *testing.T) {
	g := NewWithT(t)
	files, err := filepath.Glob("golden/*.pcapng")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(files).NotTo(BeEmpty())
	for _, file := range files {
		proof, err := golden.Prove(t.Context(), file)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(proof.Frames).To(BeNumerically(">", 0), file)
		if !proof.Tshark && os.Getenv("CI") != "" {
			t.Errorf("%s was not proven by tshark, which CI must have", file)
		}
	}
}
