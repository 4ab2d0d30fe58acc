// SPDX-License-Identifier: Apache-2.0

package object

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"

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
	f := v.Fields(append([]string{"apiVersion", "kind", "metadata"}, parts(v)...)...)
	kind := decodeKind(f)
	meta := decodeMeta(kind, f.Required("metadata", "a mapping with a name"))
	meta.At = Position{File: v.File(), Line: v.Line()}
	switch kind {
	case KindEndpointSlice:
		d.EndpointSlices = append(d.EndpointSlices, decodeEndpointSlice(meta, f))
		d.written(kind, meta, v, v)
		return
	case KindNamespace:
		d.decodeSpec(kind, meta, v, f.Optional("spec"))
		return
	}
	spec := f.Required("spec", "a mapping")
	if kind == "" {
		return
	}
	d.decodeSpec(kind, meta, v, spec)
	if kind == KindService {
		d.Services[len(d.Services)-1].Status = decodeServiceStatus(f.Optional("status"))
	}
}

// parts are the fields of an object beside its kind and name.
func parts(v strict.Value) []string {
	switch Kind(v.Peek("kind")) {
	case KindService:
		return []string{"spec", "status"}
	case KindEndpointSlice:
		return sliceParts
	}
	return []string{"spec"}
}

// decodeKind reads the kind and the version that goes with it.
func decodeKind(f strict.Fields) Kind {
	var kinds, versions []string
	for _, k := range Kinds {
		kinds = append(kinds, string(k))
		if !slices.Contains(versions, k.APIVersion()) {
			versions = append(versions, k.APIVersion())
		}
	}
	written := f.Optional("kind")
	kind := Kind(f.Required("kind", "one of "+strings.Join(kinds, ", ")).Enum(kinds...))
	if kind != "" && written.Present() {
		versions = []string{kind.APIVersion()}
	}
	f.Required("apiVersion", strings.Join(versions, " or ")).Enum(versions...)
	return kind
}

// DecodeSpec reads the spec of an object that is named elsewhere, as in the
// shorthand of a scenario's topology (name: spec). The name of an endpoint or a
// network policy may have a namespace before it ("blue/web"), as all that are in
// one. Beside the spec of an endpoint its labels may be written, of a service its
// annotations, of an endpoint slice, which has no spec, its service, and of a
// namespace, which has none either, labels and annotations. Errors go to the value's reader.
func (d *Draft) DecodeSpec(kind Kind, name string, spec strict.Value) {
	meta := Meta{Name: name, At: Position{File: spec.File(), Line: spec.Line()}}
	if kind.Namespaced() {
		meta.Namespace, meta.Name, _ = strings.Cut(kind.Key(name), "/")
	}
	if !validName.MatchString(meta.Name) || (kind.Namespaced() && !validName.MatchString(meta.Namespace)) {
		spec.FailGot(strict.Quote(name), nameWanted)
	}
	switch kind {
	case KindEndpoint:
		f := endpointFields(spec, "labels")
		meta.Labels = decodeTexts(f.Optional("labels"))
		d.Endpoints = append(d.Endpoints, decodeEndpoint(meta, f))
	case KindNamespace:
		f := spec.Fields("labels", "annotations")
		meta.Labels, meta.Annotations = decodeTexts(f.Optional("labels")), decodeTexts(f.Optional("annotations"))
		d.Namespaces = append(d.Namespaces, Namespace{Meta: meta})
	case KindService:
		f := serviceFields(spec, "annotations")
		meta.Annotations = decodeTexts(f.Optional("annotations"))
		d.Services = append(d.Services, Service{Meta: meta, Spec: decodeService(f)})
	case KindEndpointSlice:
		f := spec.Fields(append([]string{"service"}, sliceParts...)...)
		meta.Labels = map[string]string{discoveryv1.LabelServiceName: f.Required("service", "the name of a service of the namespace").Text()}
		d.EndpointSlices = append(d.EndpointSlices, decodeEndpointSlice(meta, f))
	default:
		d.decodeSpec(kind, meta, spec, spec)
		return
	}
	d.written(kind, meta, spec, spec)
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
		d.Endpoints = append(d.Endpoints, decodeEndpoint(meta, endpointFields(spec)))
	case KindNamespace:
		// What the API server keeps there is of no meaning to Mizar.
		strict.Each(spec.Fields("finalizers").Optional("finalizers"), strict.Value.Text)
		d.Namespaces = append(d.Namespaces, Namespace{Meta: meta})
	case KindNetworkPolicy:
		d.Policies = append(d.Policies, NetworkPolicy{Meta: meta, Spec: decodePolicy(spec)})
	case KindService:
		d.Services = append(d.Services, Service{Meta: meta, Spec: decodeService(serviceFields(spec))})
	}
	d.written(kind, meta, whole, spec)
}

