// SPDX-License-Identifier: Apache-2.0

package service_test

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/service"
	"github.com/mizar-net/mizar/dataplane/state"
)

// network has two VPCs: red, in which three endpoints of namespace shop are, two of

// them web, and blue, in which one of namespace other is.

const network = `
{apiVersion: mizar.dev/v1alpha1, kind: Host, metadata: {name: h1}, spec: {addresses: [192.0.2.1]}}
---
{apiVersion: mizar.dev/v1alpha1, kind: Host, metadata: {name: h2}, spec: {addresses: [192.0.2.2]}}
---
{apiVersion: mizar.dev/v1alpha1, kind: VPC, metadata: {name: red}, spec: {vni: 7}}
---
{apiVersion: mizar.dev/v1alpha1, kind: VPC, metadata: {name: blue}, spec: {vni: 8}}
---
{apiVersion: mizar.dev/v1alpha1, kind: Subnet, metadata: {name: front}, spec: {vpc: red, cidrs: [10.0.0.0/24, "fd00::/64"]}}
---
{apiVersion: mizar.dev/v1alpha1, kind: Subnet, metadata: {name: back}, spec: {vpc: blue, cidrs: [10.0.0.0/24]}}
---
apiVersion: mizar.dev/v1alpha1
kind: Endpoint
metadata: {name: web-1, namespace: shop, labels: {app: web, tier: a}}
spec: {subnet: front, host: h1, addresses: [10.0.0.11, "fd00::11"], ports: [{name: http, port: 8080}, {name: http, port: 8053, protocol: UDP}]}
---
apiVersion: mizar.dev/v1alpha1
kind: Endpoint
metadata: {name: web-2, namespace: shop, labels: {app: web, tier: b}}
spec: {subnet: front, host: h2, addresses: [10.0.0.12], ports: [{name: http, port: 9090}]}
---
apiVersion: mizar.dev/v1alpha1
kind: Endpoint
metadata: {name: client, namespace: shop}
spec: {subnet: front, host: h1, addresses: [10.0.0.13]}
---
apiVersion: mizar.dev/v1alpha1
kind: Endpoint
metadata: {name: web, namespace: other, labels: {app: web}}
spec: {subnet: back, host: h2, addresses: [10.0.0.11]}
`

// of reads a network and more objects.

func of(t *testing.T, more ...string) object.Set {
	t.Helper()
	return read(t, network, more...)
}

