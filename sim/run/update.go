// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/sim/golden"
	"github.com/mizar-net/mizar/sim/replay"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/wire"
)

// Update writes a file that a scenario names, in place of the one in its Files.
type Update func(s *scenario.Scenario, name string, data []byte) error

// TwinName is the name of the text beside a golden capture.
func TwinName(file string) string { return strings.TrimSuffix(file, path.Ext(file)) + ".txt" }

// golden reads the golden frames of a replay, and the text beside them, where
// there is one. In a run that updates, it writes both first.
func (r *runner) golden(p *scenario.Replay, recordings []replay.Recording) ([]golden.Frame, string, error) {
	if r.Update != nil {
		return r.rewritten(p, recordings)
	}
	b, err := fs.ReadFile(r.scenario.Files, p.Golden)
	if err != nil {
		return nil, "", fmt.Errorf("read golden capture: %w", err)
	}
	want, err := golden.Parse(p.Golden, b)
	if err != nil {
		return nil, "", err
	}
	twin, err := fs.ReadFile(r.scenario.Files, TwinName(p.Golden))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, "", fmt.Errorf("read the text beside the golden capture: %w", err)
	}
	return want, string(twin), nil
}

// rewritten writes what came out as the golden capture.
func (r *runner) rewritten(p *scenario.Replay, recordings []replay.Recording) ([]golden.Frame, string, error) {
	i := slices.IndexFunc(recordings, func(rec replay.Recording) bool { return len(rec.Ways) > 0 })
	if i < 0 {
		return nil, "", fmt.Errorf("update %s: want the testrun wire among those of the run, which knows every packet's way", p.Golden)
	}
	capture, twin, err := files(p, recordings[i])
	if err != nil {
		return nil, "", err
	}
	if err := r.Update(r.scenario, p.Golden, capture); err != nil {
		return nil, "", fmt.Errorf("update %s: %w", p.Golden, err)
	}
	if err := r.Update(r.scenario, TwinName(p.Golden), []byte(twin)); err != nil {
		return nil, "", fmt.Errorf("update %s: %w", TwinName(p.Golden), err)
	}
	return recordings[i].Frames, twin, nil
}

// files are the golden capture of a recording, and its text.
func files(p *scenario.Replay, rec replay.Recording) (capture []byte, twin string, err error) {
	capture, err = golden.Pcapng(p.Golden, rec.Frames)
	title := fmt.Sprintf("%s at %s", path.Base(p.File), scenario.Short(p.At.Endpoint+p.At.Uplink))
	return capture, rec.Twin(title), err
}

// Record runs a replay on a wire and writes what comes out as the golden
// capture of the future, and the text beside it. Nothing is written unless every
// frame is proven.
func Record(ctx context.Context, w wire.Wire, s *scenario.Scenario, p *scenario.Replay, c Config, file string) (int, error) {
	states := c.Compile(compile.View{}, s.Objects)
	if err := lay(w, s.Underlay); err != nil {
		return 0, err
	}
	if err := w.Apply(ctx, states); err != nil {
		return 0, fmt.Errorf("apply the states on the %s wire: %w", w.Name(), err)
	}
	frames, err := newWorld(s.Objects, states).capture(s.Files, p)
	if err != nil {
		return 0, err
	}
	rec, err := replay.Play(ctx, w, p.At, frames)
	if err != nil {
		return 0, fmt.Errorf("replay %s: %w", p.File, err)
	}
	capture, twin, err := files(p, rec)
	if err != nil {
		return 0, err
	}
	if err := c.Update(s, file, capture); err != nil {
		return 0, fmt.Errorf("record %s: %w", file, err)
	}
	if err := c.Update(s, TwinName(file), []byte(twin)); err != nil {
		return 0, fmt.Errorf("record %s: %w", TwinName(file), err)
	}
	return len(rec.Frames), nil
}

// names say whose MACs and addresses are, for people.
func (w world) names() map[string]string {
	names := map[string]string{}
	for key, e := range w.endpoints {
		names[net.HardwareAddr(e.MAC[:]).String()] = "the MAC of endpoint " + scenario.Short(key)
	}
	for subnet, m := range w.gateways {
		names[net.HardwareAddr(m[:]).String()] = "the gateway's MAC of VPC " + w.subnets[subnet].VPC
	}
	for name, h := range w.hosts {
		for _, a := range h.Addresses {
			names[a.String()] = "host " + name
		}
	}
	return names
}
