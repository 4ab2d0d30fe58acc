// SPDX-License-Identifier: Apache-2.0

package object_test

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/mizar-net/mizar/controlplane/object"
)

const services = good + `
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: blue, labels: {a: b}, annotations: {mizar.dev/vpc: red, other: x}}
spec:
  type: LoadBalancer
  selector: {app: web}
  clusterIP: 10.96.0.1
  clusterIPs: [10.96.0.1, "fd96::1"]
  ipFamilies: [IPv4, IPv6]
  ipFamilyPolicy: RequireDualStack
  externalIPs: [198.51.100.1, "::ffff:198.51.100.2"]
  externalTrafficPolicy: Local
  internalTrafficPolicy: Local
  trafficDistribution: PreferSameZone
  healthCheckNodePort: 32000
  publishNotReadyAddresses: true
  sessionAffinity: ClientIP
  sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}
  loadBalancerIP: 198.51.100.3
  loadBalancerClass: example.com/lb
  loadBalancerSourceRanges: [10.0.0.0/8]
  allocateLoadBalancerNodePorts: false
  ports:
  - {name: http, port: 80, targetPort: web, nodePort: 30080, appProtocol: http}
  - {name: dns, port: 53, protocol: UDP, targetPort: 5353}
  - {name: dns-tcp, port: 53, protocol: TCP}
  - {name: sctp, port: 80, protocol: SCTP}
status:
  loadBalancer: {ingress: [{ip: 198.51.100.3, ipMode: VIP, ports: [{port: 80, protocol: TCP, error: none}]}, {hostname: lb.example.com}]}
  conditions: [{type: Ready, status: "True", observedGeneration: 1, lastTransitionTime: now, reason: A, message: ""}]
---
{apiVersion: v1, kind: Service, metadata: {name: headless}, spec: {clusterIP: None, selector: {app: web}}}
---
{apiVersion: v1, kind: Service, metadata: {name: elsewhere}, spec: {type: ExternalName, externalName: www.example.com}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: blue, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints:
- addresses: [10.0.0.10]
  conditions: {ready: false, serving: true, terminating: true}
  hostname: a
  nodeName: h1
  zone: z1
  hints: {forZones: [{name: z1}], forNodes: [{name: h1}]}
  targetRef: {kind: Pod, namespace: blue, name: web, uid: "1", apiVersion: v1, resourceVersion: "2", fieldPath: x}
  deprecatedTopology: {a: b}
- {addresses: [10.0.0.11]}
ports: [{name: http, port: 8080, protocol: TCP, appProtocol: http}, {}]
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: names}, addressType: FQDN, endpoints: [{addresses: [www.example.com]}]}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: six}, addressType: IPv6, endpoints: [{addresses: ["fd00::1"]}], ports: []}
`

