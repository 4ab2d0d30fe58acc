// SPDX-License-Identifier: Apache-2.0

// Package judge says what NetworkPolicies say of a conversation, written from the
// API's own words (k8s.io/api/networking/v1) and nothing else: it walks over all
// policies, rules and peers for every question.
//
//	a conversation, at one of its ends ─► selecting policies ─► rules ─► peers, ports ─► answer
//
// A conversation is judged twice, each time from the point of view of one of its
// ends: egress of who opens it, ingress of who is spoken to.
package judge

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	networking "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/mizar-net/mizar/dataplane/state"
)

// Policy is a NetworkPolicy as it is judged by.
type Policy struct {
	Namespace, Name string
	Spec            networking.NetworkPolicySpec
	// Audit says that the policy is not enforced: what it would deny is counted.
	Audit bool
}

// Party is an endpoint as policies see it.
type Party struct {
	Namespace string
	// Labels are the endpoint's own, NamespaceLabels those of its namespace; the
	// label [NameLabel] is implied there.
	Labels, NamespaceLabels map[string]string
	Ports                   []Port
	// Host says that it is a host itself: no policy selects it, by no label.
	Host bool
}

// Port is a port that has a name.
type Port struct {
	Name string
	// Number is the port's, Protocol the IP protocol's.
	Number   uint16
	Protocol uint8
}

// NameLabel is the label that selects a namespace by its name.
const NameLabel = "kubernetes.io/metadata.name"

// IP protocols that have ports.
const (
	TCP  = 6
	UDP  = 17
	SCTP = 132
)

// Question is a conversation at one of its ends.
type Question struct {
	// Subject is the end whose policies are asked, in this direction.
	Subject   Party
	Direction state.Direction
	// Peer is who has the other end's address in the subject's VPC; nil: nobody.
	Peer *Party
	Addr netip.Addr
	// Protocol is IP's number; Port the destination port, of no meaning for
	// protocols without ports.
	Protocol uint8
	Port     uint16
}

// Answer is what policies say.
type Answer struct {
	Verdict state.Verdict
	// Rules are those that may be named for the verdict: any that accepts, or what
	// isolates; none where nothing isolates the subject.
	Rules []string
}

// Judge answers a question. Of policies in audit neither what they grant nor what
// they deny is enforced; [state.Audit] is an accept that they would have denied.
func Judge(policies []Policy, q Question) Answer {
	selecting := Selecting(policies, q.Subject, q.Direction)
	a := judge(selecting, q)
	if a.Verdict == state.Deny && selecting[0].Audit {
		a.Verdict = state.Audit
	}
	return a
}

// Selecting are the policies that isolate an endpoint in a direction: those that are
// enforced, or where there is none, those in audit.
func Selecting(policies []Policy, subject Party, d state.Direction) []Policy {
	var enforced, audit []Policy
	for _, p := range policies {
		switch {
		case !p.isolates(d) || !p.selects(subject):
		case p.Audit:
			audit = append(audit, p)
		default:
			enforced = append(enforced, p)
		}
	}
	if enforced == nil {
		return audit
	}
	return enforced
}

// judge is the union of what the selecting policies grant.
func judge(policies []Policy, q Question) Answer {
	var accept []string
	for _, p := range policies {
		for i, r := range p.rules(q.Direction) {
			if p.grants(r, q) {
				accept = append(accept, fmt.Sprintf("%s[%d]", p.rule(q.Direction), i))
			}
		}
	}
	switch {
	case accept != nil:
		return Answer{state.Accept, accept}
	case len(policies) > 0:
		return Answer{state.Deny, []string{isolation(policies, q.Direction)}}
	}
	return Answer{Verdict: state.Accept}
}

// mostNamed is how many policies are named for what no rule accepts.
const mostNamed = 4

// isolation is the name of what denies what no rule accepts: the policies that
// isolate, in order of their names, such as "default/a,default/b isolate ingress".
func isolation(policies []Policy, d state.Direction) string {
	var names []string
	for _, p := range policies {
		names = append(names, p.Namespace+"/"+p.Name)
	}
	slices.Sort(names)
	rest := ""
	if n := len(names) - mostNamed; n > 0 {
		names, rest = names[:mostNamed], fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("%s%s isolate %s", strings.Join(names, ","), rest, d)
}

// rule is the name of what a policy says in a direction: "default/web ingress".
func (p Policy) rule(d state.Direction) string {
	return fmt.Sprintf("%s/%s %s", p.Namespace, p.Name, d)
}

// isolates says whether a policy is about a direction at all. Without policyTypes
// it is about ingress, and about egress if it has a rule for that.
func (p Policy) isolates(d state.Direction) bool {
	types := p.Spec.PolicyTypes
	switch {
	case len(types) > 0 && d == state.Egress:
		return slices.Contains(types, networking.PolicyTypeEgress)
	case len(types) > 0:
		return slices.Contains(types, networking.PolicyTypeIngress)
	}
	return d == state.Ingress || len(p.Spec.Egress) > 0
}

// selects says whether an endpoint is one of those that the policy is for.
func (p Policy) selects(e Party) bool {
	return !e.Host && e.Namespace == p.Namespace && matches(p.Spec.PodSelector, e.Labels)
}

// rule is a rule of either direction.
type rule struct {
	peers []networking.NetworkPolicyPeer
	ports []networking.NetworkPolicyPort
}

func (p Policy) rules(d state.Direction) (all []rule) {
	if d == state.Egress {
		for _, r := range p.Spec.Egress {
			all = append(all, rule{r.To, r.Ports})
		}
		return all
	}
	for _, r := range p.Spec.Ingress {
		all = append(all, rule{r.From, r.Ports})
	}
	return all
}

// grants says whether a rule lets a conversation pass: some peer of it matches, or
// it has none, and some port of it, or it has none. In egress a name is one of an
// endpoint's ports, and an address has none: names go with no block.
func (p Policy) grants(r rule, q Question) bool {
	peer, endpoint := len(r.peers) == 0, len(r.peers) == 0
	for _, of := range r.peers {
		means := p.means(of, q)
		peer, endpoint = peer || means, endpoint || means && of.IPBlock == nil
	}
	port := len(r.ports) == 0
	for _, of := range r.ports {
		name := of.Port != nil && of.Port.Type == intstr.String
		port = port || covers(of, q) && (endpoint || !name || q.Direction == state.Ingress)
	}
	return peer && port
}

// Names says whether a rule of these policies means an endpoint for what it is, and
// not for its address: by selectors, or by a port that it has a name for. Where some
// rule grants everything to everybody, none has to.
func Names(policies []Policy, d state.Direction, e Party) bool {
	names := false
	for _, p := range policies {
		for _, r := range p.rules(d) {
			if len(r.peers) == 0 && len(r.ports) == 0 {
				return false
			}
			names = names || p.names(r, d, e)
		}
	}
	return names
}

func (p Policy) names(r rule, d state.Direction, e Party) bool {
	numbered, named := len(r.ports) == 0, false
	for _, port := range r.ports {
		byNumber := port.Port == nil || port.Port.Type != intstr.String
		numbered = numbered || byNumber || d == state.Ingress
		named = named || d == state.Egress && !e.Host && called(port, e)
	}
	for _, peer := range r.peers {
		if peer.IPBlock == nil && p.means(peer, Question{Peer: &e}) {
			return numbered || named
		}
	}
	return named && len(r.peers) == 0
}
