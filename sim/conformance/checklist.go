// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"bytes"
	_ "embed"
	"fmt"

	"go.yaml.in/yaml/v3"
)

//go:embed checklist.yaml
var checklistYAML []byte

// Point is one point of the checklist of NetworkPolicy's semantics.
type Point struct {
	// ID is that of ACCEPTANCE: "NP-07".
	ID string
	// Tests are Go tests that show it, as "folder.TestName"; Scenarios have steps
	// that are labelled with the ID.
	Tests, Scenarios []string
	// Later says what the point waits for, where nothing shows it yet.
	Later string
}

// Checklist are all points, in the order of ACCEPTANCE.
func Checklist() ([]Point, error) {
	var all []Point
	decoder := yaml.NewDecoder(bytes.NewReader(checklistYAML))
	decoder.KnownFields(true)
	if err := decoder.Decode(&all); err != nil {
		return nil, fmt.Errorf("read the embedded checklist.yaml: %w", err)
	}
	return all, nil
}
