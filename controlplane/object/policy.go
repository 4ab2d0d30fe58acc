// SPDX-License-Identifier: Apache-2.0

package object

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// Namespace is a Kubernetes namespace: labels that policies select by.
type Namespace struct {
	// Meta has, in a [Set], the label kubernetes.io/metadata.name too.
	Meta
}

// KeepEstablished says that what the endpoints of the namespace were once allowed
// goes on when policy would no longer allow it.
func (n Namespace) KeepEstablished() bool {
	return n.Annotations[AnnotationKeepEstablished] == annotationTrue
}

// NetworkPolicy is a Kubernetes network policy. It acts on the endpoints of its
// namespace, of whatever VPC, and sees the peers that are in the VPC of each.
type NetworkPolicy struct {
	Meta
	// Spec is as it was written: without the defaults of Kubernetes' API server.
	Spec networkingv1.NetworkPolicySpec
	// Audit says that the policy changes no verdict: what it would deny is
	// counted. Only [New] sets it, from the annotation of the policy or else
	// of its namespace.
	Audit bool
}

// The annotations that Mizar reads; where nothing else is said, their values are
// "true" and "false".
const (
	// AnnotationAudit is of network policies, and of namespaces for all of theirs
	// that have none themselves.
	AnnotationAudit = "mizar.dev/audit"
	// AnnotationKeepEstablished is of namespaces.
	AnnotationKeepEstablished = "mizar.dev/keep-established"
	// AnnotationVPC is of services, and of namespaces for all of theirs that
	// have none themselves: the name of the VPC that they are in.
	AnnotationVPC = "mizar.dev/vpc"

	annotationPrefix = "mizar.dev/"
	annotationTrue   = "true"
	annotationFalse  = "false"
)

// protocols are those that a port may have.
var protocols = []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP}
