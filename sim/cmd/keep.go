// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/veth"
)

// keeper leaves the veth networks of runs standing, each as a lab of its own
// name, and says so.
type keeper struct {
	w io.Writer
	// name is that of the run that is being opened.
	name string
}

// keep makes a run keep its networks. What stood before a failure of the harness
// is taken down.
func (k *keeper) keep(c run.Config) run.Config {
	notify := c.Notify
	c.Notify = func(e run.Event) {
		if e.Kind == run.Opening {
			k.name = labName(e)
		}
		if notify != nil {
			notify(e)
		}
	}
	for i, f := range c.Wires {
		if f.Name != "veth" {
			continue
		}
		c.Wires[i].Open = func(ctx context.Context) (wire.Wire, error) {
			w, err := veth.OpenNamed(k.name)
			if err != nil {
				return nil, fmt.Errorf("keep the network as %s: %w", k.name, err)
			}
			return &kept{Wire: w, ctx: ctx, name: k.name, w: k.w}, nil
		}
	}
	return c
}

// labName is the scenario's name and what is special about the run: "tour-v4".
func labName(e run.Event) string {
	parts := []string{e.Scenario.Name}
	for _, part := range []string{e.Underlay, e.Form, e.XDP} {
		if part != "" {
			parts = append(parts, strings.ToLower(part))
		}
	}
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '-'
	}, strings.ToLower(strings.Join(parts, "-")))
}

// kept is a wire that stays when it is closed.
type kept struct {
	*veth.Wire
	ctx  context.Context
	name string
	w    io.Writer
	// whole says that the last Apply went well.
	whole bool
}

// Apply notes whether all hosts hold what they should.
func (k *kept) Apply(ctx context.Context, hosts []state.Host) error {
	err := k.Wire.Apply(ctx, hosts)
	k.whole = err == nil
	return err
}

// Close leaves the network standing if it is whole and nobody has interrupted
// the run.
func (k *kept) Close() error {
	if !k.whole || k.ctx.Err() != nil {
		return k.Wire.Close()
	}
	if err := k.Keep(); err != nil {
		return fmt.Errorf("leave network %s standing: %w", k.name, err)
	}
	_, err := fmt.Fprintf(k.w, "kept: %s is up; mizar sim exec %s ENDPOINT -- COMMAND…, then mizar sim down %s\n", k.name, k.name, k.name)
	return err
}
