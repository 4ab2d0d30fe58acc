// SPDX-License-Identifier: Apache-2.0

package object

import (
	"fmt"
	"math"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/mizar-net/mizar/controlplane/object/strict"
)

// serviceFields are those of the spec of a service, and more.
func serviceFields(v strict.Value, more ...string) strict.Fields {
	return v.Fields(append([]string{
		"ports", "selector", "type", "clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "externalIPs", "externalName",
		"sessionAffinity", "sessionAffinityConfig", "internalTrafficPolicy", "externalTrafficPolicy", "trafficDistribution",
		"healthCheckNodePort", "publishNotReadyAddresses", "loadBalancerIP", "loadBalancerSourceRanges", "loadBalancerClass",
		"allocateLoadBalancerNodePorts",
	}, more...)...)
}

// decodeService reads the spec of a Service and refuses most of what Kubernetes'
// API server refuses. Of addresses only the syntax matters here.
func decodeService(f strict.Fields) corev1.ServiceSpec {
	spec := corev1.ServiceSpec{
		Type:                     enum(f.Optional("type"), corev1.ServiceTypeClusterIP, corev1.ServiceTypeNodePort, corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeExternalName),
		Selector:                 decodeTexts(f.Optional("selector")),
		Ports:                    decodeServicePorts(f.Optional("ports")),
		ExternalName:             f.Optional("externalName").AnyText(),
		SessionAffinity:          enum(f.Optional("sessionAffinity"), corev1.ServiceAffinityNone, corev1.ServiceAffinityClientIP),
		SessionAffinityConfig:    decodeAffinity(f.Optional("sessionAffinityConfig")),
		ExternalTrafficPolicy:    enum(f.Optional("externalTrafficPolicy"), corev1.ServiceExternalTrafficPolicyCluster, corev1.ServiceExternalTrafficPolicyLocal),
		HealthCheckNodePort:      int32(f.Optional("healthCheckNodePort").Int(0, maxPort)),
		PublishNotReadyAddresses: f.Optional("publishNotReadyAddresses").Bool(),
		TrafficDistribution: pointer(f.Optional("trafficDistribution"), func(v strict.Value) string {
			return v.Enum(corev1.ServiceTrafficDistributionPreferClose, corev1.ServiceTrafficDistributionPreferSameZone, corev1.ServiceTrafficDistributionPreferSameNode)
		}),
		InternalTrafficPolicy: pointer(f.Optional("internalTrafficPolicy"), func(v strict.Value) corev1.ServiceInternalTrafficPolicy {
			return enum(v, corev1.ServiceInternalTrafficPolicyCluster, corev1.ServiceInternalTrafficPolicyLocal)
		}),
		LoadBalancerClass:             pointer(f.Optional("loadBalancerClass"), strict.Value.Text),
		AllocateLoadBalancerNodePorts: pointer(f.Optional("allocateLoadBalancerNodePorts"), strict.Value.Bool),
		LoadBalancerIP:                decodeAddress(f.Optional("loadBalancerIP")),
	}
	for _, item := range f.Optional("externalIPs").AnyList() {
		spec.ExternalIPs = append(spec.ExternalIPs, decodeAddress(item))
	}
	for _, item := range f.Optional("loadBalancerSourceRanges").AnyList() {
		text, _ := decodeCIDR(item)
		spec.LoadBalancerSourceRanges = append(spec.LoadBalancerSourceRanges, text)
	}
	decodeClusterIPs(&spec, f)
	checkService(&spec, f)
	return spec
}

// checkService refuses what is wrong with a service as a whole.
func checkService(spec *corev1.ServiceSpec, f strict.Fields) {
	switch name := f.Optional("externalName"); {
	case spec.Type == corev1.ServiceTypeExternalName && !name.Present():
		name.FailGot("no external name with type ExternalName", "a DNS name")
	case spec.Type != corev1.ServiceTypeExternalName && spec.ClusterIP != corev1.ClusterIPNone && len(spec.Ports) == 0:
		f.Optional("ports").FailGot("no ports", "at least one, or clusterIP: None")
	}
}

