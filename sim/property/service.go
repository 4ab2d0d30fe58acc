// SPDX-License-Identifier: Apache-2.0

package property

import (
	"fmt"
	"slices"
	"strings"
)

// What services are drawn from is as small as the rest: two of one VPC may want the same
// address, and targets are ports that endpoints also talk by.
var (
	servicePorts = []int{80, 81, 443}
	targets      = []any{nil, 79, 80, 81, 8080, "serve-80", "serve-80", "serve-81", "other"}
	// conditions are how an endpoint of a slice may be doing.
	conditions = map[string]map[string]bool{
		"ready": nil, "unready": {"ready": false},
		"draining": {"ready": false, "serving": true, "terminating": true},
	}
)

// served is a service that there is at this point of the text.
type served struct {
	key, vpc string
	// frontends are its cluster addresses.
	frontends []string
	ports     []servicePort
}

type servicePort struct {
	name, protocol string
	number         int
	target         any
}

// talk is how tables name what is spoken with the port: "tcp/80".
func (p servicePort) talk() string {
	return fmt.Sprintf("%s/%d", strings.ToLower(p.protocol), p.number)
}

// serviceName draws the name of a service of a VPC, most of the time in a namespace that
// has endpoints there. No VPC has more than three.
func (d *Drawn) serviceName(t Dice) (key, vpc string) {
	vpc = of(t, "VPC", "red", "red", "blue")
	all := slices.DeleteFunc(slices.Clone(d.services), func(s served) bool { return s.vpc != vpc })
	if len(all) == 3 {
		return of(t, "of services", all...).key, vpc
	}
	namespace := of(t, "namespace", namespaces...)
	if in := d.in(vpc); len(in) > 0 && !oneIn(t, "any namespace", 6) {
		namespace, _, _ = strings.Cut(of(t, "beside", in...), "/")
	}
	return fmt.Sprint(namespace, "/", vpc, of(t, "service", 1, 2, 3)), vpc
}

// service draws one as an object, in the place of the one of its name.
func (d *Drawn) service(t Dice, key, vpc string) string {
	s := served{key: key, vpc: vpc}
	number := of(t, "address", 1+len(d.services), 1, 2, 3, 4)
	s.frontends = [][]string{
		{fmt.Sprint("172.20.0.", number), fmt.Sprint("fd99::", number)}, {fmt.Sprint("172.20.0.", number)}, {fmt.Sprint("fd99::", number)},
	}[of(t, "families", 0, 0, 0, 1, 2)]
	for i := range 1 + upTo(t, "more ports", 1) {
		p := servicePort{fmt.Sprint("p", i), of(t, "protocol", "TCP", "UDP"), of(t, "service port", servicePorts...), of(t, "target", targets...)}
		if !slices.ContainsFunc(s.ports, func(other servicePort) bool { return other.talk() == p.talk() }) {
			s.ports = append(s.ports, p)
		}
	}
	d.services = slices.DeleteFunc(d.services, func(other served) bool { return other.key == key })
	d.services = append(d.services, s)
	return s.object(serviceSpec(t))
}

// serviceSpec draws what a service says beside its addresses and ports.
func serviceSpec(t Dice) map[string]any {
	spec := map[string]any{}
	if key := of(t, "selects by", "app", "app", "pod", ""); key != "" {
		spec["selector"] = map[string]string{key: of(t, "value", labels[key]...)}
	}
	if oneIn(t, "local", 5) {
		spec["internalTrafficPolicy"] = "Local"
	}
	if oneIn(t, "near", 6) {
		spec["trafficDistribution"] = "PreferSameNode"
	}
	if oneIn(t, "affinity", 4) {
		spec["sessionAffinity"] = "ClientIP"
		spec["sessionAffinityConfig"] = map[string]any{"clientIP": map[string]any{"timeoutSeconds": of(t, "seconds", 10, 100, 10800)}}
	}
	if oneIn(t, "publish", 8) {
		spec["publishNotReadyAddresses"] = true
	}
	return spec
}

// object is the service with what else it says.
func (s served) object(spec map[string]any) string {
	namespace, name, _ := strings.Cut(s.key, "/")
	var ports []map[string]any
	for _, p := range s.ports {
		one := map[string]any{"name": p.name, "port": p.number, "protocol": p.protocol}
		if p.target != nil {
			one["targetPort"] = p.target
		}
		ports = append(ports, one)
	}
	spec["clusterIPs"], spec["ports"] = s.frontends, ports
	m := map[string]any{"name": name, "namespace": namespace, "annotations": map[string]string{"mizar.dev/vpc": s.vpc}}
	return flow(map[string]any{"apiVersion": "v1", "kind": "Service", "metadata": m, "spec": spec})
}

