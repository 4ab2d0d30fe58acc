// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/object/strict"
)

// Schema returns the JSON schema (draft 2020-12) of the scenario file, for
// editors. It is what the decoder asks for while it reads specimens, so that the
// two cannot disagree. The schema is the weaker of the two: names and what
// belongs together only `mizar sim validate` knows.
func Schema() ([]byte, error) {
	whole := &strict.Shape{}
	for i, modes := range xdpSpecimens {
		text := strings.ReplaceAll(specimen, "XDP", modes)
		describe(whole, strings.ReplaceAll(text, "FORM", formSpecimens[i%len(formSpecimens)]))
	}
	root := schemaOf(whole)
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "Mizar scenario"
	root["$defs"] = schema{"object": objectSchema()}
	items := schema{"$ref": "#/$defs/object"}
	properties(root)["objects"].(schema)["items"] = items
	step := properties(root)["steps"].(schema)["items"].(schema)
	properties(properties(step)["change"].(schema))["apply"].(schema)["items"] = items
	step["oneOf"] = oneOfKeys(stepKinds)
	b, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the schema: %w", err)
	}
	return append(b, '\n'), nil
}

// schema is a JSON schema, or a part of one.
type schema = map[string]any

func properties(s schema) schema { return s["properties"].(schema) }

// describe adds to a shape all that the decoder asks for in a text. What is wrong
// with the text does not matter.
func describe(s *strict.Shape, text string) {
	d := decoder{files: embed.FS{}, shape: s}
	_, _ = d.decode("specimen.yaml", []byte(text))
}

// objectSchema is that of one object: the kinds are told apart, because each has
// a spec of its own.
func objectSchema() schema {
	var kinds []schema
	for _, kind := range object.Kinds {
		s := &strict.Shape{}
		describe(s, strings.ReplaceAll(objectSpecimen, "KIND", string(kind)))
		one := schemaOf(s.Fields["objects"].Item)
		properties(one)["kind"] = schema{"const": string(kind)}
		kinds = append(kinds, one)
	}
	s := &strict.Shape{}
	describe(s, fileSpecimen)
	return schema{"anyOf": append(kinds, schemaOf(s.Fields["objects"].Item))}
}

// oneOfKeys says that exactly one of the keys is there.
func oneOfKeys(keys []string) []schema {
	var all []schema
	for _, key := range keys {
		all = append(all, schema{"required": []string{key}})
	}
	return all
}

// schemaOf is the schema of a shape; where it may be several things, of any of
// them.
func schemaOf(s *strict.Shape) schema {
	all := []schema{}
	for _, kind := range s.Scalars {
		all = append(all, scalarSchema(kind))
	}
	if s.Item != nil {
		list := schema{"type": "array", "items": schemaOf(s.Item)}
		if !s.Empty {
			list["minItems"] = 1
		}
		all = append(all, list)
	}
	if s.Entry != nil {
		all = append(all, schema{"type": "object", "additionalProperties": schemaOf(s.Entry)})
	}
	if s.Fields != nil {
		all = append(all, fieldsSchema(s))
	}
	if len(all) == 1 {
		return all[0]
	}
	return schema{"anyOf": all}
}

func fieldsSchema(s *strict.Shape) schema {
	fields, required := schema{}, []string{}
	for _, name := range slices.Sorted(maps.Keys(s.Fields)) {
		field := schemaOf(&s.Fields[name].Shape)
		if want := s.Fields[name].Want; want != "" {
			field["description"] = want
		}
		fields[name] = field
		if s.Required(name) {
			required = append(required, name)
		}
	}
	out := schema{"type": "object", "properties": fields, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

func scalarSchema(s strict.Scalar) schema {
	text := func(pattern string) schema { return schema{"type": "string", "pattern": pattern} }
	switch s.Kind {
	case strict.EnumScalar:
		return schema{"enum": s.Enum}
	case strict.IntScalar:
		return intSchema(s)
	case strict.BoolScalar:
		return schema{"type": "boolean"}
	case strict.DurationScalar:
		return text(`^([0-9.]+(ns|us|µs|ms|s|m|h))+$`)
	case strict.AddrScalar:
		return text(`^[0-9a-fA-F:.]*[.:][0-9a-fA-F:.]*$`)
	case strict.PrefixScalar:
		return text(`^[0-9a-fA-F:.]+/[0-9]{1,3}$`)
	case strict.MACScalar:
		return text(`^([0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}$`)
	case strict.AnyTextScalar:
		return schema{"type": "string"}
	}
	return schema{"type": "string", "minLength": 1}
}

// intSchema leaves out bounds that are none.
func intSchema(s strict.Scalar) schema {
	out := schema{"type": "integer"}
	const none = 1 << 40
	if s.Low > -none {
		out["minimum"] = s.Low
	}
	if s.High < none {
		out["maximum"] = s.High
	}
	return out
}
