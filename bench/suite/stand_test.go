// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"fmt"
	"testing"

	"github.com/cilium/ebpf"
	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bench/probe"
)

// interruptible is an instrument whose first runs signals interrupt.
type interruptible struct {
	interruptions int
}

func (i *interruptible) Alone(probe.Resizing, int) (probe.Outcome, error) {
	if i.interruptions > 0 {
		i.interruptions--
		return probe.Outcome{}, fmt.Errorf("run: %w", probe.ErrInterrupted)
	}
	return probe.Outcome{Gross: 7}, nil
}

func (i *interruptible) Run(*ebpf.Program, int) (probe.Outcome, error) {
	return i.Alone(probe.Kept, 1)
}

func (i *interruptible) Close() error { return nil }

// TestAnInterruptedRunBeginsAnew would otherwise measure the first packets of flows
// that are there already.
func TestAnInterruptedRunBeginsAnew(t *testing.T) {
	g := NewWithT(t)
	begun, checked := 0, 0
	c := contender{
		name: "case", instrument: &interruptible{interruptions: 2},
		begin: func() error { begun++; return nil },
		check: func(probe.Outcome) error { checked++; return nil },
	}
	gross, err := c.run(1)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(gross).To(Equal(7.0))
	g.Expect(begun).To(Equal(3))
	g.Expect(checked).To(Equal(1))

	c.instrument = &interruptible{interruptions: attempts}
	_, err = c.run(1)
	g.Expect(err).To(MatchError("case: run: " + probe.ErrInterrupted.Error()))
}
