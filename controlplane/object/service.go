// SPDX-License-Identifier: Apache-2.0

package object

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// Service is a Kubernetes service: addresses and ports, and what stands behind
// them. What it is good for, controlplane/service says: whatever can be written is
// valid here, if Kubernetes' API server takes it.
type Service struct {
	Meta
	// Spec is as it was written: without the defaults of Kubernetes' API server.
	Spec corev1.ServiceSpec
	// Status has the addresses that a load balancer was given, and nothing else.
	Status corev1.ServiceStatus
}

// EndpointSlice names backends of the service of its namespace that its label
// kubernetes.io/service-name names.
type EndpointSlice struct {
	Meta
	// AddressType is what the addresses of all endpoints are.
	AddressType discoveryv1.AddressType
	Endpoints   []discoveryv1.Endpoint
	Ports       []discoveryv1.EndpointPort
}

// Service is the [Meta.Key] of the service that the slice is of; "": of none.
func (s EndpointSlice) Service() string {
	name := s.Labels[discoveryv1.LabelServiceName]
	if name == "" {
		return ""
	}
	return Meta{Name: name, Namespace: s.Namespace}.Key()
}

func (c *checker) checkServices() {
	for i := range c.set.Services {
		c.checkAnnotations(KindService, c.set.Services[i].Meta, AnnotationVPC)
	}
	for i := range c.set.EndpointSlices {
		c.checkAnnotations(KindEndpointSlice, c.set.EndpointSlices[i].Meta)
	}
}
