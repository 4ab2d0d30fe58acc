// SPDX-License-Identifier: Apache-2.0

package fuzz

import (
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/kernel"
	"github.com/mizar-net/mizar/dataplane/state"
)

// Bench is a loaded host in one role. Close it.
type Bench struct {
	role  Role
	held  *dataplane.Datapath
	paths *ebpf.Map
	hosts *ebpf.Map
	// fragments are those that endpoints of this host send.
	fragments *ebpf.Map
	now       time.Duration
	// drops and verdicts are what is counted.
	drops, verdicts map[string]uint64
}

// Load loads the programs for a host in a role; it needs root.
func Load(r Role) (*Bench, error) { return LoadAs(r, r) }

// LoadAs loads a host in a role that the oracle takes to be in another: a fault.
func LoadAs(r, taken Role) (*Bench, error) {
	d, err := dataplane.Load(dataplane.Options{Mode: dataplane.Simulated, TokenSecret: 7})
	if err != nil {
		return nil, fmt.Errorf("load the programs: %w", err)
	}
	b := &Bench{role: r, held: d, now: time.Minute}
	if err := b.open(); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	b.role = taken
	return b, nil
}

// open applies the role and finds the maps that cases write to.
func (b *Bench) open() error {
	if _, err := b.held.Apply(b.role.host()); err != nil {
		return fmt.Errorf("set up the host: %w", err)
	}
	var err error
	if b.drops, err = b.held.Drops(); err != nil {
		return err
	}
	if b.verdicts, err = b.held.Verdicts(); err != nil {
		return err
	}
	next, err := b.held.Next(state.FormXDP)
	if err != nil {
		return err
	}
	course := next[bpf.RowProgramPROGRAM_COURSE.String()]
	if b.paths, err = mapOf(course, bpf.RowMapPaths); err != nil {
		return err
	}
	if b.hosts, err = mapOf(course, bpf.RowMapHosts); err != nil {
		return err
	}
	b.fragments, err = mapOf(next[bpf.RowProgramPROGRAM_FRAGMENT.String()], bpf.RowMapFragments)
	return err
}

// mapOf is a program's map by name.
func mapOf(p *ebpf.Program, name string) (*ebpf.Map, error) {
	info, err := p.Info()
	if err != nil {
		return nil, fmt.Errorf("ask the kernel about %s: %w", p, err)
	}
	ids, _ := info.MapIDs()
	for _, id := range ids {
		m, err := ebpf.NewMapFromID(id)
		if err != nil {
			return nil, fmt.Errorf("open map %d of %s: %w", id, p, err)
		}
		if i, err := m.Info(); err == nil && i.Name == name {
			return m, nil
		}
		m.Close() //nolint:errcheck // it was only looked at
	}
	return nil, fmt.Errorf("%s has no map %s", p, name)
}

// Close unloads the programs.
func (b *Bench) Close() error {
	err := b.held.Close()
	for _, m := range []*ebpf.Map{b.paths, b.hosts, b.fragments} {
		if m != nil {
			err = errors.Join(err, m.Close())
		}
	}
	return err
}

// oracle knows what the host knows.
func (b *Bench) oracle(known knowledge) oracle {
	i := b.held.Index()
	return oracle{role: b.role, number: i.Hosts, index: i.Endpoints, now: b.now, paths: known.paths, parts: known.parts}
}

// between is the time between two cases: every budget is full again.
const between = 10 * time.Second

// prepare empties the host of what the last case left, and makes it know what
// the case says.
func (b *Bench) prepare(known knowledge) error {
	b.now += between
	if err := b.held.SetNow(b.now); err != nil {
		return err
	}
	if err := errors.Join(b.held.Forget(), b.held.ForgetFlows()); err != nil {
		return err
	}
	for k, row := range known.paths {
		if err := b.paths.Put(k, row); err != nil {
			return fmt.Errorf("write a row of paths: %w", err)
		}
	}
	if known.parts == (bpf.RowFragmented{}) {
		return nil
	}
	if err := b.fragments.Put(known.packet, known.parts); err != nil {
		return fmt.Errorf("write a row of fragments: %w", err)
	}
	return nil
}

// ran is what a program did.
type ran struct {
	action kernel.Action
	frame  []byte
	record bpf.RowRecord
	paths  rows
	mtus   map[string]uint16
}

func (b *Bench) run(p *ebpf.Program, port uint32, in []byte) (r ran, err error) {
	if _, err := b.held.TakeRecord(); err != nil {
		return r, err
	}
	result, err := kernel.System{}.Run(p, in, kernel.RunOptions{Port: port})
	if err != nil {
		return r, err
	}
	r.action, r.frame = result.Action, result.Frame
	if r.record, err = b.held.TakeRecord(); err != nil {
		return r, err
	}
	if r.paths, err = b.held.Paths(); err != nil {
		return r, err
	}
	r.mtus, err = b.lowered()
	return r, err
}

// lowered are the hosts whose MTU is not the link's any more; they get it back.
func (b *Bench) lowered() (map[string]uint16, error) {
	found := map[string]uint16{}
	for name, number := range b.held.Index().Hosts {
		var row bpf.RowHost
		if err := b.hosts.Lookup(number, &row); err != nil {
			return nil, fmt.Errorf("read host %s: %w", name, err)
		}
		if row.Mtu == row.LinkMtu {
			continue
		}
		found[name] = row.Mtu
		row.Mtu = row.LinkMtu
		if err := b.hosts.Put(number, row); err != nil {
			return nil, fmt.Errorf("write host %s: %w", name, err)
		}
	}
	return found, nil
}