// slice draws backends of a service, of one family: endpoints of its VPC, each once, now
// and then a host or nobody.
func (d *Drawn) slice(t Dice, s served, family int) string {
	endpoints := []map[string]any{}
	taken := map[string]bool{}
	for range of(t, "backends", 3, 2, 4, 1, 6, 0) {
		addr := d.backend(t, s.vpc, family)
		if addr == "" || taken[addr] {
			continue
		}
		taken[addr] = true
		one := map[string]any{"addresses": []string{addr}}
		if c := conditions[of(t, "condition", "ready", "ready", "ready", "ready", "unready", "draining")]; c != nil {
			one["conditions"] = c
		}
		endpoints = append(endpoints, one)
	}
	var ports []map[string]any
	for _, p := range s.ports {
		ports = append(ports, map[string]any{"name": p.name, "port": of(t, "backend port", 80, 81, 8080), "protocol": p.protocol})
	}
	namespace, name, _ := strings.Cut(s.key, "/")
	key := fmt.Sprint(s.key, "-", family)
	if !slices.Contains(d.slices, key) {
		d.slices = append(d.slices, key)
	}
	return flow(map[string]any{
		"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": fmt.Sprint("IPv", family), "endpoints": endpoints, "ports": ports,
		"metadata": map[string]any{"name": fmt.Sprint(name, "-", family), "namespace": namespace, "labels": map[string]string{"kubernetes.io/service-name": name}},
	})
}

// backend draws the address of one; "": there is none.
func (d *Drawn) backend(t Dice, vpc string, family int) string {
	var all []string
	for _, name := range d.in(vpc) {
		all = append(all, d.addresses[name][family])
	}
	switch upTo(t, "who", 11) {
	case 10:
		return map[int]string{4: "10.0.1.101", 6: "fd00:0:0:1::101"}[family]
	case 11:
		return map[int]string{4: "10.0.0.99", 6: "fd00::99"}[family]
	}
	if len(all) == 0 {
		return ""
	}
	return of(t, "backend", all...)
}

// in are the endpoints of a VPC.
func (d *Drawn) in(vpc string) (all []string) {
	for _, name := range d.endpoints {
		if d.vpcs[name] == vpc {
			all = append(all, name)
		}
	}
	return all
}

// serve draws up to three services in each VPC, as far as their names are others, and
// what stands behind them where a selector does not say it.
func (d *Drawn) serve(t Dice) {
	for range of(t, "services", 2, 1, 0, 3, 4, 5) {
		key, vpc := d.serviceName(t)
		if slices.ContainsFunc(d.services, func(other served) bool { return other.key == key }) {
			continue
		}
		d.line("- %s", d.service(t, key, vpc))
		for _, family := range of(t, "sliced", []int{4, 6}, []int{4}, []int{4, 6}, []int{6}, nil) {
			d.line("- %s", d.slice(t, d.services[len(d.services)-1], family))
		}
	}
}

// changeService draws what happens to a service, or to what stands behind one.
func (d *Drawn) changeService(t Dice) {
	kinds := []string{"backends", "backends", "another service", "service", "no service"}
	if len(d.slices) > 0 {
		kinds = append(kinds, "no backends")
	}
	switch of(t, "change of a service", kinds...) {
	case "backends":
		d.line("- change: {apply: [%s]}", d.slice(t, of(t, "of services", d.services...), of(t, "slice of", 4, 6)))
	case "no backends":
		d.line("- change: {delete: [EndpointSlice/%s]}", gone(t, &d.slices))
	case "another service":
		s := of(t, "of services", d.services...)
		d.line("- change: {apply: [%s]}", d.service(t, s.key, s.vpc))
	case "service":
		key, vpc := d.serviceName(t)
		d.line("- change: {apply: [%s]}", d.service(t, key, vpc))
	case "no service":
		at := upTo(t, "which", len(d.services)-1)
		d.line("- change: {delete: [Service/%s]}", d.services[at].key)
		d.services = slices.Delete(d.services, at, at+1)
	}
}
