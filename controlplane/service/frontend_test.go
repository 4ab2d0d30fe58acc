// SPDX-License-Identifier: Apache-2.0

package service_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/service"
)

func TestLoadBalancersHaveTheAddressesTheyWereGiven(t *testing.T) {
	g := NewWithT(t)
	const balancer = `{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, status: {loadBalancer: {ingress: [{ip: 198.51.100.1}, {ip: 198.51.100.2, ipMode: Proxy}, {hostname: lb.example.com}, {ip: 198.51.100.3, ipMode: VIP}]}},
		spec: {type: LoadBalancer, selector: {tier: b}, clusterIP: 10.96.0.1, ports: [{port: 80}]}}`
	g.Expect(told(service.Compile(of(t, balancer)).Host("h1", 7))).To(Equal([]string{"shop/web:80/4 [10.96.0.1:80 198.51.100.1:80 198.51.100.3:80] → [10.0.0.12:80]"}))
}

func TestAFrontendIsOneServices(t *testing.T) {
	g := NewWithT(t)
	const spec = "{clusterIP: 10.96.0.1, externalIPs: [198.51.100.%d], ports: [{name: a, port: 80}, {name: b, port: 81, protocol: UDP}]}"
	c := service.Compile(of(t, named("b", "shop", fmt.Sprintf(spec, 2)), named("a", "shop", strings.Replace(fmt.Sprintf(spec, 1), "81", "80", 1))))
	g.Expect(told(c.Host("h1", 7))).To(Equal([]string{
		"shop/a:80/4 [10.96.0.1:80 198.51.100.1:80] → []", "shop/a:80/4/udp [10.96.0.1:80 198.51.100.1:80] → []",
		"shop/b:80/4 [198.51.100.2:80] → []", "shop/b:81/4/udp [10.96.0.1:81 198.51.100.2:81] → []",
	}))
	g.Expect(problems(c)).To(Equal([]string{"Service/shop/b: spec.ports: 10.96.0.1:80/TCP is a frontend of service shop/a of the same VPC, which is before this one in order of names and keeps it"}))
}

func TestWhatCannotBeDoneIsTold(t *testing.T) {
	for _, c := range []struct {
		spec     string
		problems []string
		left     string
	}{
		{`{externalIPs: [127.0.0.1, 0.0.0.0, "::1", "::ffff:198.51.100.1", 224.0.0.1, "fe80::1", 255.255.255.255], clusterIP: 10.96.0.1, ports: [{port: 80}]}`, []string{
			"spec.externalIPs[0]: 127.0.0.1 is no unicast address that can be routed; it is not served",
			"spec.externalIPs[1]: 0.0.0.0 is no unicast address that can be routed; it is not served",
			"spec.externalIPs[2]: ::1 is no unicast address that can be routed; it is not served",
			"spec.externalIPs[3]: ::ffff:198.51.100.1 is an IPv4 address in the form of IPv6, which no packet has; it is not served",
			"spec.externalIPs[4]: 224.0.0.1 is no unicast address that can be routed; it is not served",
			"spec.externalIPs[5]: fe80::1 is no unicast address that can be routed; it is not served",
			"spec.externalIPs[6]: 255.255.255.255 is no unicast address that can be routed; it is not served",
		}, "shop/web:80/4 [10.96.0.1:80] → []"},
		{`{clusterIPs: [10.0.0.200, "fd96::1"], ports: [{port: 80}]}`, []string{
			"spec.clusterIPs[0]: 10.0.0.200 is in 10.0.0.0/24 of subnet front of its VPC, and is for endpoints; it is not served",
		}, "shop/web:80/6 [[fd96::1]:80] → []"},
		{`{clusterIP: 10.0.0.11, ports: [{port: 80}]}`, []string{
			"spec.clusterIP: 10.0.0.11 is in 10.0.0.0/24 of subnet front of its VPC, and is for endpoints; it is not served",
		}, ""},
		{`{externalIPs: [198.51.100.1], ports: [{port: 80}]}`, []string{
			"spec.clusterIP: is not written, and nobody here gives out addresses; the service has no cluster address",
		}, "shop/web:80/4 [198.51.100.1:80] → []"},
		{`{type: NodePort, clusterIP: 10.96.0.1, healthCheckNodePort: 30081, sessionAffinity: ClientIP, ports: [{port: 80, nodePort: 30080}]}`, []string{
			"spec.healthCheckNodePort: is not answered yet",
		}, "shop/web:80/4 [10.96.0.1:80] → []"},
		{`{clusterIP: 10.96.0.1, selector: {app: web}, ports: [{port: 80, targetPort: https}]}`, []string{
			`spec.ports: port 80 has the target "https", and none of the endpoints has a port of that name with the protocol TCP; it has no backends`,
		}, "shop/web:80/4 [10.96.0.1:80] → []"},
	} {
		g := NewWithT(t)
		other := named("zzz", "shop", `{selector: {tier: b}, clusterIP: 10.96.9.9, ports: [{port: 80}]}`)
		compiler := service.Compile(of(t, web(c.spec), other))
		var want []string
		for _, p := range c.problems {
			want = append(want, "Service/shop/web: "+p)
		}
		g.Expect(problems(compiler)).To(Equal(want))
		lines := []string{c.left, "shop/zzz:80/4 [10.96.9.9:80] → [10.0.0.12:80]"}
		g.Expect(told(compiler.Host("h1", 7))).To(Equal(slices.DeleteFunc(lines, func(l string) bool { return l == "" })))
	}
}

