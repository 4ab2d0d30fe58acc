// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/bench/probe"
	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/kernel"
	"github.com/mizar-net/mizar/sim/crowd"
	"github.com/mizar-net/mizar/sim/frame"
)

// contender is a program that takes its turn in every round.
type contender struct {
	name       string
	instrument probe.Instrument
	program    *ebpf.Program // nil: the instrument alone
	resizing   probe.Resizing
	// begin is done before every run, check looks at what came of it.
	begin func() error
	check func(probe.Outcome) error

	// once says that every packet may come only once in a run.
	once bool

	// repetitions that make a sample as long as it should be.
	repetitions int
	samples     []float64
}

func (c *contender) run(repetitions int) (float64, error) {
	if c.once {
		repetitions = 1 // rounded up to every packet once
	}
	if err := c.begin(); err != nil {
		return 0, fmt.Errorf("%s: %w", c.name, err)
	}
	o, err := c.turn(repetitions)
	if err == nil {
		err = c.check(o)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", c.name, err)
	}
	return o.Gross, nil
}

func (c *contender) turn(repetitions int) (probe.Outcome, error) {
	if c.program == nil {
		return c.instrument.Alone(c.resizing, repetitions)
	}
	return c.instrument.Run(c.program, repetitions)
}

// entry is a case on the stand: its contenders.
type entry struct {
	Case
	key Key
	// alone is what is subtracted from program, floorAlone from floor.
	alone, program, floorAlone, floor *contender
}

// stand is one load of everything that takes turns: fresh programs, fresh maps.
type stand struct {
	entries    []*entry
	contenders []*contender
	closers    []func() error
}

// Close unloads everything.
func (s *stand) Close() error {
	var errs []error
	for _, c := range s.closers {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}

// workload is a case's packets, the same in every load.
type workload struct {
	Case
	key     Key
	packets [][]byte
}

// newStand loads the workloads, all of one key.
func newStand(all []workload) (*stand, error) {
	s := &stand{}
	if err := s.fill(all); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *stand) fill(all []workload) error {
	type world struct {
		memory memory
		guard  crowd.Guard
	}
	shared := map[world]*dataplane.Datapath{}
	for _, w := range all {
		its := world{w.memory, w.guard}
		if shared[its] == nil {
			d, err := settingOf(w.Case, w.key).load()
			if err != nil {
				return err
			}
			s.closers = append(s.closers, d.Close)
			shared[its] = d
		}
		if err := s.add(w, shared[its]); err != nil {
			return fmt.Errorf("case %s: %w", w.Name, err)
		}
	}
	return nil
}

// add puts a case on the stand.
func (s *stand) add(w workload, d *dataplane.Datapath) error {
	if w.established() {
		if err := settle(d, w.Case, w.key, w.packets); err != nil {
			return err
		}
	}
	instrument, err := probe.New(w.Form, w.packets)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, instrument.Close)
	yard, err := s.yard(instrument, w)
	if err != nil {
		return err
	}
	floor, err := s.loadFloor(probe.XDP, w.Floor, w)
	if err != nil {
		return err
	}
	e := &entry{Case: w.Case, key: w.key}
	nothing := func() error { return nil }
	j := &judge{datapath: d, want: w.want, memory: w.memory, packets: w.packets}
	if w.memory == awaited {
		if j.openings, err = rowsOf(w.Case, w.key, w.packets, opening); err != nil {
			return err
		}
	}
	e.alone = &contender{
		name: "wrapper", instrument: instrument, resizing: w.want.resizing,
		begin: nothing, check: func(probe.Outcome) error { return nil },
	}
	e.floor = &contender{
		name: "floor " + w.Floor, instrument: yard, program: floor,
		begin: nothing, check: floorHit,
	}
	e.floorAlone = e.alone
	if yard != instrument {
		e.floorAlone = &contender{
			name: "wrapper of the floor", instrument: yard, resizing: w.want.resizing,
			begin: nothing, check: func(probe.Outcome) error { return nil },
		}
		s.contenders = append(s.contenders, e.floorAlone)
	}
	e.program = &contender{name: w.Name, instrument: instrument, once: w.memory != lasting}
	if w.reference != "" {
		e.program.begin, e.program.check = nothing, floorHit
		if e.program.program, err = s.loadFloor(w.Form, w.reference, w); err != nil {
			return err
		}
	} else {
		e.program.begin, e.program.check = j.begin, j.check
		if e.program.program, err = w.program(d); err != nil {
			return err
		}
	}
	s.entries = append(s.entries, e)
	s.contenders = append(s.contenders, e.alone, e.floor, e.program)
	return nil
}

// yard is the instrument for a case's floor, which is a program of XDP whatever
// the form of the case.
func (s *stand) yard(instrument probe.Instrument, w workload) (probe.Instrument, error) {
	if w.Form == probe.XDP {
		return instrument, nil
	}
	yard, err := probe.New(probe.XDP, w.packets)
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, yard.Close)
	return yard, nil
}

// floors are the objects of floors.
var floors = map[probe.Form]func() (*ebpf.CollectionSpec, error){probe.XDP: probe.LoadFloors, probe.TCX: probe.LoadFloorsTCX}

// loadFloor loads a floor, with the address of every packet in its maps and no
// other.
func (s *stand) loadFloor(form probe.Form, floor string, w workload) (*ebpf.Program, error) {
	spec, err := floors[form]()
	if err != nil {
		return nil, fmt.Errorf("read the object of the floors: %w", err)
	}
	name := floor
	if spec.Programs[name] == nil {
		name = fmt.Sprintf("%s%d", floor, w.key.Family)
	}
	if spec.Programs[name] == nil {
		return nil, fmt.Errorf("floor %s: there is no such program", name)
	}
	maps.DeleteFunc(spec.Programs, func(other string, _ *ebpf.ProgramSpec) bool { return other != name })
	loaded, err := ebpf.NewCollection(spec)
	if err != nil {
		return nil, fmt.Errorf("load floor %s: %w", name, err)
	}
	s.closers = append(s.closers, func() error { loaded.Close(); return nil })
	for _, p := range w.packets {
		if err := fillFloor(loaded, p); err != nil {
			return nil, fmt.Errorf("fill the maps of floor %s: %w", name, err)
		}
	}
	return loaded.Programs[name], nil
}

// fillFloor enters the destinations of a packet, the inner and the outer.
func fillFloor(floor *ebpf.Collection, packet []byte) error {
	decoded, err := frame.Decode(packet)
	if err != nil {
		return err
	}
	all := []netip.Addr{decoded.Inner.Dst}
	if decoded.Tunnel || decoded.Malformed != "" {
		all = append(all, decoded.OuterDst)
	}
	for _, a := range all {
		key := bpf.RowAddrKey{Vni: vni, Addr: a.As16()}
		err := errors.Join(
			floor.Maps["floor_lru"].Put(key, bpf.RowPath{Host: 1, State: uint8(bpf.RowPathStatePATH_LEARNED)}),
			floor.Maps["floor_hash"].Put(key, make([]byte, floor.Maps["floor_hash"].ValueSize())),
		)
		if err != nil {
			return err
		}
	}
	return nil
}

// floorHit refuses a floor that missed.
func floorHit(o probe.Outcome) error {
	if o.Action == kernel.Aborted {
		return errors.New("a floor must hit, this one did not find its row or its header")
	}
	return nil
}
