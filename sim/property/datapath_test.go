// SPDX-License-Identifier: Apache-2.0

package property_test

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"

	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/sim/property"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// cases are how many are drawn when -rapid.checks does not say.
const cases = "2000"

func TestMain(m *testing.M) {
	flag.Parse()
	set := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { set[f.Name] = true })
	// What failed is kept as a scenario: what rapid keeps means another network as
	// soon as anything else is drawn.
	for name, value := range map[string]string{"rapid.checks": cases, "rapid.nofailfile": "true"} {
		if set[name] {
			continue
		}
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	debug.SetGCPercent(400) // a case makes much and keeps nothing
	os.Exit(m.Run())
}

// dice are rapid's.
type dice struct{ *rapid.T }

func (d dice) Roll(what string, sides int) int {
	return rapid.IntRange(0, sides-1).Draw(d.T, what)
}

// failed is where the smallest case that fails is written to.
const failed = "../../out/property.yaml"

// keep writes a case that failed; the smallest is the last one.
func keep(text string) {
	if err := os.MkdirAll(filepath.Dir(failed), 0o755); err != nil {
		panic(err)
	}
	if err := os.WriteFile(failed, []byte(text), 0o644); err != nil {
		panic(err)
	}
}

// open returns what opens testrun wires, whose machines are kept until the test is over.
func open(t *testing.T) property.Open {
	var pool testrun.Pool
	t.Cleanup(func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	})
	return func(context.Context) (wire.Wire, error) { return testrun.New(pool.Make), nil }
}

// What programs do with packets is what the oracle says of the objects alone.
func TestTheDatapathDoesWhatTheOracleSays(t *testing.T) {
	trial := property.NewTrial(open(t))
	smallest := ""
	trial.Keep = func(text string) {
		smallest = text
		keep(text)
	}
	defer func() {
		if smallest != "" { // of what rapid tried; there is more to leave out
			keep(trial.Minimal(t.Context(), smallest))
		}
	}()
	rapid.Check(t, func(rt *rapid.T) {
		if wrong := trial.Case(t.Context(), dice{rt}); wrong != "" {
			rt.Fatal(wrong)
		}
	})
	t.Logf("conversations of %d cases by what became of their first packet: %v", trial.Cases, trial.Met)
	for _, outcome := range []string{"deliver ", "drop policy_egress", "drop policy_ingress", "refuse no_endpoint"} {
		if trial.Cases >= 500 && trial.Met[outcome] < trial.Cases/50 {
			t.Errorf("in %d cases %d conversations met %q: what is drawn is not what the property is about", trial.Cases, trial.Met[outcome], outcome)
		}
	}
}
