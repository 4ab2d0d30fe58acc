// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/service"
	"github.com/mizar-net/mizar/dataplane/state"
)

// served draws a network whose endpoints have labels, with services that select some.
func served(t *rapid.T) object.Draft {
	d := judged(t)
	for i := range rapid.IntRange(0, 5).Draw(t, "services") {
		meta := object.Meta{Name: fmt.Sprint("s", i), Namespace: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "of")}
		if len(d.VPCs) > 0 && rapid.Bool().Draw(t, "annotated") {
			meta.Annotations = map[string]string{object.AnnotationVPC: rapid.SampledFrom(d.VPCs).Draw(t, "in").Name}
		}
		spec := corev1.ServiceSpec{
			Selector:   map[string]string{"app": rapid.SampledFrom([]string{"web", "db"}).Draw(t, "app")},
			ClusterIPs: []string{fmt.Sprintf("203.0.113.%d", rapid.IntRange(1, 3).Draw(t, "address")), "2001:db8::1"},
			Ports:      []corev1.ServicePort{{Port: 80}},
		}
		if rapid.Bool().Draw(t, "local") {
			spec.InternalTrafficPolicy = new(corev1.ServiceInternalTrafficPolicyLocal)
		}
		d.Services = append(d.Services, object.Service{Meta: meta, Spec: spec})
	}
	return d
}

// serviceOf is a service of a VPC without backends.
func serviceOf(name, vpc, address string, ports ...int32) object.Service {
	s := object.Service{
		Meta: object.Meta{Name: name, Namespace: "default", Annotations: map[string]string{object.AnnotationVPC: vpc}},
		Spec: corev1.ServiceSpec{ClusterIP: address},
	}
	for _, p := range ports {
		s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Name: fmt.Sprint("p", p), Port: p})
	}
	return s
}

// A host holds the services of the VPCs that its endpoints are in and no others, each
// frontend once, and all hosts of a VPC choose alike; one host alone gets the same.
func TestHostsHoldTheServicesOfTheirVPCs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		set := valid(t, served(t))
		type key struct {
			vni      uint32
			frontend string
		}
		of := map[key]state.Service{}
		hosts := compile.Hosts(set)
		for _, h := range hosts {
			seen := map[key]bool{}
			for _, s := range h.Services {
				g.Expect(slices.ContainsFunc(h.Endpoints, func(e state.Endpoint) bool { return e.VNI == s.VNI })).To(BeTrue(), "%s at %s", s.Name, h.Name)
				g.Expect(s.Frontends).NotTo(BeEmpty())
				for _, f := range s.Frontends {
					k := key{s.VNI, f.String()}
					g.Expect(seen).NotTo(HaveKey(k))
					seen[k] = true
					if other, ok := of[k]; ok {
						g.Expect(s.Name).To(Equal(other.Name))
					}
					of[k] = s
				}
				for _, b := range s.Backends {
					g.Expect(b.Addr().Is4()).To(Equal(s.Frontends[0].Addr().Is4()))
				}
			}
			g.Expect(slices.IsSortedFunc(h.Services, func(a, b state.Service) int { return strings.Compare(a.Name, b.Name) })).To(BeTrue())
			one, err := compile.Host(set, h.Name)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(cmp.Diff(h.Services, one.Services, comparers...)).To(BeEmpty(), "one host alone")
		}
		for k := range of {
			for _, h := range hosts {
				if slices.ContainsFunc(h.Endpoints, func(e state.Endpoint) bool { return e.VNI == k.vni }) {
					g.Expect(slices.ContainsFunc(h.Services, func(s state.Service) bool {
						return s.VNI == k.vni && slices.ContainsFunc(s.Frontends, func(f netip.AddrPort) bool { return f.String() == k.frontend })
					})).To(BeTrue(), "%s of VNI %d at %s", k.frontend, k.vni, h.Name)
				}
			}
		}
	})
}

// Whatever is wrong with a service, nothing else changes.
func TestABadServiceChangesNothingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		d := served(t)
		before := compile.Hosts(valid(t, d))
		d.Services = append(d.Services, object.Service{
			Meta: object.Meta{Name: "zzz", Namespace: "z", Annotations: map[string]string{object.AnnotationVPC: "none"}},
			Spec: corev1.ServiceSpec{ClusterIP: "203.0.113.1", Ports: []corev1.ServicePort{{Port: 80}}},
		}, object.Service{
			Meta: object.Meta{Name: "zzz", Namespace: "zz"},
			Spec: corev1.ServiceSpec{ClusterIP: "127.0.0.1", Ports: []corev1.ServicePort{{Port: 80}}},
		})
		set := valid(t, d)
		g.Expect(cmp.Diff(before, compile.Hosts(set), comparers...)).To(BeEmpty())
		g.Expect(len((compile.View{}).Conditions(set))).To(BeNumerically(">=", 2))
	})
}

// A compiler that has held other sets before holds what a fresh one does.
func TestServicesAreTheSameFromScratch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		compiler := service.New()
		for range rapid.IntRange(1, 4).Draw(t, "sets") {
			set := valid(t, served(t))
			compiler.Sync(set)
			fresh := service.Compile(set)
			var vnis []uint32
			for _, v := range set.VPCs {
				vnis = append(vnis, v.VNI)
			}
			for _, h := range set.Hosts {
				g.Expect(compiler.Host(h.Name, vnis...)).To(Equal(fresh.Host(h.Name, vnis...)))
			}
			g.Expect(compiler.Conditions()).To(Equal(fresh.Conditions()))
		}
	})
}
