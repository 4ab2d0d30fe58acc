// SPDX-License-Identifier: Apache-2.0

// Package scenarios holds the scenarios that come with Mizar: the conformance
// suite and the tour. They are named by their files, without the ending.
package scenarios

import (
	"embed"
	"io/fs"
	"strings"

	"github.com/mizar-net/mizar/sim/scenario"
)

//go:embed *.yaml objects captures translations golden
var files embed.FS

// Tour is the scenario that `make run` shows.
const Tour = "tour"

// Files are the scenarios and all files that they name.
func Files() fs.FS { return files }

// Names are the names of all scenarios, sorted.
func Names() []string {
	found, err := fs.Glob(files, "*.yaml")
	if err != nil {
		panic(err) // the pattern is wrong
	}
	for i, f := range found {
		found[i] = strings.TrimSuffix(f, ".yaml")
	}
	return found
}

// Load reads a scenario by its name.
func Load(name string) (*scenario.Scenario, error) {
	return scenario.Load(files, name+".yaml")
}