func TestServicesAreReadAsKubernetesTypes(t *testing.T) {
	g := NewWithT(t)
	set := read(t, services)
	web, ok := set.Service("blue/web")
	g.Expect(ok).To(BeTrue())
	g.Expect(web.Annotations).To(HaveKeyWithValue(object.AnnotationVPC, "red"))
	g.Expect(web.Spec).To(Equal(corev1.ServiceSpec{
		Type: corev1.ServiceTypeLoadBalancer, Selector: map[string]string{"app": "web"},
		ClusterIP: "10.96.0.1", ClusterIPs: []string{"10.96.0.1", "fd96::1"},
		IPFamilies: []corev1.IPFamily{corev1.IPv4Protocol, corev1.IPv6Protocol}, IPFamilyPolicy: new(corev1.IPFamilyPolicyRequireDualStack),
		ExternalIPs:           []string{"198.51.100.1", "::ffff:198.51.100.2"},
		ExternalTrafficPolicy: corev1.ServiceExternalTrafficPolicyLocal, InternalTrafficPolicy: new(corev1.ServiceInternalTrafficPolicyLocal),
		TrafficDistribution: new(corev1.ServiceTrafficDistributionPreferSameZone), HealthCheckNodePort: 32000, PublishNotReadyAddresses: true,
		SessionAffinity:       corev1.ServiceAffinityClientIP,
		SessionAffinityConfig: &corev1.SessionAffinityConfig{ClientIP: &corev1.ClientIPConfig{TimeoutSeconds: new(int32(60))}},
		LoadBalancerIP:        "198.51.100.3", LoadBalancerClass: new("example.com/lb"),
		LoadBalancerSourceRanges: []string{"10.0.0.0/8"}, AllocateLoadBalancerNodePorts: new(false),
		Ports: []corev1.ServicePort{
			{Name: "http", Port: 80, TargetPort: intstr.FromString("web"), NodePort: 30080, AppProtocol: new("http")},
			{Name: "dns", Port: 53, Protocol: corev1.ProtocolUDP, TargetPort: intstr.FromInt32(5353)},
			{Name: "dns-tcp", Port: 53, Protocol: corev1.ProtocolTCP},
			{Name: "sctp", Port: 80, Protocol: corev1.ProtocolSCTP},
		},
	}))
	g.Expect(web.Status).To(Equal(corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: []corev1.LoadBalancerIngress{
		{IP: "198.51.100.3", IPMode: new(corev1.LoadBalancerIPModeVIP), Ports: []corev1.PortStatus{{Port: 80, Protocol: corev1.ProtocolTCP, Error: new("none")}}},
		{Hostname: "lb.example.com"},
	}}}))
	_, ok = set.Service("headless")
	g.Expect(ok).To(BeTrue())
	_, ok = set.Service("blue/headless")
	g.Expect(ok).To(BeFalse())
}

func TestEndpointSlicesAreReadAsKubernetesTypes(t *testing.T) {
	g := NewWithT(t)
	set := read(t, services)
	g.Expect(set.EndpointSlices).To(HaveLen(3))
	web := set.EndpointSlices[0]
	g.Expect(web.Service()).To(Equal("blue/web"))
	g.Expect(set.EndpointSlices[1].Service()).To(BeEmpty(), "no label, no service")
	g.Expect(web.AddressType).To(Equal(discoveryv1.AddressTypeIPv4))
	g.Expect(web.Ports).To(Equal([]discoveryv1.EndpointPort{{Name: new("http"), Port: new(int32(8080)), Protocol: new(corev1.ProtocolTCP), AppProtocol: new("http")}, {}}))
	g.Expect(web.Endpoints).To(Equal([]discoveryv1.Endpoint{{
		Addresses: []string{"10.0.0.10"}, Conditions: discoveryv1.EndpointConditions{Ready: new(false), Serving: new(true), Terminating: new(true)},
		Hostname: new("a"), NodeName: new("h1"), Zone: new("z1"), DeprecatedTopology: map[string]string{"a": "b"},
		Hints:     &discoveryv1.EndpointHints{ForZones: []discoveryv1.ForZone{{Name: "z1"}}, ForNodes: []discoveryv1.ForNode{{Name: "h1"}}},
		TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: "blue", Name: "web", UID: "1", APIVersion: "v1", ResourceVersion: "2", FieldPath: "x"},
	}, {Addresses: []string{"10.0.0.11"}}}))
}

func TestServicesComeAndGoAsAllObjectsDo(t *testing.T) {
	g := NewWithT(t)
	set := read(t, services)
	again, err := object.New(set.Draft())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again).To(Equal(set))
	next, err := set.With(object.Draft{Services: []object.Service{{Meta: object.Meta{Name: "headless", Namespace: "default"}}}},
		object.Ref{Kind: object.KindService, Key: "blue/web"}, object.Ref{Kind: object.KindEndpointSlice, Key: "default/six"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(next.Services).To(HaveExactElements(HaveField("Name", "elsewhere"), And(HaveField("Name", "headless"), HaveField("Spec.ClusterIP", ""))))
	g.Expect(next.EndpointSlices).To(HaveExactElements(HaveField("Name", "web-1"), HaveField("Name", "names")))
	_, err = next.With(object.Draft{}, object.Ref{Kind: object.KindService, Key: "blue/web"})
	g.Expect(err).To(MatchError(ContainSubstring("an object to delete that does not exist")))
}
