// SPDX-License-Identifier: Apache-2.0

package service_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/service"
)

func oneOf[T any](t *rapid.T, of string, values ...T) T { return rapid.SampledFrom(values).Draw(t, of) }

func spaceOf(t *rapid.T) string { return oneOf(t, "namespace", "x", "x", "x", "y") }

func labels(t *rapid.T) map[string]string {
	all := map[string]string{}
	for _, key := range []string{"app", "tier"} {
		if value := oneOf(t, key, "", "a", "a", "b"); value != "" {
			all[key] = value
		}
	}
	return all
}

func ptr[T any](v T) *T { return &v }

// addresses that services are at, and endpoints.
var (
	virtuals = []string{"10.96.0.1", "10.96.0.1", "10.96.0.2", "10.96.0.2", "10.96.0.3", "fd96::1", "10.0.0.99", "nonsense"}
	reals    = []string{"10.0.0.10", "10.0.0.11", "10.0.0.12", "fd00::10", "10.0.0.77"}
)

func drawService(t *rapid.T, name, namespace string) object.Service {
	s := object.Service{Meta: object.Meta{Name: name, Namespace: namespace}, Spec: corev1.ServiceSpec{Selector: labels(t), ClusterIP: oneOf(t, "address", virtuals...)}}
	if vpc := oneOf(t, "vpc", "", "", "red", "red", "blue", "grey"); vpc != "" {
		s.Annotations = map[string]string{object.AnnotationVPC: vpc}
	}
	if ip := oneOf(t, "external", append([]string{""}, virtuals...)...); ip != "" {
		s.Spec.ExternalIPs = []string{ip}
	}
	if rapid.Bool().Draw(t, "node ports") {
		s.Spec.Type = corev1.ServiceTypeNodePort
		s.Spec.ExternalTrafficPolicy = oneOf(t, "outside", corev1.ServiceExternalTrafficPolicyCluster, corev1.ServiceExternalTrafficPolicyLocal)
	}
	if ip := oneOf(t, "balancer", "", "198.51.100.1", "198.51.100.2", "10.96.0.3"); ip != "" {
		s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: ip}}
		s.Spec.LoadBalancerSourceRanges = oneOf(t, "ranges", nil, []string{"203.0.113.0/24"}, []string{"10.0.0.0/8", "nonsense"})
	}
	if rapid.Bool().Draw(t, "local") {
		s.Spec.InternalTrafficPolicy = ptr(corev1.ServiceInternalTrafficPolicyLocal)
	}
	s.Spec.TrafficDistribution = oneOf(t, "distribution", nil, ptr(corev1.ServiceTrafficDistributionPreferSameZone), ptr(corev1.ServiceTrafficDistributionPreferSameNode))
	for n := range rapid.IntRange(1, 2).Draw(t, "ports") {
		s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Name: fmt.Sprint("p", n), Port: oneOf[int32](t, "port", 80, 81), NodePort: oneOf[int32](t, "node port", 0, 30080, 30081),
			Protocol: oneOf(t, "protocol", corev1.ProtocolTCP, corev1.ProtocolUDP), TargetPort: oneOf(t, "target", intstr.IntOrString{}, intstr.FromInt32(9), intstr.FromString("http"))})
	}
	return s
}

func drawSlice(t *rapid.T, name, namespace string) object.EndpointSlice {
	s := object.EndpointSlice{Meta: object.Meta{Name: name, Namespace: namespace}, AddressType: oneOf(t, "type", discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeFQDN)}
	if of := oneOf(t, "of", "s0", "s0", "s1", ""); of != "" {
		s.Labels = map[string]string{discoveryv1.LabelServiceName: of}
	}
	s.Ports = []discoveryv1.EndpointPort{{Name: ptr(oneOf(t, "name", "p0", "p1")), Port: ptr[int32](8080)}}
	for range rapid.IntRange(0, 2).Draw(t, "endpoints") {
		e := discoveryv1.Endpoint{Addresses: []string{oneOf(t, "backend", reals...)}, Conditions: discoveryv1.EndpointConditions{Ready: ptr(rapid.Bool().Draw(t, "ready"))}}
		if ref := oneOf(t, "ref", "", "e0", "e1"); ref != "" {
			e.TargetRef = &corev1.ObjectReference{Kind: "Pod", Name: ref}
		}
		s.Endpoints = append(s.Endpoints, e)
	}
	return s
}

func drawEndpoint(t *rapid.T, name, namespace string) object.Endpoint {
	e := object.Endpoint{Meta: object.Meta{Name: name, Namespace: namespace, Labels: labels(t)}, Host: oneOf(t, "host", "h1", "h2"), Subnet: oneOf(t, "subnet", "front", "front", "back")}
	e.Addresses = []netip.Addr{netip.MustParseAddr(oneOf(t, "at", reals...))}
	if rapid.Bool().Draw(t, "named") {
		e.Ports = []object.Port{{Name: "http", Number: 8080, Protocol: corev1.ProtocolTCP}}
	}
	return e
}

