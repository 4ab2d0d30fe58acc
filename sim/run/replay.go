// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/capture"
	"github.com/mizar-net/mizar/sim/golden"
	"github.com/mizar-net/mizar/sim/replay"
	"github.com/mizar-net/mizar/sim/scenario"
)

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
	recordings := make([]replay.Recording, len(r.wires))
	for i, w := range r.wires {
		if recordings[i], err = replay.Play(ctx, w, p.At, frames); err != nil {
			return nil, fmt.Errorf("replay %s: %w", p.File, err)
		}
	}
	want, twin, err := r.golden(p, recordings)
	if err != nil {
		return nil, err
	}
	var checks []Check
	for i, w := range r.wires {
		some, err := r.compare(p, w.Name(), recordings[i], want, twin)
		if err != nil {
			return nil, err
		}
		checks = append(checks, some...)
	}
	return checks, nil
}

// compare holds a recording against the golden frames. Where they agree, it
// proves that they would not with one packet more or less.
func (r *runner) compare(p *scenario.Replay, who string, rec replay.Recording, want []golden.Frame, twin string) ([]Check, error) {
	all := golden.Comparison{Want: want, Got: rec.Frames, Inputs: rec.Inputs, Rules: rules(p, rec)}
	differences, err := all.Differences()
	if err != nil {
		return nil, err
	}
	explained := rec.Explain(differences, replay.Context{Twin: twin, Names: r.world.names()})
	checks := []Check{replayed(p, who, r.cellOf(p), rec, explained)}
	if len(differences) > 0 {
		return checks, nil
	}
	aligned, err := r.aligned(p, who, all)
	return append(checks, aligned), err
}

// plants is how many packets, from the first to the last, are taken out and put
// in, one at a time.
const plants = 4

// aligned takes a packet out of what came out, and puts one in twice: each must
// be one difference, at that very port.
func (r *runner) aligned(p *scenario.Replay, who string, all golden.Comparison) (Check, error) {
	cell := r.cellOf(p)
	cell.Proto = "replay-alignment"
	c := Check{Name: "replay of " + p.File + " with a packet lost, or twice", Wire: who, Cell: cell.on(who), Seen: "one difference each"}
	// What a lost packet has asked would be missing where it is answered.
	all.Rules.Ignore = append(slices.Clone(all.Rules.Ignore), slices.Collect(maps.Keys(all.Rules.Relations))...)
	all.Rules.Relations = nil
	got := all.Got
	for i := 0; i < len(got); i += max(1, len(got)/plants) {
		for what, frames := range map[string][]golden.Frame{
			"lost":  slices.Delete(slices.Clone(got), i, i+1),
			"twice": slices.Insert(slices.Clone(got), i, got[i]),
		} {
			all.Got = frames
			differences, err := all.Differences()
			if err != nil {
				return c, err
			}
			if len(differences) != 1 || differences[0].Port != got[i].Port {
				c.Failures = append(c.Failures, Failure{
					Field: fmt.Sprintf("frame %d at %s, %s", i+1, got[i].Port, what), Who: who,
					Got: fmt.Sprintf("%d differences %v", len(differences), differences), Against: "the scenario", Want: "one, at that port",
				})
			}
		}
	}
	return c, nil
}

// rules are those of the step. The MACs of the underlay's ports are a wire's own,
// and tokens are secrets of the hosts: after a fresh start each must be one that
// was asked.
func rules(p *scenario.Replay, rec replay.Recording) golden.Rules {
	all := golden.Rules{Ignore: p.Ignore, Mask: p.Mask, Relations: maps.Clone(p.Relations), Unordered: p.Unordered}
	if len(rec.Ways) == 0 {
		all.Ignore = append(slices.Clone(all.Ignore), "outer.eth.src", "outer.eth.dst")
	}
	if all.Relations == nil {
		all.Relations = map[string]string{}
	}
	for _, token := range []string{"geneve.return.token", "geneve.send-back.token", "geneve.refusal.token"} {
		if _, said := all.Relations[token]; said {
			continue
		}
		if p.Fresh {
			all.Relations[token] = golden.Echoed
		} else {
			all.Ignore = append(slices.Clone(all.Ignore), token)
		}
	}
	return all
}

// cellOf is where a capture is replayed.
func (r *runner) cellOf(p *scenario.Replay) Cell {
	c := Cell{Proto: "replay"}
	if len(p.Relations)+len(p.Mask) > 0 {
		c.Proto = "replay-relations"
	}
	if e := r.world.endpoints[p.At.Endpoint]; e != nil {
		c.Underlay = r.world.underlay(e.Host, e.Host)
	}
	return c
}

func replayed(p *scenario.Replay, who string, cell Cell, rec replay.Recording, differences []replay.Explained) Check {
	c := Check{
		Name: "replay of " + p.File, Wire: who, Cell: cell.on(who),
		Seen: fmt.Sprintf("%d frames in, %d out, all as in %s", len(rec.Inputs), len(rec.Frames), p.Golden),
	}
	if len(differences) > 0 {
		c.Seen = fmt.Sprintf("%d frames in, %d out, %d differences from %s", len(rec.Inputs), len(rec.Frames), len(differences), p.Golden)
	}
	for _, d := range differences {
		c.Failures = append(c.Failures, Failure{
			Field: fmt.Sprintf("packet %d at %s: %s", d.Packet, d.Port, d.Field), Who: who, Got: quiet(d.Got),
			Against: p.Golden, Want: quiet(d.Want), Note: strings.Join(append([]string{d.Frame}, d.Notes()...), "; "),
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
	if at != nil && !p.Whole {
		if c, err = c.From(at.Addresses...); err != nil {
			return nil, err
		}
	}
	if len(c.Packets) == 0 {
		return nil, fmt.Errorf("capture %s has no packet that %s sends; does rewrite name its addresses?", p.File, scenario.Short(p.At.Endpoint+p.At.Uplink))
	}
	return c.Frames(), nil
}
