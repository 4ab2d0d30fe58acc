// SPDX-License-Identifier: Apache-2.0

package object

import (
	"math"
	"regexp"
	"strings"

	"github.com/mizar-net/mizar/controlplane/object/strict"
	"github.com/mizar-net/mizar/dataplane/state"
)

// Decode reads the objects of one file: any number of YAML documents. The
// error joins an [*Error] for each thing wrong; the draft then lacks the
// objects, or some of their fields.
func Decode(file string, data []byte) (Draft, error) {
	var d Draft
	r := strict.NewReader(file)
	for _, doc := range r.Documents(data) {
		d.DecodeObject(doc)
	}
	return d, r.Err()
}

// DecodeObject reads one whole object, apiVersion and all. Errors go to the
// value's reader.
func (d *Draft) DecodeObject(v strict.Value) {
	f := v.Fields("apiVersion", "kind", "metadata", "spec")
	f.Required("apiVersion", APIVersion).Enum(APIVersion)
	kind := f.Required("kind", "one of "+kinds).Enum(strings.Split(kinds, ", ")...)
	meta := decodeMeta(Kind(kind), f.Required("metadata", "a mapping with a name"))
	spec := f.Required("spec", "a mapping")
	meta.At = Position{File: v.File(), Line: v.Line()}
	if kind == "" {
		return
	}
	d.decodeSpec(Kind(kind), meta, v, spec)
}

const kinds = "Host, VPC, Subnet, Endpoint"

// DecodeSpec reads the spec of an object that is named elsewhere, as in the
// shorthand of a scenario's topology (name: spec). The name of an endpoint may
// have a namespace before it ("blue/web"). Errors go to the value's reader.
func (d *Draft) DecodeSpec(kind Kind, name string, spec strict.Value) {
	meta := Meta{At: Position{File: spec.File(), Line: spec.Line()}}
	if kind == KindEndpoint {
		meta.Namespace, meta.Name, _ = strings.Cut(EndpointKey(name), "/")
	} else {
		meta.Name = name
	}
	if !validName.MatchString(meta.Name) || (kind == KindEndpoint && !validName.MatchString(meta.Namespace)) {
		spec.FailGot(strict.Quote(name), nameWanted)
	}
	d.decodeSpec(kind, meta, spec, spec)
}

func (d *Draft) decodeSpec(kind Kind, meta Meta, whole, spec strict.Value) {
	switch kind {
	case KindHost:
		d.Hosts = append(d.Hosts, decodeHost(meta, spec))
	case KindVPC:
		d.VPCs = append(d.VPCs, decodeVPC(meta, spec))
	case KindSubnet:
		d.Subnets = append(d.Subnets, decodeSubnet(meta, spec))
	case KindEndpoint:
		d.Endpoints = append(d.Endpoints, decodeEndpoint(meta, spec))
	}
	f := fields{prefix: spec.Path(), lines: map[string]int{}}
	if whole.Present() {
		lines(whole.Node(), whole.Path(), f.lines)
	}
	d.remember(origin{Ref{kind, meta.Key()}, meta.At}, f)
}

// Names are RFC 1123 labels, or several with dots between them.
var validName = regexp.MustCompile(`^[a-z0-9]([-.a-z0-9]{0,61}[a-z0-9])?$`)

const nameWanted = "a name of at most 63 lower-case letters, digits, '-' and '.', with a letter or digit at both ends"

func decodeMeta(kind Kind, v strict.Value) Meta {
	known := []string{"name", "labels"}
	if kind == KindEndpoint {
		known = append(known, "namespace")
	}
	f := v.Fields(known...)
	meta := Meta{Name: decodeName(f.Required("name", nameWanted))}
	if kind == KindEndpoint {
		meta.Namespace = DefaultNamespace
		if ns := f.Optional("namespace"); ns.Present() {
			meta.Namespace = decodeName(ns)
		}
	}
	for _, label := range f.Optional("labels").Entries() {
		if meta.Labels == nil {
			meta.Labels = map[string]string{}
		}
		meta.Labels[label.Key] = label.Value.AnyText()
	}
	return meta
}

func decodeName(v strict.Value) string {
	name := v.Text()
	if name != "" && !validName.MatchString(name) {
		v.Fail(nameWanted)
	}
	return name
}

