// SPDX-License-Identifier: Apache-2.0

package service_test

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/service"
)

// zoned has h1 and h2 in zone a, h3 in b and h4 in none; web-1 is at h1, web-2 at h2,
// web-3 at h3.
func zoned(t *testing.T, more ...string) object.Set {
	t.Helper()
	text := strings.NewReplacer("name: h1}", "name: h1, labels: {topology.kubernetes.io/zone: a}}", "name: h2}", "name: h2, labels: {topology.kubernetes.io/zone: a}}").Replace(network)
	return read(t, text, append(more,
		"{apiVersion: mizar.dev/v1alpha1, kind: Host, metadata: {name: h3, labels: {topology.kubernetes.io/zone: b}}, spec: {addresses: [192.0.2.3]}}",
		"{apiVersion: mizar.dev/v1alpha1, kind: Host, metadata: {name: h4}, spec: {addresses: [192.0.2.4]}}",
		"{apiVersion: mizar.dev/v1alpha1, kind: Endpoint, metadata: {name: web-3, namespace: shop, labels: {app: web}}, spec: {subnet: front, host: h3, addresses: [10.0.0.14]}}",
	)...)
}

func TestFlowsStayNear(t *testing.T) {
	const all = "[10.0.0.11:80 10.0.0.12:80 10.0.0.14:80]"
	of := func(distribution string) string {
		return web("{selector: {app: web}, clusterIP: 10.96.0.1, trafficDistribution: " + distribution + ", ports: [{port: 80}]}")
	}
	drained := slice("a", `addressType: IPv4, ports: [{port: 80}], endpoints: [
		{addresses: [10.0.0.11], conditions: {ready: false, serving: true, terminating: true}}, {addresses: [10.0.0.12]}, {addresses: [10.0.0.14]}]`)
	elsewhere := slice("a", `addressType: IPv4, ports: [{port: 80}], endpoints: [
		{addresses: [10.0.0.11], hints: {forZones: [{name: b}]}}, {addresses: [10.0.0.98], zone: b}, {addresses: [10.0.0.99], nodeName: h4}]`)
	for _, c := range []struct {
		name    string
		objects []string
		// want is by host.
		want [4]string
	}{
		{"PreferSameZone", []string{of("PreferSameZone")}, [4]string{"[10.0.0.11:80 10.0.0.12:80]", "[10.0.0.11:80 10.0.0.12:80]", "[10.0.0.14:80]", all}},
		{"PreferClose", []string{of("PreferClose")}, [4]string{"[10.0.0.11:80 10.0.0.12:80]", "[10.0.0.11:80 10.0.0.12:80]", "[10.0.0.14:80]", all}},
		{"PreferSameNode", []string{of("PreferSameNode")}, [4]string{"[10.0.0.11:80]", "[10.0.0.12:80]", "[10.0.0.14:80]", all}},
		{"PreferSameNode, and h1's own drains", []string{of("PreferSameNode"), drained}, [4]string{"[10.0.0.12:80]", "[10.0.0.12:80]", "[10.0.0.14:80]", "[10.0.0.12:80 10.0.0.14:80]"}},
		{"PreferSameZone, as slices say", []string{of("PreferSameZone"), elsewhere}, [4]string{
			"[10.0.0.11:80 10.0.0.98:80 10.0.0.99:80]", "[10.0.0.11:80 10.0.0.98:80 10.0.0.99:80]", "[10.0.0.11:80 10.0.0.98:80]", "[10.0.0.11:80 10.0.0.98:80 10.0.0.99:80]",
		}},
		{"PreferSameNode, as slices say", []string{of("PreferSameNode"), elsewhere}, [4]string{
			"[10.0.0.11:80]", "[10.0.0.11:80 10.0.0.98:80 10.0.0.99:80]", "[10.0.0.11:80 10.0.0.98:80]", "[10.0.0.99:80]",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			compiler := service.Compile(zoned(t, c.objects...))
			g.Expect(problems(compiler)).To(BeEmpty())
			for i, want := range c.want {
				host := fmt.Sprint("h", i+1)
				g.Expect(told(compiler.Host(host, 7))).To(Equal([]string{"shop/web:80/4 [10.96.0.1:80] → " + want}), host)
			}
		})
	}
}
