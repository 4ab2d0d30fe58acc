// SPDX-License-Identifier: Apache-2.0

package object_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/object/strict"
)

const good = `
apiVersion: mizar.dev/v1alpha1
kind: Host
metadata: {name: h2, labels: {rack: a, empty: ""}}
spec: {addresses: [192.0.2.2, "2001:db8::2"], mtu: 9000, vlan: 7}
---
apiVersion: mizar.dev/v1alpha1
kind: Host
metadata: {name: h1}
spec: {addresses: [192.0.2.1]}
---
# nothing here
---
apiVersion: mizar.dev/v1alpha1
kind: Endpoint
metadata: {name: web, namespace: blue}
spec: {subnet: front, host: h1, addresses: [fd00::10, 10.0.0.10]}
---
apiVersion: mizar.dev/v1alpha1
kind: Subnet
metadata: {name: front}
spec:
  vpc: red
  cidrs: [10.0.0.0/24, "fd00::/64"]
  gateways: [fd00::fe, 10.0.0.254]
  bouncers: {hosts: [h2, h1]}
---
apiVersion: mizar.dev/v1alpha1
kind: VPC
metadata: {name: red}
spec: {vni: 7, dividers: {count: 1}}
`

func read(t *testing.T, text string) object.Set {
	t.Helper()
	g := NewWithT(t)
	draft, err := object.Decode("good.yaml", []byte(text))
	g.Expect(err).NotTo(HaveOccurred())
	set, err := object.New(draft)
	g.Expect(err).NotTo(HaveOccurred())
	return set
}

func TestDecodeReadsAllKindsAndFillsInDefaults(t *testing.T) {
	g := NewWithT(t)
	set := read(t, good)
	g.Expect(set.Hosts).To(HaveLen(2))
	g.Expect(set.Hosts[0].Name).To(Equal("h1"), "sorted by name")
	g.Expect(set.Hosts[0].MTU).To(Equal(1500))
	g.Expect(set.Hosts[1].VLAN).To(BeEquivalentTo(7))
	g.Expect(set.Hosts[1].Labels).To(Equal(map[string]string{"rack": "a", "empty": ""}))
	g.Expect(set.VPCs[0].Dividers).To(Equal(object.Placement{Count: 1}))
	g.Expect(set.Subnets[0].Gateways).To(Equal([]netip.Addr{netip.MustParseAddr("10.0.0.254"), netip.MustParseAddr("fd00::fe")}), "in the order of the prefixes")
	g.Expect(set.Subnets[0].Bouncers).To(Equal(object.Placement{Count: 2, Hosts: []string{"h1", "h2"}}))
	web, ok := set.Endpoint("blue/web")
	g.Expect(ok).To(BeTrue())
	g.Expect(web.MAC[:2]).To(Equal([]byte{2, 0}))
	g.Expect(web.At).To(Equal(object.Position{File: "good.yaml", Line: 14}))
}

func TestCheckingASetAgainChangesNothing(t *testing.T) {
	g := NewWithT(t)
	set := read(t, good)
	again, err := object.New(set.Draft())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again).To(Equal(set))
}

