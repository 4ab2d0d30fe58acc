// SPDX-License-Identifier: Apache-2.0

package object

import (
	"fmt"
	"slices"
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
	KindHost          Kind = "Host"
	KindVPC           Kind = "VPC"
	KindSubnet        Kind = "Subnet"
	KindEndpoint      Kind = "Endpoint"
	KindNamespace     Kind = "Namespace"
	KindNetworkPolicy Kind = "NetworkPolicy"
	KindService       Kind = "Service"
	KindEndpointSlice Kind = "EndpointSlice"
)

// Kinds are all kinds of objects, in the order that they are told in.
var Kinds = []Kind{KindHost, KindVPC, KindSubnet, KindEndpoint, KindNamespace, KindNetworkPolicy, KindService, KindEndpointSlice}

// APIVersion is the group and version that objects of the kind are written with.
func (k Kind) APIVersion() string {
	switch k {
	case KindNamespace, KindService:
		return "v1"
	case KindNetworkPolicy:
		return "networking.k8s.io/v1"
	case KindEndpointSlice:
		return "discovery.k8s.io/v1"
	}
	return APIVersion
}

// Namespaced says that objects of the kind are in a namespace.
func (k Kind) Namespaced() bool {
	return slices.Contains([]Kind{KindEndpoint, KindNetworkPolicy, KindService, KindEndpointSlice}, k)
}

// annotated says that objects of the kind may have annotations.
func (k Kind) annotated() bool {
	return slices.Contains([]Kind{KindNamespace, KindNetworkPolicy, KindService, KindEndpointSlice}, k)
}

// Key is the [Meta.Key] of the object that people call name, which may leave the
// default namespace out.
func (k Kind) Key(name string) string {
	if !k.Namespaced() || strings.Contains(name, "/") {
		return name
	}
	return DefaultNamespace + "/" + name
}

// DefaultNamespace is the namespace of an object that names none.
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
func EndpointKey(name string) string { return KindEndpoint.Key(name) }

// Draft is what was written: decoded, but not checked as a whole and without
// defaults. The zero value is empty and ready for use.
type Draft struct {
	Hosts     []Host
	VPCs      []VPC
	Subnets   []Subnet
	Endpoints []Endpoint
	// Namespaces and what follows are Kubernetes' own.
	Namespaces     []Namespace
	Policies       []NetworkPolicy
	Services       []Service
	EndpointSlices []EndpointSlice

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

// Refs names the objects of the draft, in the order of [Kinds].
func (d *Draft) Refs() []Ref {
	return slices.Concat(
		refs(KindHost, d.Hosts, Host.Key), refs(KindVPC, d.VPCs, VPC.Key),
		refs(KindSubnet, d.Subnets, Subnet.Key), refs(KindEndpoint, d.Endpoints, Endpoint.Key),
		refs(KindNamespace, d.Namespaces, Namespace.Key), refs(KindNetworkPolicy, d.Policies, NetworkPolicy.Key),
		refs(KindService, d.Services, Service.Key), refs(KindEndpointSlice, d.EndpointSlices, EndpointSlice.Key),
	)
}

func refs[T any](kind Kind, objects []T, key func(T) string) []Ref {
	var all []Ref
	for _, o := range objects {
		all = append(all, Ref{kind, key(o)})
	}
	return all
}

// Without returns the draft less some objects.
func (d Draft) Without(gone map[Ref]bool) Draft {
	d.Hosts = without(d.Hosts, KindHost, Host.Key, gone)
	d.VPCs = without(d.VPCs, KindVPC, VPC.Key, gone)
	d.Subnets = without(d.Subnets, KindSubnet, Subnet.Key, gone)
	d.Endpoints = without(d.Endpoints, KindEndpoint, Endpoint.Key, gone)
	d.Namespaces = without(d.Namespaces, KindNamespace, Namespace.Key, gone)
	d.Policies = without(d.Policies, KindNetworkPolicy, NetworkPolicy.Key, gone)
	d.Services = without(d.Services, KindService, Service.Key, gone)
	d.EndpointSlices = without(d.EndpointSlices, KindEndpointSlice, EndpointSlice.Key, gone)
	return d
}

func without[T any](objects []T, kind Kind, key func(T) string, gone map[Ref]bool) []T {
	var kept []T
	for _, o := range objects {
		if !gone[Ref{kind, key(o)}] {
			kept = append(kept, o)
		}
	}
	return kept
}

// Add puts the objects of another draft behind those of d.
func (d *Draft) Add(other Draft) {
	d.Hosts = append(d.Hosts, other.Hosts...)
	d.VPCs = append(d.VPCs, other.VPCs...)
	d.Subnets = append(d.Subnets, other.Subnets...)
	d.Endpoints = append(d.Endpoints, other.Endpoints...)
	d.Namespaces = append(d.Namespaces, other.Namespaces...)
	d.Policies = append(d.Policies, other.Policies...)
	d.Services = append(d.Services, other.Services...)
	d.EndpointSlices = append(d.EndpointSlices, other.EndpointSlices...)
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
