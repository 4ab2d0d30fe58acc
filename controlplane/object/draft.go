// SPDX-License-Identifier: Apache-2.0

package object

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mizar-net/mizar/controlplane/object/strict"
)

// Error is one thing wrong with one field. Decoding and validation return all
// of them joined.
type Error = strict.Error

// Kind is the kind of an object, as it is written.
type Kind string

// The kinds of objects.
const (
	KindHost     Kind = "Host"
	KindVPC      Kind = "VPC"
	KindSubnet   Kind = "Subnet"
	KindEndpoint Kind = "Endpoint"
)

// DefaultNamespace is the namespace of an endpoint that names none.
const DefaultNamespace = "default"

// Ref names one object.
type Ref struct {
	Kind Kind
	// Key is the object's [Meta.Key].
	Key string
}

// String is "Kind/key".
func (r Ref) String() string { return string(r.Kind) + "/" + r.Key }

// EndpointKey is the [Meta.Key] of the endpoint that people call name, which
// may leave the default namespace out.
func EndpointKey(name string) string {
	if strings.Contains(name, "/") {
		return name
	}
	return DefaultNamespace + "/" + name
}

// Draft is what was written: decoded, but not checked as a whole and without
// defaults. The zero value is empty and ready for use.
type Draft struct {
	Hosts     []Host
	VPCs      []VPC
	Subnets   []Subnet
	Endpoints []Endpoint

	origins map[origin]fields
}

// origin is an object and where it was written.
type origin struct {
	ref Ref
	at  Position
}

// fields says how an object's fields are called, and in which lines they are.
type fields struct {
	prefix string
	lines  map[string]int
}

// Refs names the objects of the draft: hosts, VPCs, subnets, endpoints.
func (d *Draft) Refs() []Ref {
	var refs []Ref
	for _, h := range d.Hosts {
		refs = append(refs, Ref{KindHost, h.Key()})
	}
	for _, v := range d.VPCs {
		refs = append(refs, Ref{KindVPC, v.Key()})
	}
	for _, s := range d.Subnets {
		refs = append(refs, Ref{KindSubnet, s.Key()})
	}
	for _, e := range d.Endpoints {
		refs = append(refs, Ref{KindEndpoint, e.Key()})
	}
	return refs
}

// Add puts the objects of another draft behind those of d.
func (d *Draft) Add(other Draft) {
	d.Hosts = append(d.Hosts, other.Hosts...)
	d.VPCs = append(d.VPCs, other.VPCs...)
	d.Subnets = append(d.Subnets, other.Subnets...)
	d.Endpoints = append(d.Endpoints, other.Endpoints...)
	for from, f := range other.origins {
		d.remember(from, f)
	}
}

func (d *Draft) remember(from origin, f fields) {
	if d.origins == nil {
		d.origins = map[origin]fields{}
	}
	d.origins[from] = f
}

// fail makes the error for a field of an object, "spec.…" or "metadata.…".
func (d *Draft) fail(kind Kind, meta Meta, field, got, want string) error {
	ref := Ref{kind, meta.Key()}
	e := &Error{
		File: meta.At.File, Line: meta.At.Line, Object: ref.String(),
		Field: field, Got: got, Want: want,
	}
	from, known := d.origins[origin{ref, meta.At}]
	if !known {
		return e
	}
	if rest, ok := strings.CutPrefix(field, "spec"); ok {
		e.Field = from.prefix + rest
	}
	for path := e.Field; path != ""; path = parent(path) {
		if line, ok := from.lines[path]; ok {
			e.Line = line
			break
		}
	}
	return e
}

// parent cuts the last step off a path; "" when there is none left.
func parent(path string) string {
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}

// lines records the line of each field below a node; aliases are not followed.
func lines(node *yaml.Node, path string, into map[string]int) {
	into[path] = node.Line
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			name := node.Content[i].Value
			if path != "" {
				name = path + "." + name
			}
			lines(node.Content[i+1], name, into)
			into[name] = node.Content[i].Line
		}
	case yaml.SequenceNode:
		for i, item := range node.Content {
			lines(item, fmt.Sprintf("%s[%d]", path, i), into)
		}
	}
}