func TestWithReplacesAndDeletes(t *testing.T) {
	g := NewWithT(t)
	set := read(t, good)
	moved, err := object.Decode("move.yaml", []byte(strings.ReplaceAll(`
apiVersion: mizar.dev/v1alpha1
kind: Endpoint
metadata: {name: web, namespace: blue}
spec: {subnet: front, host: h2, addresses: [10.0.0.10]}`, "\t", " ")))
	g.Expect(err).NotTo(HaveOccurred())
	next, err := set.With(moved)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(next.Endpoints).To(HaveLen(1))
	g.Expect(next.Endpoints[0].Host).To(Equal("h2"))

	none, err := set.With(object.Draft{}, object.Ref{Kind: object.KindEndpoint, Key: "blue/web"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(none.Endpoints).To(BeEmpty())

	_, err = set.With(object.Draft{}, object.Ref{Kind: object.KindHost, Key: "h1"}, object.Ref{Kind: object.KindVPC, Key: "blue"})
	g.Expect(err).To(MatchError(And(
		ContainSubstring("VPC/blue: got an object to delete that does not exist"),
		ContainSubstring(`good.yaml:14: Endpoint/blue/web: spec.host: got "h1"; want the name of a host`))))
}

func TestDecodeSpecTellsThePathOfTheCaller(t *testing.T) {
	g := NewWithT(t)
	var node yaml.Node
	g.Expect(yaml.Unmarshal([]byte("vni: 1\ndividers:\n  hosts: [nobody]\n"), &node)).To(Succeed())
	r := strict.NewReader("tour.yaml")
	var d object.Draft
	d.DecodeSpec(object.KindVPC, "red", r.Value(&node, "topology.vpcs.red"))
	g.Expect(r.Err()).NotTo(HaveOccurred())
	_, err := object.New(d)
	g.Expect(err).To(MatchError(`tour.yaml:3: VPC/red: topology.vpcs.red.dividers.hosts[0]: got "nobody"; want the name of a host`))
	var one *object.Error
	g.Expect(errors.As(err, &one)).To(BeTrue())
	g.Expect(one.Line).To(Equal(3))
}

func TestAHostIsMadeAnEndpoint(t *testing.T) {
	g := NewWithT(t)
	text := strings.NewReplacer(
		"mtu: 9000, vlan: 7}", "endpoint: {addresses: [10.0.0.7]}}", "vni: 7,", "vni: 7, default: true,").Replace(good)
	set := read(t, text)
	e, ok := set.Endpoint("host/h2")
	g.Expect(ok).To(BeTrue())
	g.Expect(e.Self).To(BeTrue())
	g.Expect(e.Subnet).To(Equal("front"))
	g.Expect(e.Host).To(Equal("h2"))
	g.Expect(e.MAC).NotTo(Equal([6]byte{}))
	again, err := object.New(set.Draft())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again).To(Equal(set))
	_, err = set.With(object.Draft{}, object.Ref{Kind: object.KindEndpoint, Key: "host/h2"})
	g.Expect(err).To(MatchError(ContainSubstring("an object to delete that does not exist")))

	draft, err := object.Decode("good.yaml", []byte(strings.Replace(text, "default: true", "default: false", 1)))
	g.Expect(err).NotTo(HaveOccurred())
	_, err = object.New(draft)
	g.Expect(err).To(MatchError("good.yaml:5: Host/h2: spec.endpoint: got a host that is an endpoint, and no default VPC; want a VPC with default: true"))
}

// Every file in testdata/bad is wrong in one or more ways; the comments at its
// end are the errors that it must give, in order.
func TestBadObjectsAreToldPrecisely(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no bad objects in testdata/bad: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			g := NewWithT(t)
			data, err := os.ReadFile(file)
			g.Expect(err).NotTo(HaveOccurred())
			var want []string
			for line := range strings.Lines(string(data)) {
				if text, ok := strings.CutPrefix(line, "# error: "); ok {
					want = append(want, strings.TrimSpace(text))
				}
			}
			g.Expect(want).NotTo(BeEmpty(), "the file does not say what is wrong with it")
			draft, err := object.Decode(filepath.Base(file), data)
			if err == nil {
				_, err = object.New(draft)
			}
			g.Expect(err).To(HaveOccurred())
			g.Expect(strings.Split(err.Error(), "\n")).To(Equal(want))
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(policies))
	f.Add([]byte(services))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("kind: Host\nmetadata: &m {name: *m}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		draft, err := object.Decode("fuzz.yaml", data)
		if err != nil {
			return
		}
		set, err := object.New(draft)
		if err != nil {
			return
		}
		if _, err := object.New(set.Draft()); err != nil {
			t.Fatalf("a valid set is not valid again: %v", err)
		}
	})
}

func TestGenerationsAreOfTheUser(t *testing.T) {
	g := NewWithT(t)
	generation := func(change func(*object.Endpoint)) uint8 {
		e := object.Endpoint{Meta: object.Meta{Name: "a", Namespace: "default"}, Subnet: "s", Host: "h1", Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.10")}}
		change(&e)
		host := func(name, addr string) object.Host {
			return object.Host{Meta: object.Meta{Name: name}, Addresses: []netip.Addr{netip.MustParseAddr(addr)}}
		}
		set, err := object.New(object.Draft{
			Hosts:     []object.Host{host("h1", "192.0.2.1"), host("h2", "192.0.2.2")},
			VPCs:      []object.VPC{{Meta: object.Meta{Name: "red"}, VNI: 7}},
			Subnets:   []object.Subnet{{Meta: object.Meta{Name: "s"}, VPC: "red", CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}}},
			Endpoints: []object.Endpoint{e},
		})
		g.Expect(err).NotTo(HaveOccurred())
		return set.Endpoints[0].Generation
	}
	was := generation(func(*object.Endpoint) {})
	g.Expect(was).NotTo(BeZero())
	g.Expect(generation(func(e *object.Endpoint) { e.Host = "h2" })).To(Equal(was))
	g.Expect(generation(func(e *object.Endpoint) { e.Generation = 77 })).To(BeEquivalentTo(77))
	for name, change := range map[string]func(*object.Endpoint){
		"name":   func(e *object.Endpoint) { e.Name = "b" },
		"MAC":    func(e *object.Endpoint) { e.MAC = [6]byte{2, 1, 1, 1, 1, 1} },
		"labels": func(e *object.Endpoint) { e.Labels = map[string]string{"app": "web"} },
	} {
		g.Expect(generation(change)).NotTo(Equal(was), "another "+name)
	}
	seen := map[uint8]bool{}
	for i := range 5000 {
		seen[generation(func(e *object.Endpoint) { e.Name = fmt.Sprintf("e%d", i) })] = true
	}
	g.Expect(seen).To(HaveLen(255))
	g.Expect(seen).NotTo(HaveKey(uint8(0)))
}

