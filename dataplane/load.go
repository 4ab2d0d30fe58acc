// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/state"
)

// Mode says what the programs run on.
type Mode int

const (
	// Live programs run on devices, with the kernel's clock.
	Live Mode = iota
	// Simulated programs are run packet by packet: they are told their port
	// and the time, and they record what they decide.
	Simulated
	// Repeated programs are Live ones that may be run over one packet again
	// and again, as benchmarks do; devices must not have them.
	Repeated
)

// Options of Load.
type Options struct {
	Mode Mode
	// TokenSecret is what tokens are derived from; it has to be random
	// where packets come from strangers.
	TokenSecret uint64
	// Uplink says how the uplink's device sends packets back out.
	Uplink Uplink
	// Limits are the most rows of maps, by the map's name. A map without a
	// limit has the size that its C declares, or in a simulation a small
	// one: see [SimulatedLimits].
	Limits map[string]uint32
	// Log is what the verifier is asked to tell of the programs, which then
	// have it as their VerifierLog; nothing by default.
	Log ebpf.LogLevel
}

// Uplink is how a device sends out again what its program gives back to it.
type Uplink int

const (
	// Redirects needs a redirect to itself: a veth passes on what its program
	// transmits only if its peer has a program, too.
	Redirects Uplink = iota
	// Transmits has a driver that does it by itself, as those of NICs do.
	Transmits
)

// SimulatedLimits are the sizes of maps in a simulation, small enough that
// dozens of hosts fit into one machine. Ports and endpoints count from 0.
func SimulatedLimits() map[string]uint32 {
	return map[string]uint32{
		bpf.RowMapPorts:     1024,
		bpf.RowMapEndpoints: 1024,
		bpf.RowMapLocals:    2048,
		bpf.RowMapPaths:     4096,
		bpf.RowMapHosts:     1024,
		bpf.RowMapPeers:     2048,
		bpf.RowMapSubnets:   1024,
		bpf.RowMapVpcs:      1024,
		bpf.RowMapDirectory: 16384,
		bpf.RowMapRoutes:    1024,

		bpf.RowMapFlows:          4096,
		bpf.RowMapOpenings:       2048,
		bpf.RowMapShares:         1024,
		bpf.RowMapFragments:      512,
		bpf.RowMapPolicySets:     16384,
		bpf.RowMapPolicyPeers:    16384,
		bpf.RowMapPolicyPrefixes: 16384,
		bpf.RowMapPolicyPorts:    16384,
		bpf.RowMapRules:          4096,
		bpf.RowMapServices:       4096,
		bpf.RowMapChoices:        16384,
		bpf.RowMapBackends:       4096,
		bpf.RowMapAffinities:     512,
	}
}

// QuestionBurst is how many rows of learned paths one endpoint may take at once, of
// so many: a scan must leave room for others.
func QuestionBurst(paths uint32) uint32 { return max(1, paths/4) }

// size is the most rows of a map under the options.
func (o Options) size(m *ebpf.MapSpec) uint32 {
	if limit, ok := o.Limits[m.Name]; ok {
		return limit
	}
	if o.Mode == Simulated {
		if limit, ok := SimulatedLimits()[m.Name]; ok {
			return limit
		}
	}
	return m.MaxEntries
}

// loader collects what is loaded, so that it can be closed on the way.
type loader struct {
	options Options
	// rows are the maps as they are declared.
	rows *ebpf.CollectionSpec
	maps map[string]*ebpf.Map
	// programs are those of the forms that were asked for.
	programs map[state.Form]*programs
	// pins is where maps are kept, see [Datapath.Pin]; "": nowhere.
	pins string
}

func (l *loader) load() error {
	if err := l.makeMaps(); err != nil {
		return err
	}
	l.programs = map[state.Form]*programs{}
	if _, err := l.uplink(state.FormXDP); err != nil {
		return err
	}
	_, err := l.endpoint(state.FormXDP)
	return err
}

func (l *loader) makeMaps() error {
	spec, err := bpf.LoadRow()
	if err != nil {
		return fmt.Errorf("read the object of the maps: %w", err)
	}
	for name := range l.options.Limits {
		if spec.Maps[name] == nil {
			return fmt.Errorf("limit of map %q: there is no such map", name)
		}
	}
	l.maps = map[string]*ebpf.Map{}
	for name, m := range spec.Maps {
		if section(name) || name == bpf.RowMapPrograms {
			continue // each form of the programs has its own
		}
		if l.maps[name], err = l.makeMap(m); err != nil {
			return err
		}
	}
	l.rows = spec
	return nil
}

func (l *loader) makeMap(m *ebpf.MapSpec) (*ebpf.Map, error) {
	m.MaxEntries = l.options.size(m)
	made, err := ebpf.NewMap(m)
	if err != nil {
		return nil, fmt.Errorf("make map %s with %d rows: %w", m.Name, m.MaxEntries, err)
	}
	return made, nil
}

// object loads all programs of an object with a host's maps, and with one for the
// programs that they hand packets over to.
func (l *loader) object(o object, slots *ebpf.Map) (map[string]*ebpf.Program, error) {
	spec, err := o.read()
	if err != nil {
		return nil, fmt.Errorf("read the object of program %s: %w", o.entry, err)
	}
	if err := l.setConstants(o.entry, spec); err != nil {
		return nil, fmt.Errorf("program %s: %w", o.entry, err)
	}
	replace := map[string]*ebpf.Map{}
	for name, m := range spec.Maps {
		if section(name) {
			continue
		}
		with := l.maps[name]
		if name == bpf.RowMapPrograms {
			with = slots
		}
		if with == nil {
			return nil, fmt.Errorf("program %s: map %s is in no object of rows", o.entry, name)
		}
		m.MaxEntries = with.MaxEntries()
		replace[name] = with
	}
	loaded, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{
		MapReplacements: replace,
		Programs:        ebpf.ProgramOptions{LogLevel: l.options.Log},
	})
	if err != nil {
		return nil, fmt.Errorf("load program %s: %w", o.entry, err)
	}
	defer loaded.Close()
	if loaded.Programs[o.entry] == nil {
		return nil, fmt.Errorf("load program %s: its object has no program of that name", o.entry)
	}
	all := map[string]*ebpf.Program{}
	for name := range loaded.Programs {
		all[name] = loaded.DetachProgram(name)
	}
	return all, nil
}

func (l *loader) setConstants(program string, spec *ebpf.CollectionSpec) error {
	burst := uint32(0)
	if paths := spec.Maps[bpf.RowMapPaths]; paths != nil {
		burst = QuestionBurst(l.options.size(paths))
	}
	constants := map[string]any{
		"simulated":    l.options.Mode == Simulated,
		"repeatable":   l.options.Mode == Repeated,
		"transmits":    l.options.Uplink == Transmits && program == "uplink",
		"token_secret": l.options.TokenSecret,

		"question_burst": burst,
		"flow_share":     max(l.maps[bpf.RowMapFlows].MaxEntries()/4, 1),
	}
	for name, value := range constants {
		v := spec.Variables[name]
		if v == nil {
			continue // the program does not look at it
		}
		if err := v.Set(value); err != nil {
			return fmt.Errorf("set constant %s: %w", name, err)
		}
	}
	return nil
}

func (l *loader) close() error {
	var failed error
	for _, p := range l.programs {
		failed = errors.Join(failed, p.close())
	}
	for _, m := range l.maps {
		failed = errors.Join(failed, m.Close())
	}
	return failed
}

// section says whether a map holds a data section of an object, and no rows.
func section(name string) bool { return strings.HasPrefix(name, ".") }
