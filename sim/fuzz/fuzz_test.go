// SPDX-License-Identifier: Apache-2.0

package fuzz

import (
	"sync"
	"testing"
)

// benches are loaded once for each role.
var benches = struct {
	sync.Mutex
	of [roles]*Bench
}{}

func benchOf(t testing.TB, r Role) *Bench {
	t.Helper()
	benches.Lock()
	defer benches.Unlock()
	if benches.of[r] == nil {
		b, err := Load(r)
		if err != nil {
			t.Fatalf("load the programs (this needs root): %v", err)
		}
		benches.of[r] = b
	}
	return benches.of[r]
}

// loadAll loads the programs before the first frame: a fuzzer ends a process that takes
// ten seconds for one, which loading does on a busy machine.
func loadAll(f *testing.F) {
	f.Helper()
	for r := range roles {
		benchOf(f, r)
	}
}

// FuzzEndpoint holds the endpoint program, in both forms, to the oracle.
func FuzzEndpoint(f *testing.F) {
	for _, s := range append(EndpointSeeds(), foreign(f)...) {
		f.Add(uint16(0), s)
		f.Add(uint16(LearnedH2Tell)<<5, s)
		f.Add(uint16(Complete)<<3|4|uint16(AskedNow)<<5, s)
		addParts(f, s)
	}
	loadAll(f)
	f.Fuzz(func(t *testing.T, knobs uint16, frame []byte) {
		try(t, endpointCase(knobs, frame), (*Bench).Endpoint)
	})
}

// FuzzUplink holds the uplink program, and those that it hands packets over to,
// to the oracle.
func FuzzUplink(f *testing.F) {
	for _, s := range UplinkSeeds() {
		for role := range uint16(roles) {
			f.Add(role|uint16(AskedNow)<<2|uint16(AskedLong)<<5, s)
			f.Add(role|uint16(Nothing)<<2|uint16(LearnedH1)<<5, s)
		}
		addParts(f, s)
	}
	for _, s := range foreign(f) {
		f.Add(uint16(AskedLong)<<5, carried(s))
	}
	loadAll(f)
	f.Fuzz(func(t *testing.T, knobs uint16, frame []byte) {
		try(t, uplinkCase(knobs, frame), (*Bench).Uplink)
	})
}

// addParts adds a frame that holds a fragment with all that may be known of the others.
func addParts(f *testing.F, b []byte) {
	p, _ := read(b)
	if h, kind := hear(b); kind == ours {
		h, _ = h.open()
		p = h.inner
	}
	if p.fragment == whole {
		return
	}
	for parts := range uint16(kindsOfParts) {
		f.Add(parts<<8, b)
	}
}

func try(t *testing.T, c Case, through func(*Bench, Case) (string, error)) {
	if !c.Runs() {
		return
	}
	said, err := through(benchOf(t, c.Role), c)
	if err != nil {
		t.Fatal(err)
	}
	if said != "" {
		t.Fatalf("%s\n%s", c, said)
	}
}
