// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"

	"github.com/mizar-net/mizar/controlplane/object"
)

// web is a service in the VPC of guarded, without backends.
const (
	web      = "Service x/web {clusterIP: 172.20.0.1, ports: [{name: http, port: 80}, {name: dns, port: 53, protocol: UDP}]}\n"
	frontend = "172.20.0.1"
)

// behind is a set of objects in which endpoints with some addresses stand behind web, at
// the ports that it has itself.
func behind(t *testing.T, set object.Set, addrs ...string) object.Set {
	t.Helper()
	slice := object.EndpointSlice{
		Meta:        object.Meta{Namespace: "x", Name: "web", Labels: map[string]string{discovery.LabelServiceName: "web"}},
		AddressType: discovery.AddressTypeIPv4,
		Ports: []discovery.EndpointPort{
			{Name: new("http"), Port: new(int32(80))}, {Name: new("dns"), Port: new(int32(53)), Protocol: new(core.ProtocolUDP)},
		},
	}
	for _, a := range addrs {
		slice.Endpoints = append(slice.Endpoints, discovery.Endpoint{Addresses: []string{a}})
	}
	set, err := set.With(object.Draft{EndpointSlices: []object.EndpointSlice{slice}})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// A flow whose time is up is none that the next packet could belong to, whoever it is from.
func TestAFlowToAFrontendEndsWithItsTime(t *testing.T) {
	g := NewWithT(t)
	o := knowing(t, behind(t, objects(t, guarded+web), b1))
	syn := tcp(frontend, "1000-80 syn")
	g.Expect(sent(o, "x/a1", syn)).To(Equal("h1"))
	o.Advance(idleTCP[opening] + time.Second)
	g.Expect(o.Apply(objects(t, guarded))).To(Succeed())
	g.Expect(sent(o, "x/a1", syn)).To(ContainSubstring(" no_subnet "), "the address is nobody's")
}
