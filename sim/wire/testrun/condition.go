// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"context"
	"fmt"
	"time"

	"github.com/mizar-net/mizar/sim/link"
	"github.com/mizar-net/mizar/sim/wire"
)

var (
	_ wire.Faulty  = (*Wire)(nil)
	_ wire.Stepper = (*Wire)(nil)
)

// Seed implements wire.Faulty.
func (w *Wire) Seed(seed int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seed = seed
	for _, h := range w.hosts {
		h.in, h.out = link.NewLine(seed, h.name, "in"), link.NewLine(seed, h.name, "out")
	}
}

// SetCondition implements wire.Faulty.
func (w *Wire) SetCondition(_ context.Context, host string, c wire.Condition) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.hosts[host]
	if h == nil {
		return fmt.Errorf("set the condition of host %s: there is no such host", host)
	}
	behind := h.condition.Behind()
	h.condition = c
	if !behind || c.Behind() {
		return nil
	}
	return w.applyHost(h.state, w.reach(h, w.owners(w.states())))
}

// Conditions implements wire.Faulty.
func (w *Wire) Conditions(context.Context) (map[string]wire.Condition, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := map[string]wire.Condition{}
	for name, h := range w.hosts {
		all[name] = h.condition
	}
	return all, nil
}

// StepClock implements wire.Stepper.
func (w *Wire) StepClock(_ context.Context, host string, by time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.hosts[host]
	switch {
	case h == nil:
		return fmt.Errorf("step the clock of host %s: there is no such host", host)
	case by <= 0:
		return fmt.Errorf("step the clock of host %s by %v: the step must be more than 0, a monotonic clock never goes back", host, by)
	}
	h.ahead += by
	return h.tell(w.now())
}

// tell tells the host's programs the time.
func (h *host) tell(now time.Duration) error {
	if err := h.machine.SetNow(now + h.ahead); err != nil {
		return fmt.Errorf("host %s: %w", h.name, err)
	}
	return nil
}

// carry takes a frame over the links of two hosts. Lost, it says where and why.
func (w *Wire) carry(from, to *host, frame []byte) (at time.Duration, by *host, why string) {
	length := link.PacketLength(frame)
	l := from.condition.Carrying()
	if at, why = from.out.Carry(l, l.Out, length, w.now()); why != "" {
		return 0, from, why
	}
	l = to.condition.Carrying()
	if at, why = to.in.Carry(l, l.In, length, at); why != "" {
		return 0, to, why
	}
	return at, nil, ""
}

// lose ends a packet's way outside of all programs.
func (t *trip) lose(at *host, why string) {
	t.Reason, t.Dropper = why, at.name
	at.lost[why]++
}