// read reads objects.
func read(t *testing.T, text string, more ...string) object.Set {
	t.Helper()
	draft, err := object.Decode("network.yaml", []byte(text+"\n---\n"+strings.Join(more, "\n---\n")))
	if err != nil {
		t.Fatal(err)
	}
	set, err := object.New(draft)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// web is a service of namespace shop with a spec.

func web(spec string) string { return named("web", "shop", spec) }

func named(name, namespace, spec string) string {
	return fmt.Sprintf("{apiVersion: v1, kind: Service, metadata: {name: %s, namespace: %s}, spec: %s}", name, namespace, spec)
}

// slice is an endpoint slice of shop/web.

func slice(name, rest string) string {
	return fmt.Sprintf("{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: %s, namespace: shop, labels: {kubernetes.io/service-name: web}}, %s}", name, rest)
}

// told are services as lines of text: name, frontends, backends.

func told(all []state.Service) []string {
	lines := []string{}
	for _, s := range all {
		lines = append(lines, fmt.Sprintf("%s %v → %v", s.Name, s.Frontends, s.Backends))
	}
	return lines
}

// problems are conditions without their places.

func problems(c *service.Compiler) []string {
	lines := []string{}
	for _, one := range c.Conditions() {
		one.At = object.Position{}
		lines = append(lines, one.String())
	}
	return lines
}

func TestServicesBecomeWhatHostsChooseFrom(t *testing.T) {
	for _, c := range []struct {
		name, spec string
		red        []string
	}{
		{"both families", `{selector: {app: web}, clusterIPs: [10.96.0.1, "fd96::1"], ports: [{port: 80, targetPort: 8080}]}`, []string{
			"shop/web:80/4 [10.96.0.1:80] → [10.0.0.11:8080 10.0.0.12:8080]", "shop/web:80/6 [[fd96::1]:80] → [[fd00::11]:8080]",
		}},
		{"the target is the port", `{selector: {app: web, tier: b}, clusterIP: 10.96.0.1, ports: [{port: 80}]}`, []string{"shop/web:80/4 [10.96.0.1:80] → [10.0.0.12:80]"}},
		{"targets by name differ", `{selector: {app: web}, clusterIP: 10.96.0.1, ports: [{port: 80, targetPort: http}]}`, []string{"shop/web:80/4 [10.96.0.1:80] → [10.0.0.11:8080 10.0.0.12:9090]"}},
		{"a name of another protocol", `{selector: {app: web}, clusterIP: 10.96.0.1, ports: [{port: 53, targetPort: http, protocol: UDP}]}`, []string{"shop/web:53/4/udp [10.96.0.1:53] → [10.0.0.11:8053]"}},
		{"ports and protocols", `{selector: {tier: b}, clusterIP: 10.96.0.1, ports: [{name: a, port: 53}, {name: b, port: 53, protocol: UDP}, {name: c, port: 53, protocol: SCTP}, {name: d, port: 80}]}`, []string{
			"shop/web:53/4 [10.96.0.1:53] → [10.0.0.12:53]", "shop/web:53/4/sctp [10.96.0.1:53] → [10.0.0.12:53]",
			"shop/web:53/4/udp [10.96.0.1:53] → [10.0.0.12:53]", "shop/web:80/4 [10.96.0.1:80] → [10.0.0.12:80]",
		}},
		{"external addresses", `{selector: {tier: b}, type: NodePort, clusterIP: 10.96.0.1, externalIPs: [198.51.100.1, 10.96.0.1, "2001:db8::1"], ports: [{port: 80}]}`, []string{
			"shop/web:80/4 [10.96.0.1:80 198.51.100.1:80] → [10.0.0.12:80]", "shop/web:80/6 [[2001:db8::1]:80] → []",
		}},
		{"nobody selected", `{selector: {app: db}, clusterIP: 10.96.0.1, ports: [{port: 80}]}`, []string{"shop/web:80/4 [10.96.0.1:80] → []"}},
		{"no selector", `{clusterIP: 10.96.0.1, ports: [{port: 80}]}`, []string{"shop/web:80/4 [10.96.0.1:80] → []"}},
		{"headless", `{selector: {app: web}, clusterIP: None, ports: [{port: 80}]}`, []string{}},
		{"headless without ports", `{selector: {app: web}, clusterIPs: [None]}`, []string{}},
		{"a name elsewhere", `{type: ExternalName, externalName: www.example.com}`, []string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			compiler := service.Compile(of(t, web(c.spec)))
			g.Expect(problems(compiler)).To(BeEmpty())
			red := compiler.Host("h1", 7)
			g.Expect(told(red)).To(Equal(c.red))
			g.Expect(compiler.Host("h2", 7)).To(Equal(red))
			g.Expect(compiler.Host("h2", 8)).To(BeEmpty())
			for _, s := range red {
				g.Expect(s.VNI).To(BeEquivalentTo(7))
				g.Expect(s.Table).To(Equal(service.Table(s.Backends)))
			}
		})
	}
}

func TestProtocolsAreNumbers(t *testing.T) {
	g := NewWithT(t)
	all := service.Compile(of(t, web(`{selector: {tier: b}, clusterIP: 10.96.0.1, ports: [{name: a, port: 1}, {name: b, port: 2, protocol: UDP}, {name: c, port: 3, protocol: SCTP}]}`))).Host("h1", 7)
	g.Expect(all).To(HaveExactElements(HaveField("Protocol", uint8(6)), HaveField("Protocol", uint8(17)), HaveField("Protocol", uint8(132))))
}

// The endpoints behind a service are of its own VPC, whatever else it selects.

// Whatever is wrong with a service, the others are what they were.

// Backends that stay keep their table, whatever else changes; the set is the same as

// from scratch.

func TestTablesAreMadeOnce(t *testing.T) {
	g := NewWithT(t)
	c := service.New()
	at := func(port string) *uint16 {
		set := of(t, web("{selector: {app: web}, clusterIP: 10.96.0.1, ports: [{port: "+port+", targetPort: 80}]}"))
		c.Sync(set)
		all := c.Host("h1", 7)
		g.Expect(all).To(Equal(service.Compile(set).Host("h1", 7)))
		return &all[0].Table[0]
	}
	first := at("80")
	g.Expect(at("81")).To(BeIdenticalTo(first))
	g.Expect(at("80")).To(BeIdenticalTo(first))
	c.Sync(of(t))
	g.Expect(c.Host("h1", 7)).To(BeEmpty())
	c.Sync(of(t))
	g.Expect(at("80")).NotTo(BeIdenticalTo(first), "what nobody asks for is forgotten")
}

// Whatever is written, what comes of it is what a host can hold: frontends once in a

// VPC, backends of their family, places of backends.
