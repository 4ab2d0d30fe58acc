// SPDX-License-Identifier: Apache-2.0

package feature

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/kernel"
	"github.com/mizar-net/mizar/dataplane/state"
)

// kinds are the modes that programs are tried in: for devices, and for the simulator.
var kinds = map[dataplane.Mode]struct {
	name string
	need Need
}{
	dataplane.Live:      {"live", Must},
	dataplane.Simulated: {"simulated", May},
}

// programs tries to load all programs in some modes.
func programs(ctx context.Context, modes []dataplane.Mode) ([]Feature, error) {
	if len(modes) == 0 {
		modes = []dataplane.Mode{dataplane.Live}
	}
	var all []Feature
	for _, mode := range modes {
		c, ok := kinds[mode]
		if !ok {
			return nil, fmt.Errorf("programs in mode %d are not tried", mode)
		}
		some, err := loaded(c.name, mode, c.need)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, ctx.Err()
}

// loaded are the programs in one mode.
func loaded(mode string, as dataplane.Mode, need Need) (all []Feature, err error) {
	xdp := Feature{Name: "programs of XDP, " + mode, For: "uplink and endpoints", Need: need}
	// The simulator's sizes: the verifier does not look at them.
	d, err := dataplane.Load(dataplane.Options{Mode: as, Limits: dataplane.SimulatedLimits()})
	if err != nil {
		return []Feature{xdp.with(err)}, nil
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	each, err := d.Next(state.FormXDP)
	if err != nil {
		return []Feature{xdp.with(err)}, nil
	}
	each["uplink"], each["endpoint"] = d.Uplink(), d.Endpoint()
	for _, name := range slices.Sorted(maps.Keys(each)) {
		f := Feature{Name: fmt.Sprintf("program %s, %s", name, mode), For: xdp.For, Need: need}
		if f.Detail, err = walked(each[name]); err != nil {
			return nil, fmt.Errorf("program %s: %w", name, err)
		}
		all = append(all, f)
	}
	for i, load := range []func(state.Form) (*ebpf.Program, error){d.UplinkIn, d.EndpointIn} {
		tcx := Feature{Name: fmt.Sprintf("program %s, %s", []string{"uplink_tcx", "endpoint_tcx"}[i], mode), For: "form: tcx", Since: "6.6", Need: May}
		p, err := load(state.FormTCX)
		if err == nil {
			tcx.Detail, err = walked(p)
		}
		all = append(all, tcx.with(err))
	}
	return all, nil
}

// walked is how many instructions the verifier followed; it gives up at a million.
func walked(p *ebpf.Program) (string, error) {
	info, err := p.Info()
	if err != nil {
		return "", err
	}
	n, ok := info.VerifiedInstructions()
	if !ok {
		return "", nil
	}
	return fmt.Sprintf("%d instructions walked", n), nil
}

// run tries whether programs can be run over one frame, with metadata before it.
func run(p *ebpf.Program) error {
	_, err := kernel.System{}.Run(p, make([]byte, 64), kernel.RunOptions{Port: 1})
	return err
}