// written remembers where the fields of an object are.
func (d *Draft) written(kind Kind, meta Meta, whole, spec strict.Value) {
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
	if kind.Namespaced() {
		known = append(known, "namespace")
	}
	if kind.annotated() {
		known = append(known, "annotations")
	}
	f := v.Fields(known...)
	meta := Meta{Name: decodeName(f.Required("name", nameWanted)), Labels: decodeTexts(f.Optional("labels"))}
	if kind.annotated() {
		meta.Annotations = decodeTexts(f.Optional("annotations"))
	}
	if kind.Namespaced() {
		meta.Namespace = DefaultNamespace
		if ns := f.Optional("namespace"); ns.Present() {
			meta.Namespace = decodeName(ns)
		}
	}
	return meta
}

// decodeTexts reads a mapping of texts, which may be empty; nil: none.
func decodeTexts(v strict.Value) map[string]string {
	var all map[string]string
	for _, e := range v.Entries() {
		if all == nil {
			all = map[string]string{}
		}
		all[e.Key] = e.Value.AnyText()
	}
	return all
}

func decodeName(v strict.Value) string {
	name := v.Text()
	if name != "" && !validName.MatchString(name) {
		v.Fail(nameWanted)
	}
	return name
}

func decodeHost(meta Meta, v strict.Value) Host {
	f := v.Fields("addresses", "mtu", "vlan", "form", "xdp", "endpoint", "masqueradePorts")
	h := Host{
		Meta:      meta,
		Endpoint:  decodeHostEndpoint(f.Optional("endpoint")),
		Addresses: strict.Each(f.Required("addresses", "one or two underlay addresses"), strict.Value.Addr),
		MTU:       f.Optional("mtu").Int(MinMTU, MaxMTU),
		VLAN:      uint16(f.Optional("vlan").Int(0, MaxVLAN)),
		Form:      DecodeForm(f.Optional("form")),
		XDP:       DecodeXDP(f.Optional("xdp")),

		MasqueradePorts: decodePorts(f.Optional("masqueradePorts")),
	}
	checkForm(h.Form, h.XDP, f)
	return h
}

func decodePorts(v strict.Value) state.Ports {
	const least, most = 1024, 65535
	f := v.Fields("first", "last")
	first := f.Required("first", "a port from 1024 to 65535").Int(least, most)
	last := f.Required("last", "a port from 1024 to 65535").Int(least, most)
	if !v.Present() {
		return state.Ports{}
	}
	if last < first {
		f.Optional("last").FailGot(fmt.Sprint(last), fmt.Sprintf("first, which is %d, or more", first))
	}
	return state.Ports{First: uint16(first), Last: uint16(last)}
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
	f := v.Fields("vni", "dividers", "default", "masquerade")
	return VPC{
		Meta:       meta,
		Default:    f.Optional("default").Bool(),
		VNI:        uint32(f.Required("vni", "a whole number from 1 to 16777215").Int(1, MaxVNI)),
		Dividers:   decodePlacement(f.Optional("dividers")),
		Masquerade: f.Optional("masquerade").Bool(),
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

// endpointFields are those of the spec of an endpoint, and more.
func endpointFields(v strict.Value, more ...string) strict.Fields {
	return v.Fields(append([]string{"subnet", "host", "addresses", "mac", "form", "xdp", "generation", "ports", "phase"}, more...)...)
}

func decodeEndpoint(meta Meta, f strict.Fields) Endpoint {
	e := Endpoint{
		Meta:      meta,
		Subnet:    f.Required("subnet", "the name of a subnet").Text(),
		Host:      f.Required("host", "the name of a host").Text(),
		Addresses: strict.Each(f.Required("addresses", "one or two addresses of the subnet"), strict.Value.Addr),
		MAC:       f.Optional("mac").MAC(),
		Form:      DecodeForm(f.Optional("form")),
		XDP:       DecodeXDP(f.Optional("xdp")),

		Generation: uint8(f.Optional("generation").Int(1, math.MaxUint8)),

		Ports: strict.Each(f.Optional("ports"), decodePort),
		Phase: Phase(f.Optional("phase").Enum(string(Running), string(Succeeded), string(Failed))),
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
