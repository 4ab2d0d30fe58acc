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
	var o probe.Outcome
	err := probe.ErrInterrupted
	for n := 0; n < attempts && errors.Is(err, probe.ErrInterrupted); n++ {
		if err = c.begin(); err == nil {
			o, err = c.turn(repetitions)
		}
	}
	if err == nil {
		err = c.check(o)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", c.name, err)
	}
	return o.Gross, nil
}

// attempts is how often a run is begun that signals interrupt.
const attempts = 10

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

// world is what cases share a datapath in.
type world struct {
	memory  memory
	setting setting
}

// stand is one load of everything that takes turns: fresh programs, fresh maps.
type stand struct {
	entries    []*entry
	contenders []*contender
	worlds     map[world]*dataplane.Datapath
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
	s := &stand{worlds: map[world]*dataplane.Datapath{}}
	for _, w := range all {
		if err := s.add(w); err != nil {
			return nil, errors.Join(fmt.Errorf("case %s: %w", w.Name, err), s.Close())
		}
	}
	return s, nil
}

// datapath is the one of a workload's world.
func (s *stand) datapath(w workload) (*dataplane.Datapath, error) {
	its := world{w.memory, settingOf(w.Case, w.key)}
	if s.worlds[its] == nil {
		d, err := its.setting.load()
		if err != nil {
			return nil, err
		}
		s.closers = append(s.closers, d.Close)
		s.worlds[its] = d
	}
	return s.worlds[its], nil
}

// add puts a case on the stand, and what it is compared with.
func (s *stand) add(w workload) error {
	e := &entry{Case: w.Case, key: w.key}
	var err error
	if e.alone, e.program, err = s.addProgram(w); err != nil {
		return err
	}
	if w.beside != nil {
		e.floorAlone, e.floor, err = s.addBeside(w)
	} else {
		e.floorAlone, e.floor, err = s.addFloor(w, e.alone)
	}
	s.entries = append(s.entries, e)
	return err
}

// unseen and nothing are for contenders that leave nothing to look at.
func unseen(probe.Outcome) error { return nil }
func nothing() error             { return nil }

// addAlone puts an instrument with a workload's packets on the stand.
func (s *stand) addAlone(name string, form probe.Form, w workload) (*contender, error) {
	instrument, err := probe.New(form, w.packets)
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, instrument.Close)
	c := &contender{name: name, instrument: instrument, resizing: w.want.resizing, begin: nothing, check: unseen}
	s.contenders = append(s.contenders, c)
	return c, nil
}

// addProgram puts a case's program on the stand, and its instrument alone.
func (s *stand) addProgram(w workload) (alone, program *contender, err error) {
	d, err := s.datapath(w)
	if err != nil {
		return nil, nil, err
	}
	if w.established() {
		if err := settle(d, w.Case, w.key, w.packets); err != nil {
			return nil, nil, err
		}
	}
	if alone, err = s.addAlone("wrapper", w.Form, w); err != nil {
		return nil, nil, err
	}
	program = &contender{name: w.Name, instrument: alone.instrument, once: w.memory != lasting}
	if w.reference != "" {
		program.begin, program.check = nothing, floorHit
		program.program, err = s.loadFloor(w.Form, w.reference, w)
	} else {
		j := &judge{datapath: d, want: w.want, memory: w.memory, packets: w.packets}
		if w.memory == awaited {
			if j.openings, err = rowsOf(w.Case, w.key, w.packets, opening); err != nil {
				return nil, nil, err
			}
		}
		program.begin, program.check = j.begin, j.check
		program.program, err = w.program(d)
	}
	s.contenders = append(s.contenders, program)
	return alone, program, err
}

// addBeside puts the case on the stand that another is compared with.
func (s *stand) addBeside(w workload) (alone, program *contender, err error) {
	packets, err := w.beside.packets(w.key)
	if err == nil {
		alone, program, err = s.addProgram(workload{*w.beside, w.key, packets})
	}
	if err != nil {
		err = fmt.Errorf("beside it %s: %w", w.beside.Name, err)
	}
	return alone, program, err
}

// addFloor puts a case's floor on the stand, which is a program of XDP whatever the
// form of the case.
func (s *stand) addFloor(w workload, alone *contender) (_, floor *contender, err error) {
	if w.Form != probe.XDP {
		if alone, err = s.addAlone("wrapper of the floor", probe.XDP, w); err != nil {
			return nil, nil, err
		}
	}
	program, err := s.loadFloor(probe.XDP, w.Floor, w)
	if err != nil {
		return nil, nil, err
	}
	floor = &contender{name: "floor " + w.Floor, instrument: alone.instrument, program: program, begin: nothing, check: floorHit}
	s.contenders = append(s.contenders, floor)
	return alone, floor, nil
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