func TestWhatIsWrongWithSlicesIsTold(t *testing.T) {
	g := NewWithT(t)
	c := service.Compile(of(t, web("{selector: {app: web}, clusterIP: 10.96.0.1, ports: [{name: a, port: 80}, {name: b, port: 81}]}"),
		slice("names", `addressType: FQDN, endpoints: [{addresses: [www.example.com]}]`)))
	g.Expect(problems(c)).To(Equal([]string{"EndpointSlice/shop/names: addressType: FQDN: packets go to addresses, not to names; the slice is as if it were not there"}))
	g.Expect(told(c.Host("h1", 7))[0]).To(HaveSuffix("→ [10.0.0.11:80 10.0.0.12:80]"))
	c = service.Compile(of(t, web("{clusterIP: 10.96.0.1, ports: [{name: a, port: 80}, {name: b, port: 81}]}"),
		slice("bad", `addressType: IPv4, ports: [{name: a, port: 1}, {name: b, port: 2}], endpoints: [{addresses: [127.0.0.1]}, {addresses: [10.0.0.12]}]`)))
	g.Expect(problems(c)).To(Equal([]string{"EndpointSlice/shop/bad: endpoints[0].addresses[0]: 127.0.0.1 is no unicast address that can be routed; it is left out"}))
	g.Expect(told(c.Host("h1", 7))[0]).To(HaveSuffix("→ [10.0.0.12:1]"))
}

func TestConditionsSayWhere(t *testing.T) {
	g := NewWithT(t)
	c := service.Compile(of(t, web("{clusterIP: 127.0.0.1, ports: [{port: 80}]}")))
	g.Expect(c.Conditions()).To(HaveLen(1))
	g.Expect(c.Conditions()[0].String()).To(HavePrefix("network.yaml:%d: Service/shop/web: spec.clusterIP: ", strings.Count(network, "\n")+3))
}

// Three hours is what Kubernetes takes where nothing is written.
func TestAClientKeepsItsBackend(t *testing.T) {
	for spec, want := range map[string]time.Duration{
		"{clusterIP: 10.96.0.1, ports: [{port: 80}]}":                                                                                     0,
		"{clusterIP: 10.96.0.1, sessionAffinity: None, ports: [{port: 80}]}":                                                              0,
		"{clusterIP: 10.96.0.1, sessionAffinity: ClientIP, ports: [{port: 80}]}":                                                          3 * time.Hour,
		"{clusterIP: 10.96.0.1, sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}, ports: [{port: 80}]}": time.Minute,
	} {
		g := NewWithT(t)
		all := service.Compile(of(t, web(spec))).Host("h1", 7)
		g.Expect(all).To(HaveLen(1))
		g.Expect(all[0].Affinity).To(Equal(want), spec)
	}
}
