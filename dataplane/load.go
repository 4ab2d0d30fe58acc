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
	// uplinks are the uplink's programs in the forms that were asked for.
	uplinks map[state.Form]*uplink
	// pins is where maps are kept, see [Datapath.Pin]; "": nowhere.
	pins string
	// ports are the endpoint program in the forms that were asked for.
	ports map[state.Form]*ebpf.Program
}

func (l *loader) load() error {
	if err := l.makeMaps(); err != nil {
		return err
	}
	l.uplinks, l.ports = map[state.Form]*uplink{}, map[state.Form]*ebpf.Program{}
	if _, err := l.uplink(state.FormXDP); err != nil {
		return err
	}
	_, err := l.port(state.FormXDP)
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
	p, err := l.program(of.program, of.endpoint)
	if err != nil {
		return nil, fmt.Errorf("endpoint program in form %s: %w", f, err)
	}
	l.ports[f] = p
	return p, nil
}

// forms are the forms of the programs: the endpoint program's name, and the objects.
var forms = map[state.Form]struct {
	program          string
	endpoint, uplink func() (*ebpf.CollectionSpec, error)
}{
	state.FormXDP: {"endpoint", bpf.LoadEndpoint, bpf.LoadUplink},
	state.FormTCX: {"endpoint_tcx", bpf.LoadEndpointTCX, bpf.LoadUplinkTCX},
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
			continue // each form of the uplink's programs has its own
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

// program loads the one program of an object.
func (l *loader) program(name string, read func() (*ebpf.CollectionSpec, error)) (*ebpf.Program, error) {
	all, err := l.programs(name, read, l.maps)
	return all[name], err
}

// programs loads all programs of an object, of which one has the given name, with
// a host's maps.
func (l *loader) programs(name string, read func() (*ebpf.CollectionSpec, error), with map[string]*ebpf.Map) (map[string]*ebpf.Program, error) {
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
		if mapName == bpf.RowMapPrograms && with[mapName] == nil {
			delete(spec.Maps, mapName) // it hands nothing over
			continue
		}
		if with[mapName] == nil {
			return nil, fmt.Errorf("program %s: map %s is in no object of rows", name, mapName)
		}
		m.MaxEntries = with[mapName].MaxEntries()
		replace[mapName] = with[mapName]
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
	burst := uint32(0)
	if paths := spec.Maps[bpf.RowMapPaths]; paths != nil {
		burst = QuestionBurst(l.options.size(paths))
	}
	constants := map[string]any{
		"simulated":    l.options.Mode == Simulated,
		"repeatable":   l.options.Mode == Repeated,
		"transmits":    l.options.Uplink == Transmits && program == "uplink",
		"token_secret": l.options.TokenSecret,
		"flow_share":   max(l.maps[bpf.RowMapFlows].MaxEntries()/4, 1),

		"question_burst": burst,
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
	for _, u := range l.uplinks {
		failed = errors.Join(failed, u.close())
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
