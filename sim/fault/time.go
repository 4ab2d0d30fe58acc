// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/mizar-net/mizar/sim/wire"
)

// inner is the wire below as something that it can be besides.
func inner[T any](p *planted, what string) (T, error) {
	t, ok := p.Wire.(T)
	if !ok {
		return t, fmt.Errorf("%s: the %s wire cannot", what, p.Name())
	}
	return t, nil
}

// SetCondition tells the wire, unless the fault keeps it from it.
func (p *planted) SetCondition(ctx context.Context, host string, c wire.Condition) error {
	if p.fault.unbreakable {
		p.said[host] = c
		return nil
	}
	w, err := inner[wire.Faulty](p, "set the condition of host "+host)
	if err != nil {
		return err
	}
	return w.SetCondition(ctx, host, c)
}

// Conditions are what the wire says, or was not told.
func (p *planted) Conditions(ctx context.Context) (map[string]wire.Condition, error) {
	w, err := inner[wire.Faulty](p, "ask for conditions")
	if err != nil {
		return nil, err
	}
	all, err := w.Conditions(ctx)
	maps.Copy(all, p.said)
	return all, err
}

// Seed goes to the wire.
func (p *planted) Seed(seed int) {
	if w, ok := p.Wire.(wire.Faulty); ok {
		w.Seed(seed)
	}
}

// StepClock goes to the wire, unless the fault keeps it from it.
func (p *planted) StepClock(ctx context.Context, host string, by time.Duration) error {
	if p.fault.unbreakable {
		return nil
	}
	w, err := inner[wire.Stepper](p, "step the clock of host "+host)
	if err != nil {
		return err
	}
	return w.StepClock(ctx, host, by)
}

// Start goes to the wire.
func (p *planted) Start(ctx context.Context, t wire.Traffic) error {
	w, err := inner[wire.Carrier](p, "start traffic "+t.Name)
	if err != nil {
		return err
	}
	return w.Start(ctx, t)
}

// Stop goes to the wire.
func (p *planted) Stop(ctx context.Context, name string) (wire.Series, error) {
	w, err := inner[wire.Carrier](p, "stop traffic "+name)
	if err != nil {
		return wire.Series{}, err
	}
	series, err := w.Stop(ctx, name)
	if err == nil && p.fault.robbed && p.flooded {
		series.Answered, series.Wrong = 0, "its flow went in a flood"
	}
	return series, err
}

// Flood passes a flood on.
func (p *planted) Flood(ctx context.Context, at wire.Port, frames [][]byte) error {
	w, err := inner[wire.Flooder](p, "flood "+at.Endpoint+at.Uplink)
	if err != nil {
		return err
	}
	p.flooded = true
	return w.Flood(ctx, at, frames)
}

// Learned tells counts that the fault has changed.
func (p *planted) Learned(ctx context.Context) (map[string]map[uint32]int, error) {
	w, err := inner[wire.Flooder](p, "count learned rows")
	if err != nil {
		return nil, err
	}
	all, err := w.Learned(ctx)
	if err == nil && p.fault.learned != nil {
		p.fault.learned(all)
	}
	return all, err
}

// Written goes to the wire.
func (p *planted) Written(ctx context.Context) (wire.Written, error) {
	w, err := inner[wire.Writer](p, "count what states write")
	if err != nil {
		return nil, err
	}
	return w.Written(ctx)
}
