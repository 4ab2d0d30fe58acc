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

func TestTheSameAddressInTwoVPCs(t *testing.T) {
	g := NewWithT(t)
	c := service.Compile(of(t, web("{selector: {app: web}, clusterIP: 10.96.0.1, ports: [{port: 80}]}"), named("web", "other", "{selector: {app: web}, clusterIP: 10.96.0.1, ports: [{port: 80}]}")))
	g.Expect(problems(c)).To(BeEmpty())
	g.Expect(told(c.Host("h1", 7))).To(Equal([]string{"shop/web:80/4 [10.96.0.1:80] → [10.0.0.11:80 10.0.0.12:80]"}))
	g.Expect(told(c.Host("h1", 8))).To(Equal([]string{"other/web:80/4 [10.96.0.1:80] → [10.0.0.11:80]"}))
	g.Expect(c.Host("h1", 7, 8)).To(HaveLen(2))
}
