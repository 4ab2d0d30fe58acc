// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"strings"

	"github.com/mizar-net/mizar/controlplane/object"
)

// size is a large network: endpoints of as many apps as there are, spread over
// namespaces and hosts, and policies of one rule each: its app is reached by the next
// one of its namespace, by its like of the next namespace, and from a block of
// addresses, at one port.
type size struct {
	namespaces, hosts, endpoints, apps, policies int
	// owned gives endpoints from this number on an owner, which one policy looks at,
	// so that each has an identity that nobody had before; 0: nobody has one.
	owned int
}

// set is the network as objects.
func (z size) set() (object.Set, error) {
	var b strings.Builder
	b.WriteString("{apiVersion: mizar.dev/v1alpha1, kind: VPC, metadata: {name: red}, spec: {vni: 100}}\n---\n" +
		"{apiVersion: mizar.dev/v1alpha1, kind: Subnet, metadata: {name: s}, spec: {vpc: red, cidrs: [10.0.0.0/8]}}\n")
	for n := range z.hosts {
		fmt.Fprintf(&b, "---\n{apiVersion: mizar.dev/v1alpha1, kind: Host, metadata: {name: h%03d}, spec: {addresses: [192.0.2.%d]}}\n", n, n+1)
	}
	for n := range z.endpoints {
		owner := ""
		if z.owned > 0 && n >= z.owned {
			owner = fmt.Sprintf(", owner: o%d", n)
		}
		at := n + 256
		fmt.Fprintf(&b, "---\n{apiVersion: mizar.dev/v1alpha1, kind: Endpoint, metadata: {name: e%05d, namespace: n%d, labels: {app: a%d%s}}, "+
			"spec: {subnet: s, host: h%03d, addresses: [10.%d.%d.%d]}}\n",
			n, n%z.namespaces, n/z.namespaces%z.apps, owner, n%z.hosts, at>>16, at>>8&255, at&255)
	}
	for n := range z.policies {
		b.WriteString("---\n" + z.policy(n))
	}
	draft, err := object.Decode("network.yaml", []byte(b.String()))
	if err != nil {
		return object.Set{}, fmt.Errorf("make a network: %w", err)
	}
	set, err := object.New(draft)
	if err != nil {
		return object.Set{}, fmt.Errorf("make a network: %w", err)
	}
	return set, nil
}

func (z size) policy(n int) string {
	app := n / z.namespaces % z.apps
	owner := ""
	if n == 0 { // somebody looks at who is whose
		owner = ", matchExpressions: [{key: owner, operator: DoesNotExist}]"
	}
	return fmt.Sprintf("{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p%d, namespace: n%d}, "+
		"spec: {podSelector: {matchLabels: {app: a%d}%s}, policyTypes: [Ingress], ingress: [{"+
		"from: [{podSelector: {matchLabels: {app: a%d}}}, "+
		"{podSelector: {matchLabels: {app: a%d}}, namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: n%d}}}, "+
		"{ipBlock: {cidr: 172.%d.%d.0/24}}], ports: [{port: %d}]}]}}\n",
		n, n%z.namespaces, app, owner, (app+1)%z.apps, app, (n+1)%z.namespaces, n>>8&255, n&255, 1+n%60000)
}
