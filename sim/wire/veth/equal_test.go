// SPDX-License-Identifier: Apache-2.0

package veth_test

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// fate is what both wires must agree on of a packet.
type fate struct {
	Delivered       bool
	To              string
	Hosts           []string
	Reason, Dropper string
}

func fates(all []wire.Packet) []fate {
	var some []fate
	for _, p := range all {
		some = append(some, fate{p.Delivered, p.To, p.Hosts, p.Reason, p.Dropper})
	}
	return some
}

// Both wires give every pair of endpoints, and addresses that nobody has, the
// same fate, over every protocol.
func TestAgreesWithTestrun(t *testing.T) {
	g := NewWithT(t)
	real := open(t, set())
	model := testrun.New(testrun.Load)
	defer model.Close()
	g.Expect(model.Apply(t.Context(), compile.Hosts(set()))).To(Succeed())
	targets := []string{"10.0.0.77", "10.0.9.9", "fd10::77", "fd99::1", "10.0.0.1"}
	for _, e := range set().Endpoints {
		targets = append(targets, e.Addresses[0].String(), e.Addresses[1].String())
	}
	for _, from := range set().Endpoints {
		for _, to := range targets {
			for _, proto := range []wire.Proto{wire.ICMP, wire.UDP, wire.TCP} {
				p := wire.Probe{Proto: proto, From: from.Namespace + "/" + from.Name, To: addr(to), Port: 80, Count: 2}
				if from.Addresses[0] == p.To || from.Addresses[1] == p.To {
					continue
				}
				// The kernel's clock goes on by itself, and the budgets of errors with it.
				g.Expect(model.Advance(t.Context(), time.Second)).To(Succeed())
				name := fmt.Sprintf("%s %s to %s", proto, p.From, to)
				want, err := model.Probe(t.Context(), p)
				g.Expect(err).NotTo(HaveOccurred(), name)
				got, err := real.Probe(t.Context(), p)
				g.Expect(err).NotTo(HaveOccurred(), name)
				if a, b := fmt.Sprint(fates(got.Requests), fates(got.Replies)), fmt.Sprint(fates(want.Requests), fates(want.Replies)); a != b {
					t.Errorf("%s:\n   veth %s\ntestrun %s", name, a, b)
				}
			}
		}
	}
	g.Expect(real.Drops(t.Context())).To(Equal(must(model.Drops(t.Context()))))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
