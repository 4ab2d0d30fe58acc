// SPDX-License-Identifier: Apache-2.0

// Package scale_test builds and probes large networks, and measures what a
// host and an endpoint cost.
package scale_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/sim/oracle"
	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/testrun"
	"github.com/mizar-net/mizar/sim/wire/veth"
)

// The sizes that a developer's machine must bear: 60 s and 2 GB, and 30 s.
var (
	large = scenario.Size{Hosts: 50, Endpoints: 1000, Wires: []string{"testrun"}}
	real  = scenario.Size{Hosts: 10, Endpoints: 100, Wires: []string{"veth"}}
)

var open = map[string]func() (wire.Wire, error){
	"testrun": func() (wire.Wire, error) { return testrun.New(testrun.Load), nil },
	"veth":    func() (wire.Wire, error) { return veth.Open() },
}

func TestLargeNetworksWork(t *testing.T) {
	for _, size := range []scenario.Size{large, real} {
		t.Run(fmt.Sprintf("%d hosts and %d endpoints on %s", size.Hosts, size.Endpoints, size.Wires[0]), func(t *testing.T) {
			g := NewWithT(t)
			s, err := scenario.Generate(size)
			g.Expect(err).NotTo(HaveOccurred())
			began, built := time.Now(), time.Time{}
			r, err := run.Run(t.Context(), s, run.Config{
				Wires:  []run.Factory{{Name: size.Wires[0], Open: func(context.Context) (wire.Wire, error) { return open[size.Wires[0]]() }}},
				Oracle: func() run.Oracle { return oracle.New() }, Compile: compile.View.Hosts,
				Notify: func(e run.Event) {
					if e.Kind == run.Opened {
						built = time.Now()
					}
				},
			})
			g.Expect(err).NotTo(HaveOccurred(), "root is needed")
			checks, _ := r.Count()
			g.Expect(checks).To(BeNumerically(">", size.Endpoints))
			g.Expect(failures(r)).To(BeEmpty())
			t.Logf("built in %s, %d checks in %s, at most %d MB in this process", built.Sub(began).Round(time.Millisecond),
				checks, time.Since(built).Round(time.Millisecond), peak(t)>>20)
		})
	}
}

// failures are what went wrong, in words.
func failures(r run.Result) []string {
	var all []string
	for _, v := range r.Runs {
		for _, s := range v.Steps {
			for _, c := range s.Checks {
				for _, f := range c.Failures {
					all = append(all, s.Name+": "+f.String())
				}
			}
		}
	}
	return all
}

// peak is the most memory that the process had, in bytes.
func peak(t testing.TB) uint64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	var kilobytes uint64
	if _, err := fmt.Sscan(rest, &kilobytes); err != nil {
		t.Fatalf("read the peak of memory: %v", err)
	}
	return kilobytes << 10
}

func BenchmarkTestrun(b *testing.B) { measure(b, large) }
func BenchmarkVeth(b *testing.B)    { measure(b, real) }

// measure builds a network, first the hosts and then the endpoints, and probes
// once from each.
func measure(b *testing.B, size scenario.Size) {
	s, err := scenario.Generate(size)
	if err != nil {
		b.Fatal(err)
	}
	bare := s.Objects
	bare.Endpoints = nil
	var hosts, endpoints, probes time.Duration
	var empty, full uint64
	for b.Loop() {
		w, err := open[size.Wires[0]]()
		if err != nil {
			b.Fatalf("open the wire (root is needed): %v", err)
		}
		hosts += apply(b, w, bare)
		empty = memory(b, w)
		endpoints += apply(b, w, s.Objects)
		full = memory(b, w)
		probes += probeAll(b, w, s)
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
	each := func(d time.Duration, n int) float64 {
		return float64(d.Microseconds()) / 1000 / float64(b.N) / float64(n)
	}
	b.ReportMetric(each(hosts, size.Hosts), "ms/host")
	b.ReportMetric(each(endpoints, size.Endpoints), "ms/endpoint")
	b.ReportMetric(each(probes, size.Endpoints), "ms/probe")
	b.ReportMetric(float64(empty)/1024/float64(size.Hosts), "KB/host")
	b.ReportMetric(float64(full-empty)/1024/float64(size.Endpoints), "KB/endpoint")
	b.ReportMetric(float64(full)/(1<<20), "MB-maps")
	b.ReportMetric(float64(peak(b))/(1<<20), "MB-process")
}

// apply makes a wire hold a set and returns how long it took.
func apply(b *testing.B, w wire.Wire, set object.Set) time.Duration {
	states := compile.Hosts(set)
	began := time.Now()
	if err := w.Apply(b.Context(), states); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

// memory is what the kernel charges for all maps.
func memory(b *testing.B, w wire.Wire) uint64 {
	all, err := w.(wire.Weigher).Memory(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	var sum uint64
	for _, maps := range all {
		for _, bytes := range maps {
			sum += bytes
		}
	}
	return sum
}

// probeAll pings once from each endpoint.
func probeAll(b *testing.B, w wire.Wire, s *scenario.Scenario) time.Duration {
	began := time.Now()
	for _, step := range s.Steps {
		if step.Probe == nil {
			continue
		}
		to, _ := s.Objects.Endpoint(step.Probe.To.Endpoint)
		out, err := w.Probe(b.Context(), wire.Probe{Proto: wire.ICMP, From: step.Probe.From, To: to.Addresses[0]})
		if err != nil {
			b.Fatal(err)
		}
		if len(out.Replies) != 1 || !out.Replies[0].Delivered {
			b.Fatalf("%s: %+v", step.Name, out)
		}
	}
	return time.Since(began)
}
