// SPDX-License-Identifier: Apache-2.0

package strict

import "slices"

// Shape is what readers have asked of one place in files: the form that they
// accept there. It is the decoder's own description of itself.
//
// A reader that describes ([Reader.Describe]) is given files for the branches
// that its decoder takes by what is written; below what is absent, the decoder is
// led on with one item of every list and one entry of every mapping.
type Shape struct {
	// Scalars are the single values that may stand here.
	Scalars []Scalar
	// Item is what each item of a list is like; nil: no list.
	Item *Shape
	// Empty says that the list may have no items.
	Empty bool
	// Entry is what each value is like of a mapping whose keys are the
	// writer's choice; nil: no such mapping.
	Entry *Shape
	// Fields are those of a mapping with known keys; nil: no such mapping.
	Fields map[string]*Field

	// visits counts how often the known keys were asked for.
	visits int
}

// Field is a known key of a mapping.
type Field struct {
	Shape
	// Want says what a required field is for; "" for other fields.
	Want string

	required int
}

// Scalar is one kind of single value.
type Scalar struct {
	Kind ScalarKind
	// Low and High bound whole numbers; Enum has the texts of a choice.
	Low, High int
	Enum      []string
}

// ScalarKind says what a single value is.
type ScalarKind string

// The kinds of single values.
const (
	TextScalar     ScalarKind = "text"
	AnyTextScalar  ScalarKind = "any text"
	EnumScalar     ScalarKind = "enum"
	IntScalar      ScalarKind = "int"
	BoolScalar     ScalarKind = "bool"
	DurationScalar ScalarKind = "duration"
	AddrScalar     ScalarKind = "addr"
	PrefixScalar   ScalarKind = "prefix"
	MACScalar      ScalarKind = "mac"
)

// Describe makes the reader add all that is asked of its files to a shape.
func (r *Reader) Describe(s *Shape) { r.shape = s }

// Required says whether the field must always be there.
func (s *Shape) Required(name string) bool {
	f := s.Fields[name]
	return f != nil && s.visits > 0 && f.required == s.visits
}

// scalar notes that a single value was asked for; choices are united.
func (s *Shape) scalar(kind Scalar) {
	if s == nil {
		return
	}
	for i, known := range s.Scalars {
		if known.Kind == EnumScalar && kind.Kind == EnumScalar {
			for _, text := range kind.Enum {
				if !slices.Contains(known.Enum, text) {
					s.Scalars[i].Enum = append(s.Scalars[i].Enum, text)
				}
			}
			return
		}
		if known.Kind == kind.Kind && known.Low == kind.Low && known.High == kind.High {
			return
		}
	}
	kind.Enum = slices.Clone(kind.Enum)
	s.Scalars = append(s.Scalars, kind)
}

// item is the shape of the items of a list.
func (s *Shape) item() *Shape {
	if s == nil {
		return nil
	}
	if s.Item == nil {
		s.Item = &Shape{}
	}
	return s.Item
}

// entry is the shape of the values of a mapping.
func (s *Shape) entry() *Shape {
	if s == nil {
		return nil
	}
	if s.Entry == nil {
		s.Entry = &Shape{}
	}
	return s.Entry
}

// known notes the keys of a mapping.
func (s *Shape) known(names []string) {
	if s == nil {
		return
	}
	s.visits++
	if s.Fields == nil {
		s.Fields = map[string]*Field{}
	}
	for _, name := range names {
		if s.Fields[name] == nil {
			s.Fields[name] = &Field{}
		}
	}
}

// field is the shape of a field.
func (s *Shape) field(name string) *Shape {
	if s == nil || s.Fields[name] == nil {
		return nil
	}
	return &s.Fields[name].Shape
}

// require notes that a field must be there.
func (s *Shape) require(name, want string) {
	if s == nil || s.Fields[name] == nil {
		return
	}
	f := s.Fields[name]
	f.Want = want
	f.required++
}
