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
	}
}

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
	maps    map[string]*ebpf.Map
	uplink  *ebpf.Program
	// next are the programs that others hand packets over to, by name.
	next map[string]*ebpf.Program
	// ports are the endpoint program in the forms that were asked for.
	ports map[state.Form]*ebpf.Program
}

func (l *loader) load() error {
	if err := l.makeMaps(); err != nil {
		return err
	}
	programs, err := l.programs("uplink", bpf.LoadUplink)
	if err != nil {
		return err
	}
	l.uplink, l.next = programs["uplink"], programs
	delete(l.next, "uplink")
	if err := l.fillPrograms(); err != nil {
		return err
	}
	l.ports = map[state.Form]*ebpf.Program{}
	_, err = l.port(state.FormXDP)
	return err
}

// port is the endpoint program in a form; it is loaded when first asked for.
func (l *loader) port(f state.Form) (*ebpf.Program, error) {
	f = f.Or(state.FormXDP)
	if p := l.ports[f]; p != nil {
		return p, nil
	}
	of, ok := forms[f]
	if !ok {
		return nil, fmt.Errorf("endpoint program in form %q: there are %v", f, state.Forms())
	}
	p, err := l.program(of.program, of.object)
	if err != nil {
		return nil, fmt.Errorf("endpoint program in form %s: %w", f, err)
	}
	l.ports[f] = p
	return p, nil
}

// fillPrograms puts the programs that others hand packets over to where those
// look for them.
func (l *loader) fillPrograms() error {
	m := l.maps[bpf.RowMapPrograms]
	for slot := range bpf.RowProgramPROGRAM_MAX {
		p := l.next[slot.String()]
		if p == nil {
			return fmt.Errorf("slot %d of map %s: no object has a program %s", slot, bpf.RowMapPrograms, slot)
		}
		if err := m.Put(uint32(slot), uint32(p.FD())); err != nil {
			return fmt.Errorf("put program %s into map %s: %w", slot, bpf.RowMapPrograms, err)
		}
	}
	return nil
}

// forms are the forms of the endpoint program.
var forms = map[state.Form]struct {
	program string
	object  func() (*ebpf.CollectionSpec, error)
}{
	state.FormXDP: {"endpoint", bpf.LoadEndpoint},
	state.FormTCX: {"endpoint_tcx", bpf.LoadEndpointTCX},
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
		if section(name) {
			continue
		}
		m.MaxEntries = l.options.size(m)
		made, err := ebpf.NewMap(m)
		if err != nil {
			return fmt.Errorf("make map %s with %d rows: %w", name, m.MaxEntries, err)
		}
		l.maps[name] = made
	}
	return nil
}

// program loads the one program of an object.
func (l *loader) program(name string, read func() (*ebpf.CollectionSpec, error)) (*ebpf.Program, error) {
	all, err := l.programs(name, read)
	return all[name], err
}

// programs loads all programs of an object, of which one has the given name, with
// the host's maps.
func (l *loader) programs(name string, read func() (*ebpf.CollectionSpec, error)) (map[string]*ebpf.Program, error) {
	spec, err := read()
	if err != nil {
		return nil, fmt.Errorf("read the object of program %s: %w", name, err)
	}
	if err := l.setConstants(name, spec); err != nil {
		return nil, fmt.Errorf("program %s: %w", name, err)
	}
	replace := map[string]*ebpf.Map{}
	for mapName, m := range spec.Maps {
		if section(mapName) {
			continue
		}
		if l.maps[mapName] == nil {
			return nil, fmt.Errorf("program %s: map %s is in no object of rows", name, mapName)
		}
		m.MaxEntries = l.maps[mapName].MaxEntries()
		replace[mapName] = l.maps[mapName]
	}
	loaded, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{
		MapReplacements: replace,
		Programs:        ebpf.ProgramOptions{LogLevel: l.options.Log},
	})
	if err != nil {
		return nil, fmt.Errorf("load program %s: %w", name, err)
	}
	defer loaded.Close()
	if loaded.Programs[name] == nil {
		return nil, fmt.Errorf("load program %s: its object has no program of that name", name)
	}
	all := map[string]*ebpf.Program{}
	for each := range loaded.Programs {
		all[each] = loaded.DetachProgram(each)
	}
	return all, nil
}

func (l *loader) setConstants(program string, spec *ebpf.CollectionSpec) error {
	constants := map[string]any{
		"simulated":    l.options.Mode == Simulated,
		"repeatable":   l.options.Mode == Repeated,
		"transmits":    l.options.Uplink == Transmits && program == "uplink",
		"token_secret": l.options.TokenSecret,
		"flow_share":   max(l.maps[bpf.RowMapFlows].MaxEntries()/4, 1),
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
	failed = errors.Join(failed, l.uplink.Close())
	for _, p := range l.next {
		failed = errors.Join(failed, p.Close())
	}
	for _, p := range l.ports {
		failed = errors.Join(failed, p.Close())
	}
	for _, m := range l.maps {
		failed = errors.Join(failed, m.Close())
	}
	return failed
}

// section says whether a map holds a data section of an object, and no rows.
func section(name string) bool { return strings.HasPrefix(name, ".") }
