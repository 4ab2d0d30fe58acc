// SPDX-License-Identifier: Apache-2.0

package property_test

import (
	"context"
	"embed"
	"flag"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"

	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/sim/oracle"
	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/scenario"
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

// failed is where the smallest case that fails is written to.
const failed = "../../out/property.yaml"

// decode reads what was drawn as `mizar sim run` does.
func (d *drawn) decode(t *rapid.T) *scenario.Scenario {
	s, err := scenario.Decode(embed.FS{}, "property.yaml", []byte(d.String()))
	if err != nil {
		t.Fatalf("what was drawn is no scenario: %v\n%s", err, d.String())
	}
	return s
}

// What programs do with packets is what the oracle says of the objects alone: who is
// reached, by which way, and by the name of which rule.
func TestTheDatapathDoesWhatTheOracleSays(t *testing.T) {
	var pool testrun.Pool
	defer func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	}()
	config := run.Config{
		Wires: []run.Factory{{Name: "testrun", Open: func(context.Context) (wire.Wire, error) {
			return testrun.New(pool.Make), nil
		}}},
		Oracle:  func() run.Oracle { return oracle.New() },
		Compile: compile.View.Hosts,
	}
	met, enough := map[string]int{}, 0
	rapid.Check(t, func(rt *rapid.T) {
		d := network(rt)
		d.conversations(rt)
		enough++
		r, err := run.Run(t.Context(), d.decode(rt), config)
		if err != nil {
			keep(rt, d)
			rt.Fatalf("%v\n%s", err, d.String())
		}
		for _, v := range r.Runs {
			for _, step := range v.Steps {
				for _, c := range step.Checks {
					met[c.Cell.Verdict+" "+c.Cell.Reason]++
					if len(c.Failures) > 0 {
						keep(rt, d)
						rt.Fatalf("line %d, %s: %v\n%s", step.Line, c.Name, c.Failures, d.String())
					}
				}
			}
		}
	})
	t.Logf("conversations of %d cases by what became of their first packet: %v", enough, met)
	for _, outcome := range []string{"deliver ", "drop policy_egress", "drop policy_ingress", "refuse no_endpoint"} {
		if enough >= 500 && met[outcome] < enough/50 {
			t.Errorf("in %d cases %d conversations met %q: what is drawn is not what the property is about", enough, met[outcome], outcome)
		}
	}
}

// keep writes a case that failed; the smallest is the last one.
func keep(t *rapid.T, d *drawn) {
	if err := os.MkdirAll(filepath.Dir(failed), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(failed, []byte(d.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
