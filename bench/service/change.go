// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/service"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/crowd"
)

// ChangeLimit is the CPU time that a host may take in all when a backend of a thousand
// comes or goes, and there are no other services.
const ChangeLimit = 10 * time.Millisecond

// Changed is what it takes until a backend that comes or goes counts at one host.
type Changed struct {
	// Backends are those of the service, Others are other services.
	Backends int `json:"backends"`
	Others   int `json:"others"`
	// Compile and Apply are seconds of CPU time, once for each change: what services
	// are to the host, and until its kernel holds them.
	Compile []float64 `json:"compile_seconds"`
	Apply   []float64 `json:"apply_seconds"`
	// Writes are the rows of one change, written and deleted, by map.
	Writes map[string]int `json:"writes"`
}

// Total are the CPU seconds of each change.
func (c Changed) Total() []float64 {
	all := make([]float64, len(c.Compile))
	for i := range all {
		all[i] = c.Compile[i] + c.Apply[i]
	}
	return all
}

// Change lets a backend of a thousand go and come back, so often, without other services
// and beside more and more of them.
func Change(ctx context.Context, times int) ([]Changed, error) {
	var all []Changed
	for _, others := range []int{0, 1000, 10_000} {
		c := Changed{Backends: 1000, Others: others, Writes: map[string]int{}}
		if err := c.measure(ctx, times); err != nil {
			return nil, fmt.Errorf("change a backend of %d beside %d services: %w", c.Backends, others, err)
		}
		all = append(all, c)
	}
	return all, nil
}

func (c *Changed) measure(ctx context.Context, times int) (err error) {
	whole, err := network(c.Backends, c.Others)
	if err != nil {
		return err
	}
	last := whole.Endpoints[len(whole.Endpoints)-1] // the last backend
	s := compile.Hosts(whole)[0]
	d, err := dataplane.Load(dataplane.Options{TokenSecret: 1, Limits: Room(s.Services)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	compiler := service.Compile(whole)
	s.Services = compiler.Host(s.Name, vni)
	if _, err := d.Apply(s, crowd.Machine(s)); err != nil {
		return err
	}
	changes := []func(){func() { compiler.DeleteEndpoint(last.Key()) }, func() { compiler.SetEndpoint(last) }}
	for n := range 2 * times {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.once(compiler, changes[n%2], d, s); err != nil {
			return err
		}
	}
	return nil
}

// once makes one change.
func (c *Changed) once(compiler *service.Compiler, change func(), d *dataplane.Datapath, s state.Host) error {
	machine := crowd.Machine(s)
	runtime.GC() // of what is not measured
	spent, err := spend(func() error {
		change()
		s.Services = compiler.Host(s.Name, vni)
		return nil
	})
	if err != nil {
		return err
	}
	c.Compile = append(c.Compile, spent)
	var report dataplane.Report
	spent, err = spend(func() error {
		report, err = d.Apply(s, machine)
		return err
	})
	if err != nil {
		return err
	}
	c.Apply = append(c.Apply, spent)
	for name, count := range report {
		if n := count.Puts + count.Deletes; n > 0 {
			c.Writes[name] = n
		}
	}
	return nil
}

// spend is the CPU time that the process takes for something, the kernel's with it, in
// seconds.
func spend(do func() error) (float64, error) {
	before, err := used()
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	after, err := used()
	return (after - before).Seconds(), err
}

func used() (time.Duration, error) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("ask for the CPU time of this process: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}
