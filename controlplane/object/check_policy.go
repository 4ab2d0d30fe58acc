// SPDX-License-Identifier: Apache-2.0

package object

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/mizar-net/mizar/controlplane/object/strict"
)

// checkPorts sorts an endpoint's ports and fills in their protocols.
func (c *checker) checkPorts(e *Endpoint) {
	e.Ports = slices.Clone(e.Ports)
	for i := range e.Ports {
		p := &e.Ports[i]
		if p.Protocol == "" {
			p.Protocol = corev1.ProtocolTCP
		}
		if slices.ContainsFunc(e.Ports[:i], func(o Port) bool { return o.Name == p.Name && o.Protocol == p.Protocol }) {
			c.failEndpoint(e, fmt.Sprintf("spec.ports[%d].name", i), strict.Quote(p.Name)+" a second time", "each name once in a protocol")
		}
	}
	slices.SortStableFunc(e.Ports, func(a, b Port) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Protocol, b.Protocol))
	})
}

func (c *checker) checkNamespaces() {
	for i := range c.set.Namespaces {
		n := &c.set.Namespaces[i]
		if name, written := n.Labels[corev1.LabelMetadataName]; written && name != n.Name {
			c.fail(KindNamespace, n.Meta, "metadata.labels."+corev1.LabelMetadataName, strict.Quote(name), "the namespace's own name, or no such label")
		}
		labels := map[string]string{corev1.LabelMetadataName: n.Name}
		maps.Copy(labels, n.Labels)
		n.Labels = labels
		c.checkAnnotations(KindNamespace, n.Meta, AnnotationAudit, AnnotationKeepEstablished, AnnotationVPC)
	}
}

func (c *checker) checkPolicies() {
	for i := range c.set.Policies {
		p := &c.set.Policies[i]
		c.checkAnnotations(KindNetworkPolicy, p.Meta, AnnotationAudit)
		audit, own := p.Annotations[AnnotationAudit]
		if ns, ok := c.namespaces[p.Namespace]; ok && !own {
			audit = ns.Annotations[AnnotationAudit]
		}
		p.Audit = audit == annotationTrue
	}
}

// checkAnnotations refuses annotations in Mizar's name that it does not read, and
// values that it does not know.
func (c *checker) checkAnnotations(kind Kind, meta Meta, known ...string) {
	for _, key := range slices.Sorted(maps.Keys(meta.Annotations)) {
		if !strings.HasPrefix(key, annotationPrefix) {
			continue
		}
		field := "metadata.annotations." + key
		if !slices.Contains(known, key) {
			want := "one of " + strings.Join(known, ", ")
			if len(known) == 0 {
				want = "none of " + annotationPrefix
			}
			c.fail(kind, meta, field, "an annotation that is not known", want)
			continue
		}
		switch value := meta.Annotations[key]; {
		case key == AnnotationVPC && !validName.MatchString(value):
			c.fail(kind, meta, field, strict.Quote(value), "the name of a VPC")
		case key != AnnotationVPC && value != annotationTrue && value != annotationFalse:
			c.fail(kind, meta, field, strict.Quote(value), `"true" or "false"`)
		}
	}
}
