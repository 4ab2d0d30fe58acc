// SPDX-License-Identifier: Apache-2.0

package strict

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Value is a place in a file and what stands there, if anything.
type Value struct {
	reader *Reader
	node   *yaml.Node
	path   string
	line   int
	// shape is of this place; nil when nobody wants to know.
	shape *Shape
}

// Present says that something was written there.
func (v Value) Present() bool { return v.node != nil }

// Path is the way to the value: "spec.cidrs[1]".
func (v Value) Path() string { return v.path }

// Line is where the value begins, counted from 1.
func (v Value) Line() int { return v.line }

// File is the name of the file that the value is in.
func (v Value) File() string { return v.reader.file }

// Node is the YAML itself; nil when nothing was written.
func (v Value) Node() *yaml.Node { return v.node }

// Fail records that something else was wanted here.
func (v Value) Fail(want string) { v.FailGot(v.shown(), want) }

// FailGot is Fail with words of its own for what stands here.
func (v Value) FailGot(got, want string) {
	v.reader.errs = append(v.reader.errs, &Error{
		File: v.reader.file, Line: v.line, Field: v.path, Got: got, Want: want,
	})
}

// List reads a sequence that is not empty.
func (v Value) List() []Value {
	if v.Present() && v.node.Kind == yaml.SequenceNode && len(v.node.Content) == 0 {
		v.FailGot("an empty list", "at least one item, or no such field at all")
	}
	return v.list()
}

// AnyList reads a sequence that may be empty.
func (v Value) AnyList() []Value {
	if v.shape != nil {
		v.shape.Empty = true
	}
	return v.list()
}

func (v Value) list() []Value {
	item := v.shape.item()
	if !v.Present() {
		if item == nil {
			return nil
		}
		return []Value{{reader: v.reader, path: v.path + "[0]", line: v.line, shape: item}}
	}
	if v.node.Kind != yaml.SequenceNode {
		v.Fail("a list")
		return nil
	}
	values := make([]Value, len(v.node.Content))
	for i, node := range v.node.Content {
		values[i] = v.reader.Value(node, fmt.Sprintf("%s[%d]", v.path, i))
		values[i].shape = item
	}
	return values
}

// Each reads a sequence whose values are all read by one function.
func Each[T any](v Value, read func(Value) T) []T {
	var all []T
	for _, item := range v.List() {
		all = append(all, read(item))
	}
	return all
}

// Entry is a key of a mapping and its value.
type Entry struct {
	Key string
	// Line is where the key stands.
	Line  int
	Value Value
}

// Entries reads a mapping with keys of the writer's choice, in written order.
func (v Value) Entries() []Entry {
	shape := v.shape.entry()
	if !v.Present() {
		if shape == nil {
			return nil
		}
		const any = "*"
		return []Entry{{Key: any, Line: v.line, Value: Value{reader: v.reader, path: join(v.path, any), line: v.line, shape: shape}}}
	}
	entries := v.entries()
	for i := range entries {
		entries[i].Value.shape = shape
	}
	return entries
}

// entries reads a mapping, whatever its keys.
func (v Value) entries() []Entry {
	if v.node.Kind != yaml.MappingNode {
		v.Fail("a mapping")
		return nil
	}
	var entries []Entry
	seen := map[string]int{}
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		key := v.reader.Value(v.node.Content[i], v.path)
		if key.node.Kind != yaml.ScalarNode || key.null() {
			key.FailGot(key.shown()+" as a key", "a text as a key")
			continue
		}
		name := key.node.Value
		key.path = join(v.path, name)
		if first, ok := seen[name]; ok {
			key.FailGot(fmt.Sprintf("%q a second time (first in line %d)", name, first), "every key once")
			continue
		}
		seen[name] = key.line
		value := v.reader.Value(v.node.Content[i+1], key.path)
		entries = append(entries, Entry{Key: name, Line: key.line, Value: value})
	}
	return entries
}

// Fields are the values of a mapping with known keys.
type Fields struct {
	of     Value
	values map[string]Value
}

// Fields reads a mapping with the given keys and no others.
func (v Value) Fields(known ...string) Fields {
	f := Fields{of: v, values: map[string]Value{}}
	v.shape.known(known)
	if !v.Present() {
		return f
	}
	for _, entry := range v.entries() {
		if !slices.Contains(known, entry.Key) {
			at := entry.Value
			at.line = entry.Line
			at.FailGot("an unknown field", "one of "+strings.Join(known, ", "))
			continue
		}
		entry.Value.shape = v.shape.field(entry.Key)
		f.values[entry.Key] = entry.Value
	}
	return f
}

// Peek is the scalar that a mapping has for a key, before its fields are read; ""
// when there is none.
func (v Value) Peek(key string) string {
	if v.null() || v.node.Kind != yaml.MappingNode {
		return ""
	}
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		if v.node.Content[i].Value == key {
			return v.node.Content[i+1].Value
		}
	}
	return ""
}

// Optional returns a field, absent when it was not written.
func (f Fields) Optional(name string) Value {
	if value, ok := f.values[name]; ok {
		return value
	}
	return Value{reader: f.of.reader, path: join(f.of.path, name), line: f.of.line, shape: f.of.shape.field(name)}
}

// Required returns a field, and records an error when it was not written.
func (f Fields) Required(name, want string) Value {
	value := f.Optional(name)
	f.of.shape.require(name, want)
	if !value.Present() && f.of.Present() && f.of.node.Kind == yaml.MappingNode {
		value.FailGot("nothing", want)
	}
	return value
}

func (v Value) null() bool {
	return v.node == nil || v.node.Kind == 0 || (v.node.Kind == yaml.ScalarNode && v.node.ShortTag() == "!!null")
}

// shown is the value as an error tells it.
func (v Value) shown() string {
	switch {
	case v.null():
		return "nothing"
	case v.node.Kind == yaml.MappingNode:
		return "a mapping"
	case v.node.Kind == yaml.SequenceNode:
		return "a list"
	case v.node.ShortTag() == "!!str":
		return Quote(v.node.Value)
	default:
		return strings.Trim(Quote(v.node.Value), `"`)
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