const policies = good + `
---
apiVersion: v1
kind: Namespace
metadata: {name: blue, labels: {team: a}, annotations: {mizar.dev/audit: "true", mizar.dev/keep-established: "true"}}
spec: {finalizers: [kubernetes]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: blue, annotations: {mizar.dev/audit: "false"}}
spec:
  podSelector: {matchLabels: {app: web}, matchExpressions: [{key: tier, operator: NotIn, values: [a, ""]}]}
  policyTypes: [Ingress, Egress]
  ingress:
  - from:
    - {podSelector: {}}
    - {namespaceSelector: {matchLabels: {team: a}}, podSelector: {}}
    - {ipBlock: {cidr: 10.1.2.3/8, except: [10.1.0.0/16, 10.0.0.0/8]}}
    ports: [{}, {port: 80}, {port: http, protocol: UDP}, {port: 0x50, endPort: 81, protocol: SCTP}]
  - {from: [], ports: []}
  - {}
  egress: []
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: all, namespace: blue}
spec: {}
`

func TestPoliciesAreReadAsKubernetesTypes(t *testing.T) {
	g := NewWithT(t)
	set := read(t, policies)
	web, ok := set.Policy("blue/web")
	g.Expect(ok).To(BeTrue())
	g.Expect(web.Audit).To(BeFalse(), "what a policy says goes before what its namespace says")
	all, _ := set.Policy("blue/all")
	g.Expect(all.Audit).To(BeTrue())
	udp, sctp, last := corev1.ProtocolUDP, corev1.ProtocolSCTP, int32(81)
	port := func(p intstr.IntOrString) *intstr.IntOrString { return &p }
	g.Expect(web.Spec).To(Equal(networkingv1.NetworkPolicySpec{
		PodSelector: metav1.LabelSelector{
			MatchLabels:      map[string]string{"app": "web"},
			MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "tier", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"a", ""}}},
		},
		PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
		Ingress: []networkingv1.NetworkPolicyIngressRule{{
			From: []networkingv1.NetworkPolicyPeer{
				{PodSelector: &metav1.LabelSelector{}},
				{PodSelector: &metav1.LabelSelector{}, NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "a"}}},
				{IPBlock: &networkingv1.IPBlock{CIDR: "10.1.2.3/8", Except: []string{"10.1.0.0/16", "10.0.0.0/8"}}},
			},
			Ports: []networkingv1.NetworkPolicyPort{
				{}, {Port: port(intstr.FromInt32(80))}, {Port: port(intstr.FromString("http")), Protocol: &udp},
				{Port: port(intstr.FromInt32(80)), EndPort: &last, Protocol: &sctp},
			},
		}, {}, {}},
	}))
	again, err := object.New(set.Draft())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again).To(Equal(set))
	next, err := set.With(object.Draft{}, object.Ref{Kind: object.KindNamespace, Key: "blue"}, object.Ref{Kind: object.KindNetworkPolicy, Key: "blue/web"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(next.Policies).To(HaveExactElements(And(HaveField("Name", "all"), HaveField("Audit", false))), "the namespace no longer says so")
}

func TestEveryNamespaceExists(t *testing.T) {
	g := NewWithT(t)
	set := read(t, policies)
	g.Expect(set.Namespace("blue").Labels).To(Equal(map[string]string{"team": "a", "kubernetes.io/metadata.name": "blue"}))
	g.Expect(set.Namespace("blue").KeepEstablished()).To(BeTrue())
	g.Expect(set.Namespace("green").Labels).To(Equal(map[string]string{"kubernetes.io/metadata.name": "green"}))
	g.Expect(set.Namespace("green").KeepEstablished()).To(BeFalse())
}

func TestAnEndpointThatHasEndedLeavesItsAddress(t *testing.T) {
	g := NewWithT(t)
	const more = `
---
apiVersion: mizar.dev/v1alpha1
kind: Endpoint
metadata: {name: job, namespace: blue}
spec:
  {subnet: front, host: h1, addresses: [10.0.0.10], phase: Succeeded, ports: [{name: b, port: 2}, {name: a, port: 1, protocol: UDP}, {name: a, port: 3}]}
`
	set := read(t, good+more)
	g.Expect(set.Endpoints).To(HaveExactElements(HaveField("Name", "web")))
	g.Expect(set.Ended).To(HaveExactElements(HaveField("Name", "job")))
	g.Expect(set.Ended[0].Ports).To(Equal([]object.Port{{"a", 3, "TCP"}, {"a", 1, "UDP"}, {"b", 2, "TCP"}}))
	again, err := object.New(set.Draft())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again).To(Equal(set))
	draft, err := object.Decode("twice.yaml", []byte(good+strings.Replace(more, "Succeeded", "Running", 1)))
	g.Expect(err).NotTo(HaveOccurred())
	_, err = object.New(draft)
	g.Expect(err).To(MatchError(ContainSubstring("10.0.0.10, the address of endpoint blue/")))
}
