// SPDX-License-Identifier: Apache-2.0

package record

import (
	"fmt"
	"io/fs"
	"path"

	"go.yaml.in/yaml/v3"

	"github.com/mizar-net/mizar/sim/scenario"
)

// source is the scenario as it was written: a recording takes over what it says
// of the network.
func source(s *scenario.Scenario) (*yaml.Node, error) {
	b, err := fs.ReadFile(s.Files, path.Base(s.File))
	if err != nil {
		return nil, fmt.Errorf("record %s: %w", s.Name, err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(b, &document); err != nil {
		return nil, fmt.Errorf("record %s: %w", s.File, err)
	}
	return document.Content[0], nil
}

// field is the value of a key of a mapping; nil for none.
func field(mapping *yaml.Node, key string) *yaml.Node {
	if mapping == nil {
		return nil
	}
	if mapping.Kind == yaml.AliasNode {
		mapping = mapping.Alias
	}
	for i := 0; i+1 < len(mapping.Content) && mapping.Kind == yaml.MappingNode; i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

// source is a step as it was written.
func (r recording) source(i int) *yaml.Node {
	return field(r.root, "steps").Content[i]
}

// topology is the one that was written, with this recording's family alone.
func (r recording) topology() *yaml.Node {
	whole := field(r.root, "topology")
	if len(r.scenario.Families) != 1 {
		return whole
	}
	number := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: fmt.Sprint(r.scenario.Families[0])}
	one := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle, Content: []*yaml.Node{number}}
	return with(whole, "underlay", with(field(whole, "underlay"), "families", one))
}

// with is a mapping with another value for a key that it has.
func with(mapping *yaml.Node, key string, value *yaml.Node) *yaml.Node {
	changed := *mapping
	changed.Content = append([]*yaml.Node(nil), mapping.Content...)
	for i := 0; i+1 < len(changed.Content); i += 2 {
		if changed.Content[i].Value == key {
			changed.Content[i+1] = value
		}
	}
	return &changed
}

// objectFiles are the names of files that objects stand in.
func objectFiles(root *yaml.Node) []string {
	var names []string
	from := func(list *yaml.Node) {
		if list == nil {
			return
		}
		for _, item := range list.Content {
			if file := field(item, "file"); file != nil {
				names = append(names, path.Clean(file.Value))
			}
		}
	}
	from(field(root, "objects"))
	for _, step := range field(root, "steps").Content {
		from(field(field(step, "change"), "apply"))
	}
	return names
}
