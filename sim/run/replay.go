// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"fmt"
	"io/fs"
	"net/netip"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/capture"
	"github.com/mizar-net/mizar/sim/golden"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/wire"
)

// noise are fields that no two wires have in common: the MACs of the underlay's
// ports, and tokens, which are secrets of the hosts.
var noise = []string{"outer.eth.src", "outer.eth.dst", "geneve.return.token", "geneve.send-back.token"}

// replay puts a capture on a port of every wire and compares what comes out
// with the golden capture.
func (r *runner) replay(ctx context.Context, p *scenario.Replay) ([]Check, error) {
	if p.Fresh {
		if err := r.forget(ctx); err != nil {
			return nil, err
		}
	}
	frames, err := r.world.capture(r.scenario.Files, p)
	if err != nil {
		return nil, err
	}
	b, err := fs.ReadFile(r.scenario.Files, p.Golden)
	if err != nil {
		return nil, fmt.Errorf("read golden capture: %w", err)
	}
	want, err := golden.Parse(p.Golden, b)
	if err != nil {
		return nil, err
	}
	var checks []Check
	for _, w := range r.wires {
		emissions, err := w.Inject(ctx, p.At, frames)
		if err != nil {
			return nil, fmt.Errorf("replay %s on the %s wire: %w", p.File, w.Name(), err)
		}
		differences, err := golden.Compare(want, golden.Frames(emissions), append(p.Ignore, noise...)...)
		if err != nil {
			return nil, err
		}
		checks = append(checks, replayed(p, w.Name(), r.cellOf(p), len(frames), len(emissions), differences))
	}
	return checks, nil
}

// cellOf is where a capture is replayed.
func (r *runner) cellOf(p *scenario.Replay) Cell {
	c := Cell{Proto: "replay"}
	if e := r.world.endpoints[p.At.Endpoint]; e != nil {
		c.Underlay = r.world.underlay(e.Host, e.Host)
	}
	return c
}

func replayed(p *scenario.Replay, who string, cell Cell, in, out int, differences []golden.Difference) Check {
	c := Check{
		Name: "replay of " + p.File, Wire: who, Cell: cell.on(who),
		Seen: fmt.Sprintf("%d frames in, %d out, all as in %s", in, out, p.Golden),
	}
	if len(differences) > 0 {
		c.Seen = fmt.Sprintf("%d frames in, %d out, %d differences from %s", in, out, len(differences), p.Golden)
	}
	for _, d := range differences {
		c.Failures = append(c.Failures, Failure{
			Field: fmt.Sprintf("packet %d at %s: %s", d.Packet, d.Port, d.Field), Who: who, Got: quiet(d.Got),
			Against: p.Golden, Want: quiet(d.Want), Note: d.Frame,
		})
	}
	return c
}

func quiet(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// capture reads the frames of a capture as they enter the port: rewritten onto
// endpoints, and at an endpoint only those that it sends.
func (w world) capture(files fs.FS, p *scenario.Replay) ([][]byte, error) {
	b, err := fs.ReadFile(files, p.File)
	if err != nil {
		return nil, fmt.Errorf("read capture: %w", err)
	}
	c, err := capture.Parse(p.File, b)
	if err != nil {
		return nil, err
	}
	at := w.endpoints[p.At.Endpoint]
	if len(p.Rewrite) > 0 {
		to := map[netip.Addr]capture.Endpoint{}
		for old, name := range p.Rewrite {
			e := w.endpoints[name]
			to[old] = capture.Endpoint{Name: scenario.Short(name), Addresses: e.Addresses, MAC: state.MAC(e.MAC)}
		}
		var gateway state.MAC
		if at != nil {
			gateway = w.gateways[at.Subnet]
		}
		if c, err = c.Rewrite(to, gateway); err != nil {
			return nil, err
		}
	}
	if at != nil {
		if c, err = c.From(at.Addresses...); err != nil {
			return nil, err
		}
	}
	if len(c.Packets) == 0 {
		return nil, fmt.Errorf("capture %s has no packet that %s sends; does rewrite name its addresses?", p.File, scenario.Short(p.At.Endpoint+p.At.Uplink))
	}
	return c.Frames(), nil
}

// Record runs a replay on a wire and writes what comes out as the golden
// capture of the future. Nothing is written unless every frame is proven.
func Record(ctx context.Context, w wire.Wire, s *scenario.Scenario, p *scenario.Replay, c Config, file string) (int, error) {
	states := c.Compile(s.Objects)
	if err := w.Apply(ctx, states); err != nil {
		return 0, fmt.Errorf("apply the states on the %s wire: %w", w.Name(), err)
	}
	frames, err := newWorld(s.Objects, states).capture(s.Files, p)
	if err != nil {
		return 0, err
	}
	emissions, err := w.Inject(ctx, p.At, frames)
	if err != nil {
		return 0, fmt.Errorf("replay %s on the %s wire: %w", p.File, w.Name(), err)
	}
	return len(emissions), golden.Write(file, golden.Frames(emissions))
}
