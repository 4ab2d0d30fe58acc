// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"regexp"
	"slices"
	"strings"
)

// Selection chooses steps. The zero value chooses all.
type Selection struct {
	// Name, when set, must match the step's name.
	Name *regexp.Regexp
	// Rows, when there are any, are IDs of ACCEPTANCE of which the step must
	// have one.
	Rows []string
}

func (c Selection) chooses(s Step) bool {
	if c.Name != nil && !c.Name.MatchString(s.Name) {
		return false
	}
	return len(c.Rows) == 0 || slices.ContainsFunc(c.Rows, func(row string) bool {
		id, _, _ := strings.Cut(row, "/")
		return slices.Contains(s.Rows, id)
	})
}

// changes says whether later steps find another network because of the step.
func (s Step) changes() bool {
	return s.Change != nil || s.Forget || s.Advance > 0 || s.Fault != nil || s.Clock != nil || s.Traffic != nil || s.Stop != nil
}

// Select returns the scenario with the chosen steps, and those before them that
// change the network: objects, what is learned, the clock, what is broken, traffic. It is nil when no step
// is chosen.
func (s *Scenario) Select(c Selection) *Scenario {
	chosen := *s
	chosen.Steps = nil
	some := 0
	for i, step := range s.Steps {
		if c.chooses(step) {
			chosen.Steps = append(chosen.Steps, step)
			some = len(chosen.Steps)
		} else if step.changes() {
			chosen.Steps = append(chosen.Steps, s.Steps[i])
		}
	}
	if some == 0 {
		return nil
	}
	chosen.Steps = chosen.Steps[:some]
	return &chosen
}
