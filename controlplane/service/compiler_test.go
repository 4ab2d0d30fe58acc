// SPDX-License-Identifier: Apache-2.0

package service_test

import (
	"fmt"
	"slices"
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
	draft, err := object.Decode("network.yaml", []byte(network+"\n---\n"+strings.Join(more, "\n---\n")))
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

func TestLoadBalancersHaveTheAddressesTheyWereGiven(t *testing.T) {
	g := NewWithT(t)
	const balancer = `{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, status: {loadBalancer: {ingress: [{ip: 198.51.100.1}, {ip: 198.51.100.2, ipMode: Proxy}, {hostname: lb.example.com}, {ip: 198.51.100.3, ipMode: VIP}]}},
		spec: {type: LoadBalancer, selector: {tier: b}, clusterIP: 10.96.0.1, ports: [{port: 80}]}}`
	g.Expect(told(service.Compile(of(t, balancer)).Host("h1", 7))).To(Equal([]string{"shop/web:80/4 [10.96.0.1:80 198.51.100.1:80 198.51.100.3:80] → [10.0.0.12:80]"}))
	c := service.Compile(of(t, strings.Replace(balancer, "spec: {", "spec: {loadBalancerSourceRanges: [10.0.0.0/8], ", 1)))
	g.Expect(told(c.Host("h1", 7))).To(Equal([]string{"shop/web:80/4 [10.96.0.1:80] → [10.0.0.12:80]"}), "nobody gets in who was to be kept out")
	g.Expect(problems(c)).To(HaveExactElements(HavePrefix("Service/shop/web: spec.loadBalancerSourceRanges: are not enforced yet")))
}

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

func TestTheVPCOfAService(t *testing.T) {
	const spec = "{selector: {app: web}, clusterIP: 10.96.0.1, ports: [{port: 80}]}"
	service1 := func(namespace, annotations string) string {
		return fmt.Sprintf("{apiVersion: v1, kind: Service, metadata: {name: web, namespace: %s, annotations: %s}, spec: %s}", namespace, annotations, spec)
	}
	space := func(vpc string) string {
		return "{apiVersion: v1, kind: Namespace, metadata: {name: shop, annotations: {mizar.dev/vpc: " + vpc + "}}}"
	}
	green := "{apiVersion: mizar.dev/v1alpha1, kind: VPC, metadata: {name: green}, spec: {vni: 9, default: true}}"
	endpoint := func(name, namespace, subnet, addr string) string {
		return fmt.Sprintf("{apiVersion: mizar.dev/v1alpha1, kind: Endpoint, metadata: {name: %s, namespace: %s, labels: {app: web}}, spec: {subnet: %s, host: h1, addresses: [%s]}}", name, namespace, subnet, addr)
	}
	for _, c := range []struct {
		name    string
		objects []string
		vni     uint32
		problem string
	}{
		{"that its annotation names", []string{service1("shop", "{mizar.dev/vpc: blue}"), space("red")}, 8, ""},
		{"that its namespace's names", []string{service1("shop", "{}"), space("blue")}, 8, ""},
		{"of the endpoints that it selects", []string{service1("other", "{}"), endpoint("db", "shop", "back", "10.0.0.77"), green}, 8, ""},
		{"of the endpoints of its namespace", []string{strings.Replace(service1("other", "{}"), "app: web", "app: none", 1), green}, 8, ""},
		{"that is the default, of endpoints here and there", []string{service1("shop", "{}"), endpoint("web-3", "shop", "back", "10.0.0.77"), green}, 9, ""},
		{"of the endpoints that slices refer to", []string{service1("shop", "{}"), green,
			slice("a", `addressType: IPv4, ports: [], endpoints: [{addresses: [10.0.0.12], targetRef: {kind: Pod, name: db}}]`), endpoint("db", "shop", "back", "10.0.0.77")}, 8, ""},
		{"of the addresses that slices name", []string{service1("shop", "{}"), green,
			slice("a", `addressType: IPv4, ports: [], endpoints: [{addresses: [10.0.0.77]}]`), endpoint("db", "other", "back", "10.0.0.77")}, 8, ""},
		{"that is none", []string{service1("shop", "{mizar.dev/vpc: grey}")}, 0, `Service/shop/web: metadata.annotations.mizar.dev/vpc: "grey", which is no VPC; the service is not served until this is mended`},
		{"that is none, says its namespace", []string{service1("shop", "{}"), space("grey")}, 0, `Service/shop/web: is in VPC "grey", as the annotation mizar.dev/vpc of its namespace says, and there is no such VPC; the service is not served until this is mended`},
		{"that cannot be told", []string{service1("nowhere", "{}")}, 0, `Service/nowhere/web: is in no VPC that could be told: its endpoints are in none or in several, and no VPC is the default; the annotation mizar.dev/vpc names one; the service is not served until this is mended`},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			compiler := service.Compile(of(t, c.objects...))
			var in []uint32
			for _, s := range compiler.Host("h1", 7, 8, 9) {
				in = append(in, s.VNI)
			}
			if c.problem != "" {
				g.Expect(problems(compiler)).To(Equal([]string{c.problem}))
				g.Expect(in).To(BeEmpty())
				return
			}
			g.Expect(problems(compiler)).To(BeEmpty())
			g.Expect(in).To(Equal([]uint32{c.vni}))
		})
	}
}

func TestTheOnlyVPCIsThatOfAllServices(t *testing.T) {
	g := NewWithT(t)
	draft, err := object.Decode("one.yaml", []byte("{apiVersion: mizar.dev/v1alpha1, kind: VPC, metadata: {name: red}, spec: {vni: 7}}\n---\n"+web("{clusterIP: 10.96.0.1, ports: [{port: 80}]}")))
	g.Expect(err).NotTo(HaveOccurred())
	set, err := object.New(draft)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(service.Compile(set).Host("h1", 7)).To(HaveLen(1))
}

// The endpoints behind a service are of its own VPC, whatever else it selects.
func TestTheSameAddressInTwoVPCs(t *testing.T) {
	g := NewWithT(t)
	c := service.Compile(of(t, web("{selector: {app: web}, clusterIP: 10.96.0.1, ports: [{port: 80}]}"), named("web", "other", "{selector: {app: web}, clusterIP: 10.96.0.1, ports: [{port: 80}]}")))
	g.Expect(problems(c)).To(BeEmpty())
	g.Expect(told(c.Host("h1", 7))).To(Equal([]string{"shop/web:80/4 [10.96.0.1:80] → [10.0.0.11:80 10.0.0.12:80]"}))
	g.Expect(told(c.Host("h1", 8))).To(Equal([]string{"other/web:80/4 [10.96.0.1:80] → [10.0.0.11:80]"}))
	g.Expect(c.Host("h1", 7, 8)).To(HaveLen(2))
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

// Whatever is wrong with a service, the others are what they were.
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
		{`{type: NodePort, clusterIP: 10.96.0.1, healthCheckNodePort: 30081, sessionAffinity: ClientIP, trafficDistribution: PreferClose, ports: [{port: 80, nodePort: 30080}]}`, []string{
			"spec.sessionAffinity: ClientIP is not done yet; each flow of a client chooses its backend by itself",
			"spec.trafficDistribution: is not followed yet; flows choose from all backends alike",
			"spec.ports[0].nodePort: node ports are not served yet",
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
