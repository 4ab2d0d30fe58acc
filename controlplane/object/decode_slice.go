// SPDX-License-Identifier: Apache-2.0

package object

import (
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/mizar-net/mizar/controlplane/object/strict"
)

// sliceParts are the fields of an endpoint slice beside its kind and name: it has
// no spec.
var sliceParts = []string{"addressType", "endpoints", "ports"}

// decodeEndpointSlice reads an EndpointSlice and refuses most of what Kubernetes'
// API server refuses.
func decodeEndpointSlice(meta Meta, f strict.Fields) EndpointSlice {
	types := []discoveryv1.AddressType{discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6, discoveryv1.AddressTypeFQDN}
	s := EndpointSlice{Meta: meta, AddressType: enum(f.Required("addressType", "IPv4, IPv6 or FQDN"), types...)}
	for _, item := range f.Optional("endpoints").AnyList() {
		s.Endpoints = append(s.Endpoints, decodeSliceEndpoint(s.AddressType, item))
	}
	seen := map[string]bool{}
	for _, item := range f.Optional("ports").AnyList() {
		p := item.Fields("name", "protocol", "port", "appProtocol")
		one := discoveryv1.EndpointPort{
			Name:        pointer(p.Optional("name"), strict.Value.AnyText),
			Protocol:    pointer(p.Optional("protocol"), decodeProtocol),
			Port:        pointer(p.Optional("port"), func(v strict.Value) int32 { return int32(v.Int(1, maxPort)) }),
			AppProtocol: pointer(p.Optional("appProtocol"), strict.Value.Text),
		}
		name := ""
		if one.Name != nil {
			name = *one.Name
		}
		if problems := validation.IsDNS1123Label(name); name != "" && len(problems) > 0 {
			p.Optional("name").Fail("the name of a port: " + brief(problems[0]))
		}
		if seen[name] && item.Present() {
			item.FailGot("a second port with the name "+strict.Quote(name), "a name of its own for each port")
		}
		seen[name] = true
		s.Ports = append(s.Ports, one)
	}
	return s
}

func decodeSliceEndpoint(of discoveryv1.AddressType, v strict.Value) discoveryv1.Endpoint {
	f := v.Fields("addresses", "conditions", "hostname", "targetRef", "deprecatedTopology", "nodeName", "zone", "hints")
	c := f.Optional("conditions").Fields("ready", "serving", "terminating")
	e := discoveryv1.Endpoint{
		Addresses: strict.Each(f.Required("addresses", "at least one address"), func(v strict.Value) string { return decodeSliceAddress(of, v) }),
		Conditions: discoveryv1.EndpointConditions{
			Ready:       pointer(c.Optional("ready"), strict.Value.Bool),
			Serving:     pointer(c.Optional("serving"), strict.Value.Bool),
			Terminating: pointer(c.Optional("terminating"), strict.Value.Bool),
		},
		Hostname:           pointer(f.Optional("hostname"), strict.Value.Text),
		DeprecatedTopology: decodeTexts(f.Optional("deprecatedTopology")),
		NodeName:           pointer(f.Optional("nodeName"), strict.Value.Text),
		Zone:               pointer(f.Optional("zone"), strict.Value.Text),
		TargetRef: pointer(f.Optional("targetRef"), func(v strict.Value) corev1.ObjectReference {
			f := v.Fields("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
			text := func(name string) string { return f.Optional(name).AnyText() }
			return corev1.ObjectReference{
				Kind: text("kind"), Namespace: text("namespace"), Name: text("name"), UID: types.UID(text("uid")),
				APIVersion: text("apiVersion"), ResourceVersion: text("resourceVersion"), FieldPath: text("fieldPath"),
			}
		}),
		Hints: pointer(f.Optional("hints"), decodeHints),
	}
	return e
}

func decodeHints(v strict.Value) discoveryv1.EndpointHints {
	f := v.Fields("forZones", "forNodes")
	name := func(v strict.Value) string { return v.Fields("name").Required("name", "a name").Text() }
	var hints discoveryv1.EndpointHints
	for _, item := range f.Optional("forZones").AnyList() {
		hints.ForZones = append(hints.ForZones, discoveryv1.ForZone{Name: name(item)})
	}
	for _, item := range f.Optional("forNodes").AnyList() {
		hints.ForNodes = append(hints.ForNodes, discoveryv1.ForNode{Name: name(item)})
	}
	return hints
}

// decodeSliceAddress reads an address of the type that the slice has. IPv4 in the
// form of IPv6 is an address of that.
func decodeSliceAddress(of discoveryv1.AddressType, v strict.Value) string {
	text := v.Text()
	if of == discoveryv1.AddressTypeFQDN || of == "" || text == "" {
		return text
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" || addr.Is4() != (of == discoveryv1.AddressTypeIPv4) {
		v.Fail(fmt.Sprintf("an %s address", of))
	}
	return text
}
