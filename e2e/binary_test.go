// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/e2e/build"
)

// TestMain removes the program that tests have built.
func TestMain(m *testing.M) {
	code := m.Run()
	if folder != "" {
		os.RemoveAll(folder)
	}
	os.Exit(code)
}

// folder is where the program was built; empty when no test needed it.
var folder string

// mizar builds the program when a test needs it first, and returns its path.
var mizar = sync.OnceValue(func() string {
	var err error
	if folder, err = os.MkdirTemp("", "mizar-e2e-"); err != nil {
		panic(err)
	}
	if err := build.Program(context.Background(), "..", ".", filepath.Join(folder, "mizar")); err != nil {
		panic(err)
	}
	return filepath.Join(folder, "mizar")
})

// exitCode runs the program and returns its exit code and what it said.
func exitCode(g Gomega, arguments ...string) (int, string) {
	said, err := exec.Command(mizar(), arguments...).CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), string(said)
	}
	g.Expect(err).NotTo(HaveOccurred())
	return 0, string(said)
}

// Rows J10 and J11: 0 pass, 1 fail, 2 bad input, and the place in the message.
func TestExitCodes(t *testing.T) {
	g := NewWithT(t)
	wrong := filepath.Join(t.TempDir(), "wrong.yaml")
	right, err := os.ReadFile("../sim/scenarios/same-subnet.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.WriteFile(wrong, []byte(strings.Replace(string(right), "to: red-2", "to: red-9", 1)), 0o600)).To(Succeed())
	for _, run := range []struct {
		arguments string
		code      int
		says      string
	}{
		{"conformance --rows J11", 0, "1 rows: 1 pass"},
		{"conformance --rows H1,J11", 1, "H1 (none)"},
		{"conformance --rows Q1", 2, `got ["Q1"]`},
		{"sim validate same-subnet", 0, ""},
		{"sim validate ../sim/conformance/bad/scenario-misspelt.yaml", 2, "scenario-misspelt.yaml:9: "},
		{"sim run ../sim/conformance/bad/scenario-misspelt.yaml", 2, "scenario-misspelt.yaml:9: "},
		{"sim run " + wrong, 2, "wrong.yaml:"},
		{"sim run no-such-scenario", 2, "no-such-scenario"},
		{"sim walk", 2, "walk"},
	} {
		code, said := exitCode(g, strings.Fields(run.arguments)...)
		g.Expect(code).To(Equal(run.code), "mizar %s said:\n%s", run.arguments, said)
		g.Expect(said).To(ContainSubstring(run.says), run.arguments)
	}
}