func decodeHost(meta Meta, v strict.Value) Host {
	f := v.Fields("addresses", "mtu", "vlan", "form", "xdp", "endpoint")
	h := Host{
		Meta:      meta,
		Endpoint:  decodeHostEndpoint(f.Optional("endpoint")),
		Addresses: strict.Each(f.Required("addresses", "one or two underlay addresses"), strict.Value.Addr),
		MTU:       f.Optional("mtu").Int(MinMTU, MaxMTU),
		VLAN:      uint16(f.Optional("vlan").Int(0, MaxVLAN)),
		Form:      DecodeForm(f.Optional("form")),
		XDP:       DecodeXDP(f.Optional("xdp")),
	}
	checkForm(h.Form, h.XDP, f)
	return h
}

func decodeHostEndpoint(v strict.Value) *HostEndpoint {
	f := v.Fields("addresses", "mac", "form", "xdp")
	e := HostEndpoint{
		Addresses: strict.Each(f.Required("addresses", "one or two addresses of a subnet of the default VPC"), strict.Value.Addr),
		MAC:       f.Optional("mac").MAC(),
		Form:      DecodeForm(f.Optional("form")),
		XDP:       DecodeXDP(f.Optional("xdp")),
	}
	if !v.Present() {
		return nil
	}
	checkForm(e.Form, e.XDP, f)
	return &e
}

func decodeVPC(meta Meta, v strict.Value) VPC {
	f := v.Fields("vni", "dividers", "default")
	return VPC{
		Meta:     meta,
		Default:  f.Optional("default").Bool(),
		VNI:      uint32(f.Required("vni", "a whole number from 1 to 16777215").Int(1, MaxVNI)),
		Dividers: decodePlacement(f.Optional("dividers")),
	}
}

func decodeSubnet(meta Meta, v strict.Value) Subnet {
	f := v.Fields("vpc", "cidrs", "gateways", "bouncers")
	return Subnet{
		Meta:     meta,
		VPC:      f.Required("vpc", "the name of a VPC").Text(),
		CIDRs:    strict.Each(f.Required("cidrs", "one or two prefixes"), strict.Value.Prefix),
		Gateways: strict.Each(f.Optional("gateways"), strict.Value.Addr),
		Bouncers: decodePlacement(f.Optional("bouncers")),
	}
}

func decodePlacement(v strict.Value) Placement {
	f := v.Fields("count", "hosts")
	return Placement{
		Count: f.Optional("count").Int(1, MaxRoles),
		Hosts: strict.Each(f.Optional("hosts"), strict.Value.Text),
	}
}

func decodeEndpoint(meta Meta, v strict.Value) Endpoint {
	f := v.Fields("subnet", "host", "addresses", "mac", "form", "xdp", "generation")
	e := Endpoint{
		Meta:      meta,
		Subnet:    f.Required("subnet", "the name of a subnet").Text(),
		Host:      f.Required("host", "the name of a host").Text(),
		Addresses: strict.Each(f.Required("addresses", "one or two addresses of the subnet"), strict.Value.Addr),
		MAC:       f.Optional("mac").MAC(),
		Form:      DecodeForm(f.Optional("form")),
		XDP:       DecodeXDP(f.Optional("xdp")),

		Generation: uint8(f.Optional("generation").Int(1, math.MaxUint8)),
	}
	checkForm(e.Form, e.XDP, f)
	return e
}

// checkForm refuses a mode of XDP where there is no XDP.
func checkForm(form state.Form, mode state.XDP, f strict.Fields) {
	if form == state.FormTCX && mode != "" {
		f.Optional("xdp").FailGot("a mode of XDP for a program of the form tcx", "no mode, or form: xdp")
	}
}

// DecodeForm reads a form of programs.
func DecodeForm(v strict.Value) state.Form {
	return state.Form(v.Enum(string(state.FormXDP), string(state.FormTCX)))
}

// DecodeXDP reads a mode of XDP.
func DecodeXDP(v strict.Value) state.XDP {
	return state.XDP(v.Enum(string(state.Native), string(state.Generic), string(state.Offload), string(state.Auto)))
}
