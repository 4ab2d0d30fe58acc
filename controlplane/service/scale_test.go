// SPDX-License-Identifier: Apache-2.0

package service_test

import (
	"fmt"
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/service"
)

// crowd is a network of services that have some backends each: endpoints on ten
// hosts that each service selects by a label of its own.
func crowd(services, backends int) object.Set {
	d := object.Draft{
		VPCs:    []object.VPC{{Meta: object.Meta{Name: "red"}, VNI: 7}},
		Subnets: []object.Subnet{{Meta: object.Meta{Name: "front"}, VPC: "red", CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}},
	}
	for h := range 10 {
		d.Hosts = append(d.Hosts, object.Host{Meta: object.Meta{Name: fmt.Sprint("h", h)}, Addresses: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(h + 1)})}})
	}
	for s := range services {
		app := map[string]string{"app": fmt.Sprint("app-", s)}
		d.Services = append(d.Services, object.Service{Meta: object.Meta{Name: fmt.Sprint("s", s), Namespace: "shop"}, Spec: corev1.ServiceSpec{
			Selector: app, ClusterIP: netip.AddrFrom4([4]byte{172, 16, byte(s >> 8), byte(s)}).String(), Ports: []corev1.ServicePort{{Port: 80}},
		}})
		for b := range backends {
			n := s*backends + b + 256
			d.Endpoints = append(d.Endpoints, object.Endpoint{
				Meta: object.Meta{Name: fmt.Sprint("e", n), Namespace: "shop", Labels: app}, Subnet: "front", Host: fmt.Sprint("h", n%10),
				Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})},
			})
		}
	}
	set, err := object.New(d)
	if err != nil {
		panic(err)
	}
	return set
}

// The tables of ten thousand services with ten backends each fit 64 MB.
func TestTablesOfManyServicesAreSmall(t *testing.T) {
	g := NewWithT(t)
	all := service.Compile(crowd(100, 10)).Host("h1", 7)
	g.Expect(all).To(HaveLen(100))
	bytes := 0
	for _, s := range all {
		g.Expect(s.Backends).To(HaveLen(10))
		bytes += 2 * len(s.Table)
	}
	g.Expect(bytes * 100).To(BeNumerically("<=", 64<<20))
}

func BenchmarkCompile(b *testing.B) {
	for _, c := range []struct{ services, backends int }{{10000, 10}, {1, 10000}, {1, 1000}} {
		set := crowd(c.services, c.backends)
		b.Run(fmt.Sprintf("%dx%d", c.services, c.backends), func(b *testing.B) {
			bytes := 0
			for b.Loop() {
				bytes = 0
				for _, s := range service.Compile(set).Host("h1", 7) {
					bytes += 2 * len(s.Table)
				}
			}
			b.ReportMetric(float64(bytes), "table-bytes")
		})
		b.Run(fmt.Sprintf("%dx%d/unchanged", c.services, c.backends), func(b *testing.B) {
			compiler := service.Compile(set)
			compiler.Host("h1", 7)
			for b.Loop() {
				compiler.Sync(set)
				compiler.Host("h1", 7)
			}
		})
	}
}

// A backend comes or goes: what is made anew is one table.
func BenchmarkBackendChange(b *testing.B) {
	for _, n := range []int{10, 100, 300, 1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			sets := []object.Set{crowd(1, n), crowd(1, n+1)}
			compiler := service.New()
			for i := 0; b.Loop(); i++ {
				compiler.Sync(object.Set{})
				compiler.Sync(sets[i%2])
				compiler.Host("h1", 7)
			}
		})
	}
}

func BenchmarkTable(b *testing.B) {
	for _, n := range []int{2, 10, 64, 300, 1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			backends := some(n, 1)
			for b.Loop() {
				service.Table(backends)
			}
		})
	}
}
