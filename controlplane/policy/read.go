// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/mizar-net/mizar/controlplane/identity"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
)

// instead is what becomes of a policy that is not valid.
const instead = "; the policy grants nothing until this is mended, and isolates whom it selects"

// read makes statements of a network policy. One that is not valid isolates and
// grants nothing; the conditions say why.
func read(p *object.NetworkPolicy) (map[state.Direction]*statement, []object.Condition) {
	r := reader{policy: p}
	out := map[state.Direction]*statement{}
	subject := r.selector("spec.podSelector", func() (selector, error) { return readSelector(&p.Spec.PodSelector, identity.Label) })
	for _, d := range r.directions() {
		s := &statement{policy: p.Key(), namespace: p.Namespace, direction: d, subject: subject, isolates: true, audit: p.Audit}
		if d == state.Ingress {
			for i, rule := range p.Spec.Ingress {
				s.rules = append(s.rules, r.rule(d, i, "from", rule.From, rule.Ports))
			}
		} else {
			for i, rule := range p.Spec.Egress {
				s.rules = append(s.rules, r.rule(d, i, "to", rule.To, rule.Ports))
			}
		}
		out[d] = s
	}
	for _, s := range out {
		if len(r.conditions) > 0 {
			s.rules = nil
		}
		s.finish()
	}
	return out, r.conditions
}

// finish notes the names that the rules ask for, and what stands for it all.
func (s *statement) finish() {
	for _, rule := range s.rules {
		for _, p := range rule.ports {
			if p.name != "" && s.direction == state.Ingress {
				s.names = append(s.names, p.name)
			}
		}
	}
	slices.Sort(s.names)
	s.names = slices.Compact(s.names)
	sum := sha256.New()
	fmt.Fprintf(sum, "%q %d %d %t %t", s.policy, s.direction, s.tier, s.isolates, s.audit)
	for _, r := range s.rules {
		fmt.Fprintf(sum, "\n%q %d %d %t %v %v %v", r.name, r.rank, r.action, r.anyone, r.blocks, r.ports, len(r.peers))
		for _, p := range r.peers {
			fmt.Fprintf(sum, "\n%q %v %v", p.own, p.namespaces, p.pods)
		}
	}
	s.digest = hex.EncodeToString(sum.Sum(nil)[:16])
}

// reader reads one policy.
type reader struct {
	policy     *object.NetworkPolicy
	conditions []object.Condition
}

func (r *reader) fail(field, problem string) {
	r.conditions = append(r.conditions, object.Condition{
		Object: string(object.KindNetworkPolicy) + "/" + r.policy.Key(), At: r.policy.At, Field: field, Problem: problem + instead,
	})
}

func (r *reader) selector(field string, read func() (selector, error)) selector {
	s, err := read()
	if err != nil {
		r.fail(field, err.Error())
	}
	return s
}

