// SPDX-License-Identifier: Apache-2.0

package service_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/service"
)

func TestBackendsOfTheHostAlone(t *testing.T) {
	g := NewWithT(t)
	const spec = `{selector: {app: web}, clusterIP: 10.96.0.1, externalIPs: [198.51.100.1], internalTrafficPolicy: Local, ports: [{port: 80}]}`
	c := service.Compile(of(t, web(spec)))
	const outside = "shop/web:80/4 [198.51.100.1:80] → [10.0.0.11:80 10.0.0.12:80]"
	g.Expect(told(c.Host("h1", 7))).To(Equal([]string{outside, "shop/web:80/4/local [10.96.0.1:80] → [10.0.0.11:80]"}))
	g.Expect(told(c.Host("h2", 7))).To(Equal([]string{outside, "shop/web:80/4/local [10.96.0.1:80] → [10.0.0.12:80]"}))
	g.Expect(told(c.Host("h3", 7))).To(Equal([]string{outside, "shop/web:80/4/local [10.96.0.1:80] → []"}))

	// Slices say where an address is that no endpoint has; else the endpoint does.
	c = service.Compile(of(t, web(spec), slice("a", `addressType: IPv4, ports: [{port: 80}], endpoints: [
		{addresses: [10.0.0.12], nodeName: h1}, {addresses: [10.0.0.99], nodeName: h1}, {addresses: [10.0.0.98]},
		{addresses: [10.0.0.97], nodeName: h3, conditions: {ready: false, serving: true, terminating: true}}]`)))
	g.Expect(told(c.Host("h1", 7))[1]).To(HaveSuffix("→ [10.0.0.99:80]"))
	g.Expect(told(c.Host("h2", 7))[1]).To(HaveSuffix("→ [10.0.0.12:80]"))
	g.Expect(told(c.Host("h3", 7))[1]).To(HaveSuffix("→ [10.0.0.97:80]"), "one that drains, where none is ready")
}

func TestSlicesSayWhoIsBehindAService(t *testing.T) {
	const four = "addressType: IPv4, "
	for _, c := range []struct {
		name, spec string
		slices     []string
		want       string
	}{
		{"slices alone count", "", []string{slice("a", four+`ports: [{port: 8080}], endpoints: [{addresses: [10.0.0.13, 10.0.0.14]}]`)}, "[10.0.0.13:8080]"},
		{"an empty one too", "", []string{slice("a", four+`ports: [], endpoints: []`)}, "[]"},
		{"several, and twice the same", "", []string{
			slice("a", four+`ports: [{port: 8080}], endpoints: [{addresses: [10.0.0.13]}]`),
			slice("b", four+`ports: [{port: 8080}], endpoints: [{addresses: [10.0.0.13]}, {addresses: [10.0.0.12]}]`),
		}, "[10.0.0.12:8080 10.0.0.13:8080]"},
		{"those of the port's name", "", []string{
			slice("a", four+`ports: [{name: http, port: 1}, {name: x, port: 2}], endpoints: [{addresses: [10.0.0.12]}]`),
			slice("b", four+`ports: [{name: y, port: 3}, {name: "", port: 4}], endpoints: [{addresses: [10.0.0.13]}]`),
		}, "[10.0.0.13:4]"},
		{"those of its protocol", "", []string{slice("a", four+`ports: [{port: 1, protocol: UDP}], endpoints: [{addresses: [10.0.0.12]}]`)}, "[]"},
		{"a port without a number is none", "", []string{slice("a", four+`ports: [{}], endpoints: [{addresses: [10.0.0.12]}]`)}, "[]"},
		{"other families have other slices", "", []string{slice("a", `addressType: IPv6, ports: [{port: 1}], endpoints: [{addresses: ["fd00::12"]}]`)}, "[]"},
		{"ready ones", "", []string{slice("a", four+`ports: [{port: 1}], endpoints: [{addresses: [10.0.0.11]}, {addresses: [10.0.0.12], conditions: {ready: false}},
			{addresses: [10.0.0.13], conditions: {ready: true}}, {addresses: [10.0.0.14], conditions: {ready: false, serving: true, terminating: true}}]`)}, "[10.0.0.11:1 10.0.0.13:1]"},
		{"or else those that serve to the end", "", []string{slice("a", four+`ports: [{port: 1}], endpoints: [{addresses: [10.0.0.12], conditions: {ready: false}},
			{addresses: [10.0.0.13], conditions: {ready: false, serving: true}}, {addresses: [10.0.0.14], conditions: {ready: false, serving: true, terminating: true}},
			{addresses: [10.0.0.15], conditions: {ready: false, terminating: true}}]`)}, "[10.0.0.14:1]"},
		{"all, where unready ones are published", "publishNotReadyAddresses: true, ", []string{slice("a", four+`ports: [{port: 1}], endpoints: [{addresses: [10.0.0.12], conditions: {ready: false}},
			{addresses: [10.0.0.13], conditions: {ready: false, serving: false, terminating: true}}]`)}, "[10.0.0.12:1 10.0.0.13:1]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			compiler := service.Compile(of(t, append(c.slices, web("{"+c.spec+"selector: {app: web}, clusterIP: 10.96.0.1, ports: [{port: 80}]}"))...))
			g.Expect(problems(compiler)).To(BeEmpty())
			g.Expect(told(compiler.Host("h1", 7))).To(Equal([]string{"shop/web:80/4 [10.96.0.1:80] → " + c.want}))
		})
	}
}