// enum reads one of several texts.
func enum[T ~string](v strict.Value, known ...T) T {
	var texts []string
	for _, k := range known {
		texts = append(texts, string(k))
	}
	return T(v.Enum(texts...))
}

// pointer reads a value if there is one; nil when there is none.
func pointer[T any](v strict.Value, read func(strict.Value) T) *T {
	value := read(v)
	if !v.Present() {
		return nil
	}
	return &value
}

const addressWanted = "an IPv4 or IPv6 address"

// decodeAddress reads an address, of whatever kind.
func decodeAddress(v strict.Value) string {
	text := v.AnyText()
	if addr, err := netip.ParseAddr(text); text != "" && (err != nil || addr.Zone() != "") {
		v.Fail(addressWanted)
	}
	return text
}

// decodeClusterIPs reads both forms of cluster addresses, and the families.
func decodeClusterIPs(spec *corev1.ServiceSpec, f strict.Fields) {
	one, all := f.Optional("clusterIP"), f.Optional("clusterIPs")
	spec.ClusterIP = decodeClusterIP(one)
	for _, item := range all.AnyList() {
		spec.ClusterIPs = append(spec.ClusterIPs, decodeClusterIP(item))
	}
	if len(spec.ClusterIPs) > 0 && one.Present() && spec.ClusterIP != spec.ClusterIPs[0] {
		one.Fail("the first of clusterIPs, " + strict.Quote(spec.ClusterIPs[0]))
	}
	if len(spec.ClusterIPs) > 0 {
		spec.ClusterIP = spec.ClusterIPs[0]
	}
	if len(spec.ClusterIPs) > 2 || (len(spec.ClusterIPs) == 2 && family(spec.ClusterIPs[0]) == family(spec.ClusterIPs[1])) {
		all.FailGot(fmt.Sprintf("%d cluster addresses", len(spec.ClusterIPs)), "None, or at most one address a family")
	}
	families := f.Optional("ipFamilies")
	for _, item := range families.AnyList() {
		one := enum(item, corev1.IPv4Protocol, corev1.IPv6Protocol)
		if slices.Contains(spec.IPFamilies, one) && item.Present() {
			item.FailGot(strict.Quote(string(one))+" a second time", "each family once")
		}
		spec.IPFamilies = append(spec.IPFamilies, one)
	}
	spec.IPFamilyPolicy = pointer(f.Optional("ipFamilyPolicy"), func(v strict.Value) corev1.IPFamilyPolicy {
		return enum(v, corev1.IPFamilyPolicySingleStack, corev1.IPFamilyPolicyPreferDualStack, corev1.IPFamilyPolicyRequireDualStack)
	})
}

// family tells addresses of two families apart, and None of both.
func family(text string) corev1.IPFamily {
	addr, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		return corev1.IPFamilyUnknown
	case addr.Is4():
		return corev1.IPv4Protocol
	}
	return corev1.IPv6Protocol
}

func decodeClusterIP(v strict.Value) string {
	text := v.AnyText()
	if addr, err := netip.ParseAddr(text); text != "" && text != corev1.ClusterIPNone && (err != nil || addr.Zone() != "") {
		v.Fail(addressWanted + ", or None")
	}
	return text
}

func decodeAffinity(v strict.Value) *corev1.SessionAffinityConfig {
	clientIP := v.Fields("clientIP").Optional("clientIP")
	timeout := clientIP.Fields("timeoutSeconds").Optional("timeoutSeconds")
	const day = 86400 // the most that Kubernetes allows
	config := corev1.SessionAffinityConfig{ClientIP: &corev1.ClientIPConfig{
		TimeoutSeconds: pointer(timeout, func(v strict.Value) int32 { return int32(v.Int(1, day)) }),
	}}
	switch {
	case !v.Present():
		return nil
	case !clientIP.Present():
		config.ClientIP = nil
	}
	return &config
}

