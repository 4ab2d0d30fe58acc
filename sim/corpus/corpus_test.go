// SPDX-License-Identifier: Apache-2.0

package corpus_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/mizar-net/mizar/sim/corpus"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

var update = flag.Bool("update", false, "write the golden tables anew")

// pool keeps the machine for the next test.
var pool testrun.Pool

func TestMain(m *testing.M) {
	code := m.Run()
	if err := pool.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func machine(t testing.TB) testrun.Machine {
	t.Helper()
	m, err := pool.Make("h3")
	if err != nil {
		t.Fatalf("load the programs (this needs root): %v", err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// golden runs a folder and holds its table to a file.
func golden(t *testing.T, file string, folders ...string) {
	t.Helper()
	report, err := corpus.Run(context.Background(), machine(t), folders...)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range report.Found {
		if i == 20 {
			break
		}
		t.Error(s)
	}
	var got bytes.Buffer
	if err := report.Table.WriteText(&got); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got.Bytes()) {
		t.Errorf("the table is not that of %s (read it, then -update):\n%s", file, got.String())
	}
}

// TestForeign runs the corpus beside the repository.
func TestForeign(t *testing.T) {
	folder := os.Getenv("MIZAR_PCAPS")
	if folder == "" {
		folder = "../../../shared/pcaps"
	}
	if _, err := os.Stat(folder); err != nil {
		t.Logf("not run: no foreign captures at %s (MIZAR_PCAPS says where they are); the project's own are run by TestOwn", folder)
		return
	}
	golden(t, "testdata/foreign.golden", folder)
}
