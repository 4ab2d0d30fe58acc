// SPDX-License-Identifier: Apache-2.0

package service_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/service"
	"github.com/mizar-net/mizar/dataplane/state"
)

func TestWhateverIsWrittenAHostCanHold(t *testing.T) {
	text := web(`{selector: {app: web}, clusterIPs: [10.96.0.1, "fd96::1"], externalIPs: [198.51.100.1], internalTrafficPolicy: Local, ports: [{name: a, port: 80, targetPort: http}, {name: b, port: 53, protocol: UDP}]}`) +
		"\n---\n" + slice("a", `addressType: IPv4, ports: [{name: a, port: 80}], endpoints: [{addresses: [10.0.0.12], conditions: {ready: false}}, {addresses: [10.0.0.13]}]`) +
		"\n---\n" + named("b", "shop", `{clusterIP: 10.96.0.1, externalIPs: [198.51.100.1], ports: [{port: 80}]}`)
	rapid.Check(t, func(t *rapid.T) {
		more := []byte(text)
		for range rapid.IntRange(0, 4).Draw(t, "edits") {
			at := rapid.IntRange(0, len(more)-1).Draw(t, "at")
			with := rapid.SampledFrom([]byte("0125.:-abf,")).Draw(t, "with")
			more = slices.Replace(more, at, at+rapid.IntRange(0, 1).Draw(t, "instead"), with)
		}
		draft, err := object.Decode("edited.yaml", append([]byte(network+"\n---\n"), more...))
		if err != nil {
			return
		}
		set, err := object.New(draft)
		if err != nil {
			return
		}
		compiler := service.Compile(set)
		for _, host := range []string{"h1", "h2"} {
			for _, vni := range []uint32{7, 8} {
				checkStates(t, compiler.Host(host, vni))
			}
		}
	})
}

func checkStates(t *rapid.T, all []state.Service) {
	seen := map[string]bool{}
	for _, s := range all {
		checkState(t, s)
		for _, at := range s.Frontends {
			key := fmt.Sprint(s.Protocol, at)
			if seen[key] {
				t.Fatalf("%s is a frontend twice", key)
			}
			seen[key] = true
		}
	}
}

func checkState(t *rapid.T, s state.Service) {
	family := s.Frontends[0].Addr().Is4()
	for _, at := range slices.Concat(s.Frontends, s.Backends) {
		if at.Addr().Is4() != family || at.Port() == 0 || at.Addr().IsUnspecified() || at.Addr().IsMulticast() || at.Addr().IsLoopback() || at.Addr().Is4In6() {
			t.Fatalf("%s: %s", s.Name, at)
		}
	}
	for _, b := range s.Table {
		if int(b) >= len(s.Backends) {
			t.Fatalf("%s: a place of backend %d of %d", s.Name, b, len(s.Backends))
		}
	}
	if (len(s.Table) == 0) != (len(s.Backends) == 0) {
		t.Fatalf("%s: %d places of %d backends", s.Name, len(s.Table), len(s.Backends))
	}
}