func decodeServicePorts(v strict.Value) []corev1.ServicePort {
	var ports []corev1.ServicePort
	items := v.AnyList()
	for _, item := range items {
		f := item.Fields("name", "protocol", "appProtocol", "port", "targetPort", "nodePort")
		p := corev1.ServicePort{
			Name:        f.Optional("name").AnyText(),
			Protocol:    decodeProtocol(f.Optional("protocol")),
			AppProtocol: pointer(f.Optional("appProtocol"), strict.Value.Text),
			Port:        int32(f.Required("port", "a number from 1 to 65535").Int(1, maxPort)),
			NodePort:    int32(f.Optional("nodePort").Int(0, maxPort)),
		}
		if target := decodePortOrName(f.Optional("targetPort")); target != nil {
			p.TargetPort = *target
		}
		checkServicePort(f, p, ports, len(items))
		ports = append(ports, p)
	}
	return ports
}

// checkServicePort refuses a port that cannot be told from those before it.
func checkServicePort(f strict.Fields, p corev1.ServicePort, before []corev1.ServicePort, of int) {
	name := f.Optional("name")
	switch problems := validation.IsDNS1123Label(p.Name); {
	case p.Name == "" && of > 1:
		name.FailGot("no name", "a name for each of several ports")
	case p.Name != "" && len(problems) > 0:
		name.Fail("the name of a port: " + brief(problems[0]))
	case slices.ContainsFunc(before, func(o corev1.ServicePort) bool { return o.Name == p.Name }):
		name.FailGot(strict.Quote(p.Name)+" a second time", "a name of its own for each port")
	}
	if p.Port != 0 && slices.ContainsFunc(before, func(o corev1.ServicePort) bool {
		return o.Port == p.Port && protocolOf(o.Protocol) == protocolOf(p.Protocol)
	}) {
		f.Optional("port").FailGot(fmt.Sprintf("%d/%s a second time", p.Port, protocolOf(p.Protocol)), "each port of a protocol once")
	}
}

// protocolOf is a protocol that was written, or TCP.
func protocolOf(written corev1.Protocol) corev1.Protocol {
	if written == "" {
		return corev1.ProtocolTCP
	}
	return written
}

// decodeServiceStatus reads the addresses of load balancers. What else Kubernetes
// keeps there is of no meaning to Mizar.
func decodeServiceStatus(v strict.Value) corev1.ServiceStatus {
	f := v.Fields("loadBalancer", "conditions")
	for _, item := range f.Optional("conditions").AnyList() {
		c := item.Fields("type", "status", "observedGeneration", "lastTransitionTime", "reason", "message")
		c.Optional("observedGeneration").Int(0, math.MaxInt)
		for _, text := range []string{"type", "status", "lastTransitionTime", "reason", "message"} {
			c.Optional(text).AnyText()
		}
	}
	var status corev1.ServiceStatus
	for _, item := range f.Optional("loadBalancer").Fields("ingress").Optional("ingress").AnyList() {
		g := item.Fields("ip", "hostname", "ipMode", "ports")
		one := corev1.LoadBalancerIngress{
			IP: decodeAddress(g.Optional("ip")), Hostname: g.Optional("hostname").AnyText(),
			IPMode: pointer(g.Optional("ipMode"), func(v strict.Value) corev1.LoadBalancerIPMode {
				return enum(v, corev1.LoadBalancerIPModeVIP, corev1.LoadBalancerIPModeProxy)
			}),
		}
		for _, port := range g.Optional("ports").AnyList() {
			p := port.Fields("port", "protocol", "error")
			one.Ports = append(one.Ports, corev1.PortStatus{
				Port: int32(p.Required("port", "a number from 1 to 65535").Int(1, maxPort)), Protocol: decodeProtocol(p.Optional("protocol")),
				Error: pointer(p.Optional("error"), strict.Value.Text),
			})
		}
		status.LoadBalancer.Ingress = append(status.LoadBalancer.Ingress, one)
	}
	return status
}
