// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"fmt"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/sim/conformance"
	"github.com/mizar-net/mizar/sim/oracle"
	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/scenarios"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/testrun"
	"github.com/mizar-net/mizar/sim/wire/veth"
)

// What the specs are made from: embedded in the program, so that an error is the
// program's.
var (
	scripts = must(load())
	allRows = must(conformance.Rows())
	claims  = conformance.Claims(allRows)
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(fmt.Sprintf("what is embedded cannot be read: %v", err))
	}
	return value
}

func load() ([]*scenario.Scenario, error) {
	var all []*scenario.Scenario
	for _, name := range scenarios.Names() {
		s, err := scenarios.Load(name)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// machines and programs are kept from one network for the next: to load them takes
// long.
var (
	machines testrun.Pool
	programs veth.Pool
)

// config is what runs need.
func config() run.Config {
	return run.Config{
		Wires: []run.Factory{
			{Name: "testrun", Open: func(context.Context) (wire.Wire, error) { return testrun.New(machines.Make), nil }},
			{Name: "veth", Open: func(context.Context) (wire.Wire, error) { return programs.Open() }},
		},
		Oracle:  func() run.Oracle { return oracle.New() },
		Compile: compile.View.Hosts,
	}
}
