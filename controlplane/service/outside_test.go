// SPDX-License-Identifier: Apache-2.0

package service_test

import (
	"fmt"
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/service"
)

// gates tells what a host holds for clients outside.
func gates(set object.Set, c *service.Compiler, host string) []string {
	h, _ := set.Host(host)
	var all []string
	for _, s := range c.Outside(h) {
		line := fmt.Sprintf("%s in %d %v → ", s.Name, s.VNI, s.Frontends)
		for _, b := range s.Backends {
			line += fmt.Sprintf("%s@%s ", b.At, b.Host)
		}
		all = append(all, line)
	}
	return all
}

const nodePorts = `{type: NodePort, selector: {app: web}, clusterIP: 10.96.0.1, externalIPs: [198.51.100.1], ports: [{port: 80, nodePort: 30080, targetPort: http}]%s}`

func TestNodePortsAreThoseOfEveryHost(t *testing.T) {
	g := NewWithT(t)
	set := of(t, web(fmt.Sprintf(nodePorts, "")))
	c := service.Compile(set)
	g.Expect(problems(c)).To(BeEmpty())
	for host, addr := range map[string]string{"h1": "192.0.2.1", "h2": "192.0.2.2"} {
		g.Expect(gates(set, c, host)).To(Equal([]string{
			"shop/web:80/4/outside in 7 [" + addr + ":30080 198.51.100.1:80] → 10.0.0.11:8080@h1 10.0.0.12:9090@h2 ",
		}))
	}
}

// externalTrafficPolicy: Local keeps to backends of the host that was come to, be there any
// or not.
func TestLocalGatesKeepToTheirHost(t *testing.T) {
	g := NewWithT(t)
	set := of(t, web(fmt.Sprintf(nodePorts, ", externalTrafficPolicy: Local")))
	c := service.Compile(set)
	g.Expect(gates(set, c, "h1")).To(HaveExactElements(HaveSuffix("→ 10.0.0.11:8080@h1 ")))
	set = of(t, web(`{type: NodePort, selector: {tier: a}, externalTrafficPolicy: Local, clusterIP: 10.96.0.1, ports: [{port: 80, nodePort: 30080}]}`))
	g.Expect(gates(set, service.Compile(set), "h2")).To(HaveExactElements(HaveSuffix("[192.0.2.2:30080] → ")))
}

// A service that keeps clients at their backend does so outside by what they choose by.
func TestClientsOfAnAffineGateChooseAlike(t *testing.T) {
	g := NewWithT(t)
	for extra, alike := range map[string]bool{"": false, ", sessionAffinity: ClientIP": true} {
		set := of(t, web(fmt.Sprintf(nodePorts, extra)))
		h, _ := set.Host("h1")
		g.Expect(service.Compile(set).Outside(h)).To(HaveExactElements(HaveField("Alike", alike)))
	}
}

// A frontend outside is one service's in all VPCs, and never one of a host's own ports.
func TestGatesAreOneServices(t *testing.T) {
	g := NewWithT(t)
	set := of(t, web(`{type: LoadBalancer, clusterIP: 10.96.0.1, externalIPs: [198.51.100.1, 192.0.2.2], ports: [{port: 80, nodePort: 30080}]}`),
		named("web", "other", `{type: NodePort, clusterIP: 10.96.0.1, externalIPs: [198.51.100.1], ports: [{port: 80, nodePort: 30080}]}`))
	c := service.Compile(set)
	g.Expect(gates(set, c, "h1")).To(HaveLen(1))
	g.Expect(problems(c)).To(ConsistOf(
		"Service/shop/web: spec.ports: 0.0.0.0:30080/TCP is a frontend of service other/web for clients outside, which is before this one in order of names and keeps it",
		"Service/shop/web: spec.ports: 198.51.100.1:80/TCP is a frontend of service other/web for clients outside, which is before this one in order of names and keeps it",
		"Service/shop/web: spec.ports: 192.0.2.2:80/TCP is of a host's own address; clients outside of the VPC are not served there",
	))
}

// Services of the type ClusterIP, and ports without a number, have no node port; nor has a
// family that the service is not of.
func TestWhoHasNoNodePort(t *testing.T) {
	for _, spec := range []string{
		`{clusterIP: 10.96.0.1, ports: [{port: 80, nodePort: 30080}]}`,
		`{type: NodePort, clusterIP: 10.96.0.1, ports: [{port: 80}]}`,
		`{type: NodePort, clusterIP: "fd96::1", ports: [{port: 80, nodePort: 30080}]}`,
	} {
		set := of(t, web(spec))
		NewWithT(t).Expect(gates(set, service.Compile(set), "h1")).To(BeEmpty(), spec)
	}
}

const ranged = `{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, status: {loadBalancer: {ingress: [{ip: 198.51.100.1}, {ip: 198.51.100.2}]}},
	spec: {type: LoadBalancer, loadBalancerSourceRanges: [%s], selector: {tier: b}, clusterIP: 10.96.0.1, externalIPs: [198.51.100.2, 198.51.100.3], ports: [{port: 80, nodePort: 30080}]}}`

// Source ranges are of the addresses that a load balancer was given, external ones among
// them, and of no others; in the VPC those are nobody's then.
func TestGatesOfALoadBalancerHaveItsRanges(t *testing.T) {
	g := NewWithT(t)
	set := of(t, fmt.Sprintf(ranged, `203.0.113.9/24, "2001:db8::/32", 203.0.113.0/24`))
	c := service.Compile(set)
	g.Expect(problems(c)).To(BeEmpty())
	g.Expect(gates(set, c, "h1")).To(Equal([]string{
		"shop/web:80/4/outside in 7 [192.0.2.1:30080 198.51.100.3:80] → 10.0.0.12:80@h2 ",
		"shop/web:80/4/outside/ranges in 7 [198.51.100.1:80 198.51.100.2:80] → 10.0.0.12:80@h2 ",
	}))
	h, _ := set.Host("h1")
	all := c.Outside(h)
	g.Expect(all[0].Ranges).To(BeEmpty())
	g.Expect(all[1].Ranges).To(Equal([]netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32")}))
	g.Expect(told(c.Host("h1", 7))).To(Equal([]string{"shop/web:80/4 [10.96.0.1:80 198.51.100.3:80] → [10.0.0.12:80]"}))
}

// Nobody gets in who was to be kept out.
func TestRangesThatCannotBeKeptAreTold(t *testing.T) {
	g := NewWithT(t)
	set := of(t, fmt.Sprintf(ranged, "10.0.0.0/8"))
	c := service.Compile(set)
	g.Expect(gates(set, c, "h1")).To(HaveLen(2))
	g.Expect(problems(c)).To(HaveExactElements(HavePrefix("Service/shop/web: spec.loadBalancerSourceRanges: have clients in 10.0.0.0/24 of subnet front")))

	one, _ := set.Service("shop/web")
	one.Spec.LoadBalancerSourceRanges = []string{"everywhere", " 203.0.113.0/24 "}
	c.SetService(one)
	g.Expect(gates(set, c, "h1")).To(HaveLen(2))
	g.Expect(problems(c)).To(HaveExactElements(HaveSuffix("spec.loadBalancerSourceRanges[0]: everywhere is no prefix that packets could come from; it is left out")))
	one.Spec.LoadBalancerSourceRanges = one.Spec.LoadBalancerSourceRanges[:1]
	c.SetService(one)
	g.Expect(gates(set, c, "h1")).To(HaveExactElements(HavePrefix("shop/web:80/4/outside in")))
	g.Expect(problems(c)).To(ContainElement(HaveSuffix("the addresses of the load balancer are not served")))
}
