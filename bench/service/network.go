// SPDX-License-Identifier: Apache-2.0

package service

import (
	"fmt"
	"strings"

	"github.com/mizar-net/mizar/controlplane/object"
)

// vni is that of the one VPC.
const vni = 100

// apps are how many sets of ten endpoints other services share.
const apps, hosts = 100, 50

// network has a client behind the first of its hosts, and a service with so many
// backends behind the others; others are services with ten each.
func network(backends, others int) (object.Set, error) {
	var b strings.Builder
	b.WriteString("{apiVersion: mizar.dev/v1alpha1, kind: VPC, metadata: {name: red}, spec: {vni: 100}}\n---\n" +
		"{apiVersion: mizar.dev/v1alpha1, kind: Subnet, metadata: {name: s}, spec: {vpc: red, cidrs: [10.0.0.0/8]}}\n")
	for n := range hosts {
		fmt.Fprintf(&b, "---\n{apiVersion: mizar.dev/v1alpha1, kind: Host, metadata: {name: h%03d}, spec: {addresses: [192.0.2.%d]}}\n", n, n+1)
	}
	count := 0
	endpoint := func(app string, host int) {
		at := count + 256
		fmt.Fprintf(&b, "---\n{apiVersion: mizar.dev/v1alpha1, kind: Endpoint, metadata: {name: e%05d, namespace: n, labels: {app: %s}}, "+
			"spec: {subnet: s, host: h%03d, addresses: [10.%d.%d.%d]}}\n", count, app, host, at>>16, at>>8&255, at&255)
		count++
	}
	endpoint("client", 0)
	if others > 0 {
		for n := range apps * 10 {
			endpoint(fmt.Sprintf("a%d", n%apps), 1+n%(hosts-1))
		}
	}
	for n := range backends {
		endpoint("web", 1+n%(hosts-1))
	}
	for n := range others + 1 {
		name, app := fmt.Sprintf("s%05d", n), fmt.Sprintf("a%d", n%apps)
		if n == others {
			name, app = "web", "web"
		}
		fmt.Fprintf(&b, "---\n{apiVersion: v1, kind: Service, metadata: {name: %s, namespace: n}, "+
			"spec: {selector: {app: %s}, clusterIP: 172.16.%d.%d, ports: [{port: 80}]}}\n", name, app, n>>8, n&255)
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
