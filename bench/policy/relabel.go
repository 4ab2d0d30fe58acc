// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"runtime"
	"slices"
	"time"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/identity"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/policy"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/state"
)

// Relabelled is what it takes until other labels of one endpoint count everywhere.
// What carries states to hosts has no part in it.
type Relabelled struct {
	Endpoints int `json:"endpoints"`
	Policies  int `json:"policies"`
	Hosts     int `json:"hosts"`
	// Control is the control plane's time on one core, in seconds, once for each time
	// that it was done: a number for the identity, policy, and the parts of the hosts
	// that change.
	Control []float64 `json:"control_seconds"`
	// Apply is the time of the slowest host to hold its new state, in its kernel.
	Apply []float64 `json:"apply_seconds"`
	// Changed are hosts that get another state, Writes the rows written and deleted at
	// all of them together, by map.
	Changed int            `json:"changed_hosts"`
	Writes  map[string]int `json:"writes"`
}

// Relabel gives one of 1,000 endpoints under 1,000 policies the labels of another, and
// takes them back, so often.
func Relabel(ctx context.Context, times int) (Relabelled, error) { return relabel(ctx, grown, times) }

func relabel(ctx context.Context, z size, times int) (Relabelled, error) {
	r := Relabelled{Endpoints: z.endpoints, Policies: z.policies, Hosts: z.hosts, Writes: map[string]int{}}
	before, err := z.set()
	if err != nil {
		return r, err
	}
	after := before
	after.Endpoints = slices.Clone(before.Endpoints)
	e := &after.Endpoints[0]
	e.Labels = maps.Clone(e.Labels)
	e.Labels["app"] = "a1"
	if err := r.control(ctx, before, e, times); err != nil {
		return r, fmt.Errorf("relabel %s: %w", e.Key(), err)
	}
	if err := r.apply(ctx, before, after, times); err != nil {
		return r, fmt.Errorf("relabel %s: %w", e.Key(), err)
	}
	return r, nil
}

// control measures the control plane.
func (r *Relabelled) control(ctx context.Context, before object.Set, e *object.Endpoint, times int) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	book, ledger, err := identity.Ledger{}.Step(before, time.Unix(0, 0))
	if err != nil {
		return err
	}
	for range times {
		if err := ctx.Err(); err != nil {
			return err
		}
		giver := ledger.Giver()
		spent, err := spend(policy.Compile(before, &book), func(c *policy.Compiler) error { return add(e, giver, c) })
		if err != nil {
			return err
		}
		r.Control = append(r.Control, spent)
	}
	return nil
}

// apply measures the hosts that change.
func (r *Relabelled) apply(ctx context.Context, before, after object.Set, times int) error {
	book, ledger, err := identity.Ledger{}.Step(before, time.Unix(0, 0))
	if err != nil {
		return err
	}
	later, _, err := ledger.Step(after, time.Unix(0, 0))
	if err != nil {
		return err
	}
	was, is := compile.View{Identities: &book}.Hosts(before), compile.View{Identities: &later}.Hosts(after)
	r.Apply = make([]float64, 2*times)
	for i := range is {
		if reflect.DeepEqual(was[i], is[i]) {
			continue
		}
		r.Changed++
		if err := r.host(ctx, was[i], is[i]); err != nil {
			return fmt.Errorf("host %s: %w", is[i].Name, err)
		}
	}
	return nil
}

// host lets one host hold the two states in turns.
func (r *Relabelled) host(ctx context.Context, was, is state.Host) (err error) {
	d, err := dataplane.Load(dataplane.Options{TokenSecret: 1})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	machine := machine(is)
	if _, err := d.Apply(was, machine); err != nil {
		return err
	}
	next, last := is, was
	for n := range r.Apply {
		if err := ctx.Err(); err != nil {
			return err
		}
		began := time.Now()
		report, err := d.Apply(next, machine)
		if err != nil {
			return err
		}
		r.Apply[n] = max(r.Apply[n], time.Since(began).Seconds())
		if n == 0 {
			for name, count := range report {
				r.Writes[name] += count.Puts + count.Deletes
			}
		}
		next, last = last, next
	}
	return nil
}