// drawNetwork is what all services depend on.
func drawNetwork(t *rapid.T) object.Draft {
	d := object.Draft{
		VPCs: []object.VPC{{Meta: object.Meta{Name: "red"}, VNI: 7}, {Meta: object.Meta{Name: "blue"}, VNI: 8, Default: rapid.Bool().Draw(t, "default")}},
		Subnets: []object.Subnet{{Meta: object.Meta{Name: "front"}, VPC: oneOf(t, "front", "red", "red", "blue"), CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("fd00::/64")}},
			{Meta: object.Meta{Name: "back"}, VPC: "blue", CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("fd00::/64")}}},
	}
	if d.Subnets[0].VPC == "blue" {
		d.Subnets[1].VPC = "red"
	}
	for n, name := range []string{"h1", "h2"} {
		h := object.Host{Meta: object.Meta{Name: name}, Addresses: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(n + 1)})}}
		if zone := oneOf(t, "zone", "", "east", "west"); zone != "" {
			h.Labels = map[string]string{corev1.LabelTopologyZone: zone}
		}
		d.Hosts = append(d.Hosts, h)
	}
	if vpc := oneOf(t, "space", "", "", "red", "grey"); vpc != "" {
		d.Namespaces = []object.Namespace{{Meta: object.Meta{Name: "x", Annotations: map[string]string{object.AnnotationVPC: vpc}}}}
	}
	return d
}

// swap takes what has a key out of all, and puts one in unless it goes.
func swap[T any](t *rapid.T, all []T, key func(T) string, one T) (out []T, gone bool) {
	out = slices.DeleteFunc(slices.Clone(all), func(o T) bool { return key(o) == key(one) })
	if rapid.IntRange(0, 4).Draw(t, "goes") == 0 {
		return out, true
	}
	return append(out, one), false
}

// change changes one thing of a network, and returns how a compiler is told.
func change(t *rapid.T, d *object.Draft) func(*service.Compiler, object.Set) {
	n := rapid.IntRange(0, 1).Draw(t, "number")
	namespace := spaceOf(t)
	switch rapid.IntRange(0, 2).Draw(t, "of") {
	case 0:
		one, gone := drawService(t, fmt.Sprint("s", n), namespace), false
		if d.Services, gone = swap(t, d.Services, object.Service.Key, one); gone {
			return func(c *service.Compiler, _ object.Set) { c.DeleteService(one.Key()) }
		}
		return func(c *service.Compiler, _ object.Set) { c.SetService(one) }
	case 1:
		one, gone := drawSlice(t, fmt.Sprint("l", n), namespace), false
		if d.EndpointSlices, gone = swap(t, d.EndpointSlices, object.EndpointSlice.Key, one); gone {
			return func(c *service.Compiler, _ object.Set) { c.DeleteSlice(one.Key()) }
		}
		return func(c *service.Compiler, _ object.Set) { c.SetSlice(one) }
	}
	one, gone := drawEndpoint(t, fmt.Sprint("e", n), namespace), false
	if d.Endpoints, gone = swap(t, d.Endpoints, object.Endpoint.Key, one); gone {
		return func(c *service.Compiler, _ object.Set) { c.DeleteEndpoint(one.Key()) }
	}
	return func(c *service.Compiler, set object.Set) {
		filled, _ := set.Endpoint(one.Key()) // with its defaults
		c.SetEndpoint(filled)
	}
}

// A compiler that follows changes, one by one or by sets, holds what one does that reads
// everything anew.
func TestFollowingChangesIsCompilingAnew(t *testing.T) {
	served := 0
	rapid.Check(t, func(t *rapid.T) {
		d := drawNetwork(t)
		told, synced := service.New(), service.New()
		first, err := object.New(d)
		if err != nil {
			t.Fatalf("a network that is not valid: %v", err)
		}
		told.Sync(first)
		for range rapid.IntRange(5, 25).Draw(t, "changes") {
			next := d
			tell := change(t, &next)
			network := rapid.IntRange(0, 9).Draw(t, "network") == 0
			if network {
				n := drawNetwork(t)
				next.VPCs, next.Subnets, next.Hosts, next.Namespaces = n.VPCs, n.Subnets, n.Hosts, n.Namespaces
			}
			set, err := object.New(next)
			if err != nil {
				continue // two endpoints with an address, say
			}
			d = next
			if network {
				told.Sync(set)
			} else {
				tell(told, set)
			}
			if rapid.Bool().Draw(t, "synced") {
				synced.Sync(set)
				served += compare(t, "synced", synced, set)
			}
			served += compare(t, "told", told, set)
		}
	})
	NewWithT(t).Expect(served).To(BeNumerically(">", 100), "services with backends")
}

// compare holds what a compiler says against one that is new, and counts services that
// have backends.
func compare(t *rapid.T, which string, c *service.Compiler, set object.Set) (served int) {
	fresh := service.Compile(set)
	for _, host := range rapid.Permutation([]string{"h1", "h2"}).Draw(t, "hosts") { // one may be asked again after a change
		h, _ := set.Host(host)
		if got, want := c.Outside(h), fresh.Outside(h); !reflect.DeepEqual(got, want) {
			t.Fatalf("%s: host %s has %v for the outside, want %v", which, host, got, want)
		}
		for _, vnis := range [][]uint32{{7}, {8}, {7, 8}} {
			got, want := c.Host(host, vnis...), fresh.Host(host, vnis...)
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%s: host %s has %v in %v, want %v", which, host, told(got), vnis, told(want))
			}
			for _, s := range got {
				served += min(1, len(s.Backends))
			}
		}
	}
	if got, want := problems(c), problems(fresh); !slices.Equal(got, want) {
		t.Fatalf("%s: conditions %q, want %q", which, got, want)
	}
	return served
}
