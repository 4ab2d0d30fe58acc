// SPDX-License-Identifier: Apache-2.0

package property

import (
	"embed"
	"fmt"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/sim/scenario"
)

// Drawn is a scenario on its way: its text, and what there is at its end.
type Drawn struct {
	text strings.Builder
	// endpoints, policies and declared are the names of the endpoints, policies and
	// namespaces that there are at this point of the text.
	endpoints, policies, declared []string
	// services are those that there are, slices the keys of their backends'.
	services []served
	slices   []string
	// talks are conversations that were there, calls those with frontends.
	talks, calls []talk
	// addresses are those of endpoints by family, vpcs their VPCs.
	addresses map[string]map[int]string
	vpcs      map[string]string
	// made counts endpoints: each has another name and address.
	made int
}

func (d *Drawn) line(format string, args ...any) { fmt.Fprintf(&d.text, format+"\n", args...) }

// String is the text of the scenario file.
func (d *Drawn) String() string { return d.text.String() }

// Decode reads the text as `mizar sim run` does.
func (d *Drawn) Decode() (*scenario.Scenario, error) { return decode(d.String()) }

func decode(text string) (*scenario.Scenario, error) {
	s, err := scenario.Decode(embed.FS{}, "property.yaml", []byte(text))
	if err != nil {
		return nil, fmt.Errorf("what was drawn is no scenario: %w", err)
	}
	return s, nil
}

// networks are the subnets that endpoints are in: those of one VPC, and one of
// another, whose addresses are the same as in the first.
var networks = []struct{ name, vpc, v4, v6 string }{
	{"red-a", "red", "10.0.0.", "fd00::"}, {"red-b", "red", "10.0.1.", "fd00:0:0:1::"}, {"blue-a", "blue", "10.0.0.", "fd00::"},
}

// holders are the hosts that may have a role.
var holders = []string{"h3", "h2", "h1", "h2, h3"}

// Network draws hosts, subnets, endpoints, namespaces and policies. Every address
// is dual stack; where roles are does not matter to what arrives, but to the way.
// Steps are still to come.
func Network(t Dice) *Drawn {
	d := &Drawn{addresses: map[string]map[int]string{}, vpcs: map[string]string{}}
	d.line("title: drawn\nwires: [testrun]\ntopology:\n  hosts:")
	for i := range 3 {
		d.line("    h%d: {addresses: [192.0.2.%d], endpoint: {addresses: [10.0.1.%d, \"fd00:0:0:1::%d\"]}}", i+1, i+1, 101+i, 101+i)
	}
	d.line("  vpcs:")
	for i, name := range []string{"red", "blue"} {
		d.line("    %s: {vni: %d, default: %t, dividers: {hosts: [%s]}}", name, 100+i, i == 0, of(t, "divider", holders...))
	}
	d.line("  subnets:")
	for _, n := range networks {
		d.line("    %s: {vpc: %s, cidrs: [%s0/24, \"%s/64\"], bouncers: {hosts: [%s]}}", n.name, n.vpc, n.v4, n.v6, of(t, "bouncer", holders...))
	}
	d.line("objects:")
	for _, n := range namespaces {
		d.line("- %s", d.namespace(t, n))
	}
	for range 2 + upTo(t, "more endpoints", 4) {
		d.line("- %s", d.endpoint(t))
	}
	for range upTo(t, "policies", 4) {
		if key := policyName(t); !slices.Contains(d.policies, key) {
			d.policies = append(d.policies, key)
			d.line("- %s", policy(t, key))
		}
	}
	d.serve(t)
	return d
}

func policyName(t Dice) string {
	return of(t, "namespace", namespaces...) + "/" + of(t, "name", names...)
}

// namespace draws one as an object.
func (d *Drawn) namespace(t Dice, name string) string {
	if !slices.Contains(d.declared, name) {
		d.declared = append(d.declared, name)
	}
	m := map[string]any{"name": name, "labels": labelled(t, nsLabels)}
	if key := of(t, "annotation", "", "", "", "", "mizar.dev/audit", "mizar.dev/keep-established"); key != "" {
		m["annotations"] = map[string]string{key: "true"}
	}
	return flow(map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": m})
}

// endpoint draws a new one as an object. Endpoints of different VPCs may have one
// address.
func (d *Drawn) endpoint(t Dice) string {
	name := of(t, "namespace", namespaces...) + "/e" + fmt.Sprint(d.made)
	n, host := networks[of(t, "subnet", 0, 1, 0, 1, 2)], fmt.Sprint("h", of(t, "host", 1, 2, 1, 2, 3))
	last := 10 + d.made
	if n.vpc == "blue" {
		last--
	}
	d.made++
	d.endpoints = append(d.endpoints, name)
	d.vpcs[name], d.addresses[name] = n.vpc, map[int]string{4: fmt.Sprint(n.v4, last), 6: fmt.Sprint(n.v6, last)}
	return d.endpointOf(t, name, map[string]any{
		"subnet": n.name, "host": host, "addresses": []string{fmt.Sprint(n.v4, last), fmt.Sprint(n.v6, last)}, "ports": named(t),
	})
}

func (d *Drawn) endpointOf(t Dice, key string, spec map[string]any) string {
	namespace, name, _ := strings.Cut(key, "/")
	return flow(map[string]any{
		"apiVersion": "mizar.dev/v1alpha1", "kind": "Endpoint", "spec": spec,
		"metadata": map[string]any{"name": name, "namespace": namespace, "labels": labelled(t, labels)},
	})
}

// named draws the ports of an endpoint that have names.
func named(t Dice) []map[string]any {
	all := []map[string]any{{"name": "serve-80", "port": 80}}
	switch upTo(t, "named ports", 2) {
	case 1:
		all = append(all, map[string]any{"name": "serve-81", "port": 81}, map[string]any{"name": "other", "port": 443, "protocol": "UDP"})
	case 2:
		all = []map[string]any{{"name": "serve-80", "port": 8080}, {"name": "other", "port": 81, "protocol": "UDP"}, {"name": "other", "port": 79}}
	}
	return all
}