// directions are those that the policy isolates: as written, or else ingress, and
// egress if it has rules. A type that is not known stands for both.
func (r *reader) directions() []state.Direction {
	spec := &r.policy.Spec
	if len(spec.PolicyTypes) == 0 {
		if len(spec.Egress) > 0 {
			return []state.Direction{state.Ingress, state.Egress}
		}
		return []state.Direction{state.Ingress}
	}
	var all []state.Direction
	for i, t := range spec.PolicyTypes {
		switch t {
		case networkingv1.PolicyTypeIngress:
			all = append(all, state.Ingress)
		case networkingv1.PolicyTypeEgress:
			all = append(all, state.Egress)
		default:
			r.fail(fmt.Sprintf("spec.policyTypes[%d]", i), fmt.Sprintf("got %q, want Ingress or Egress", t))
			all = append(all, state.Ingress, state.Egress)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (r *reader) rule(d state.Direction, index int, list string, peers []networkingv1.NetworkPolicyPeer, of []networkingv1.NetworkPolicyPort) rule {
	field := fmt.Sprintf("spec.%s[%d]", d, index)
	out := rule{
		name: fmt.Sprintf("%s %s[%d]", r.policy.Key(), d, index), rank: rankPolicy, action: accept,
		anyone: len(peers) == 0,
	}
	for i := range peers {
		r.peer(&out, fmt.Sprintf("%s.%s[%d]", field, list, i), &peers[i])
	}
	for i := range of {
		if p, ok := r.ports(fmt.Sprintf("%s.ports[%d]", field, i), &of[i]); ok {
			out.ports = append(out.ports, p)
		}
	}
	if len(of) == 0 {
		out.ports = []ports{everything}
	}
	if out.anyone && d == state.Egress && slices.ContainsFunc(out.ports, func(p ports) bool { return p.name != "" }) {
		out.peers = []peer{{}} // an address has no named ports, who has it may
	}
	return out
}

func (r *reader) peer(into *rule, field string, p *networkingv1.NetworkPolicyPeer) {
	switch selects := p.PodSelector != nil || p.NamespaceSelector != nil; {
	case selects && p.IPBlock != nil:
		r.fail(field, "ipBlock and a selector in one peer")
	case p.IPBlock != nil:
		if b, ok := r.block(field+".ipBlock", p.IPBlock); ok {
			into.blocks = append(into.blocks, b)
		}
	case selects:
		out := peer{
			pods:       r.selector(field+".podSelector", func() (selector, error) { return readSelector(p.PodSelector, identity.Label) }),
			namespaces: r.selector(field+".namespaceSelector", func() (selector, error) { return readSelector(p.NamespaceSelector, identity.NamespaceLabel) }),
		}
		if p.NamespaceSelector == nil {
			out.own = r.policy.Namespace
		}
		into.peers = append(into.peers, out)
	default:
		r.fail(field, "a peer that names nobody")
	}
}

// block reads an ipBlock. Host bits are forgiven, as by Kubernetes' API server.
func (r *reader) block(field string, b *networkingv1.IPBlock) (block, bool) {
	whole, ok := r.prefix(field+".cidr", b.CIDR)
	if !ok {
		return block{}, false
	}
	out := block{prefix: whole}
	for i, text := range b.Except {
		at := fmt.Sprintf("%s.except[%d]", field, i)
		part, ok := r.prefix(at, text)
		switch {
		case !ok:
			return block{}, false
		case part.Bits() < whole.Bits() || !whole.Contains(part.Addr()):
			r.fail(at, fmt.Sprintf("%s is not inside of %s", text, b.CIDR))
			return block{}, false
		}
		out.except = append(out.except, part)
	}
	return out, true
}

func (r *reader) prefix(field, text string) (netip.Prefix, bool) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		r.fail(field, fmt.Sprintf("%q is no IPv4 or IPv6 prefix", text))
		return netip.Prefix{}, false
	}
	if p.Addr().Is4In6() {
		r.fail(field, fmt.Sprintf("%q has IPv4 addresses in the form of IPv6, which no packet has", text))
		return netip.Prefix{}, false
	}
	return p.Masked(), true
}

func (r *reader) ports(field string, p *networkingv1.NetworkPolicyPort) (ports, bool) {
	protocol := corev1.ProtocolTCP
	if p.Protocol != nil {
		protocol = *p.Protocol
	}
	out := ports{protocol: protocolNumber(protocol), last: 65535}
	problem := ""
	switch {
	case out.protocol == 0:
		problem = fmt.Sprintf("protocol %q, want TCP, UDP or SCTP", protocol)
	case p.Port == nil && p.EndPort != nil:
		problem = "endPort without port"
	case p.Port == nil:
	case p.Port.Type == intstr.String:
		out = ports{protocol: out.protocol, name: p.Port.StrVal}
		if p.EndPort != nil {
			problem = "endPort with a named port"
		} else if wrong := validation.IsValidPortName(p.Port.StrVal); len(wrong) > 0 {
			problem = fmt.Sprintf("port %q %s", p.Port.StrVal, wrong[0])
		}
	default:
		first, last := p.Port.IntVal, p.Port.IntVal
		if p.EndPort != nil {
			last = *p.EndPort
		}
		if first < 1 || last > 65535 || last < first {
			problem = fmt.Sprintf("ports %d to %d, want 1 to 65535, the first before the last", first, last)
		}
		out.first, out.last = uint16(first), uint16(last)
	}
	if problem != "" {
		r.fail(field, problem)
		return ports{}, false
	}
	return out, true
}

// protocolsByName are those that ports can be of.
var protocolsByName = map[corev1.Protocol]uint8{corev1.ProtocolTCP: 6, corev1.ProtocolUDP: 17, corev1.ProtocolSCTP: 132}

// protocolNumber is IP's; 0: not known.
func protocolNumber(p corev1.Protocol) uint8 { return protocolsByName[p] }

func protocolName(number uint8) corev1.Protocol {
	for name, n := range protocolsByName {
		if n == number {
			return name
		}
	}
	return ""
}
