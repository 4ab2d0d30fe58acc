// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mizar-net/mizar/sim/golden"
	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/wire"
)

// replayOptions are the flags of `mizar sim replay`.
type replayOptions struct {
	runOptions
	at, uplink     string
	golden, record string
	rewrite        map[string]string
	ignore         []string
	mask, relation map[string]string
	unordered      bool
	underlay       int
}

func replayCommand() *cobra.Command {
	var o replayOptions
	c := &cobra.Command{
		Use:   "replay SCENARIO CAPTURE --at ENDPOINT (--golden FILE | --record FILE)",
		Short: "Replay a capture at a port and compare what comes out",
		Long: `Put the packets of a capture (pcap or pcapng) on a port of a scenario's network,
and compare every frame that comes out, anywhere, with a golden capture, field
by field. --rewrite puts endpoints in the place of the capture's addresses. At
an endpoint, only the packets that it sends are put on its port.

--record writes the golden capture instead, from the testrun wire, once every
checksum is proven and an independent decoder reads the same: with the XDP
verdict, the packet that caused each frame, and a comment with the drop reason.
--update does so and then compares all wires. A text for review is written
beside the capture. Look at it before you trust it: a golden capture says what
was, not what is right.`,
		Example: `  mizar sim replay tour http.pcap --at red-1 --rewrite 192.0.2.10=red-1,192.0.2.20=red-2 --record http-golden.pcapng
  mizar sim replay tour http.pcap --at red-1 --rewrite 192.0.2.10=red-1,192.0.2.20=red-2 --golden http-golden.pcapng`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return o.replay(cmd, args[0], args[1]) },
	}
	o.flags(c)
	return c
}

func (o *replayOptions) flags(c *cobra.Command) {
	o.wire.add(c)
	o.output.add(c)
	f := c.Flags()
	f.BoolVarP(&o.verbose, "verbose", "v", false, "print every check, and how simulated devices are set")
	f.StringVar(&o.at, "at", "", "the endpoint whose port the packets enter")
	f.StringVar(&o.uplink, "uplink", "", "the host whose uplink they enter instead")
	f.StringVar(&o.golden, "golden", "", "the capture of what must come out")
	f.StringVar(&o.record, "record", "", "write what comes out to this file (pcapng)")
	f.StringToStringVar(&o.rewrite, "rewrite", nil, "ADDRESS=ENDPOINT: who takes the place of an address of the capture")
	f.StringSliceVar(&o.ignore, "ignore", nil, "fields that are not compared, such as outer.sport")
	f.StringToStringVar(&o.mask, "mask", nil, "FIELD=BITS: the bits of a field that are compared, such as outer.tos=0xfc")
	f.StringToStringVar(&o.relation, "relation", nil, "FIELD=RELATION: what a field must be, such as outer.sport=entropy or outer.tos=inner.ip.tos")
	f.BoolVar(&o.unordered, "unordered", false, "frames may come out in any order")
	f.BoolVar(&o.update, "update", false, "write the golden capture, then compare")
	f.IntVar(&o.underlay, "underlay", 0, "4 or 6: the one family to run on, where the scenario has both")
	c.MarkFlagsMutuallyExclusive("at", "uplink")
	c.MarkFlagsOneRequired("at", "uplink")
	c.MarkFlagsMutuallyExclusive("golden", "record")
	c.MarkFlagsOneRequired("golden", "record")
}

func (o replayOptions) replay(cmd *cobra.Command, name, file string) (err error) {
	s, err := load(name)
	if err != nil {
		return err
	}
	p, err := o.step(s, file)
	if err != nil {
		return err
	}
	wires, err := o.wire.wires()
	if err = errors.Join(err, o.output.check(), needRoot()); err != nil {
		return err
	}
	s = o.alone(s, p)
	var kept pools
	defer func() { err = errors.Join(err, kept.close()) }()
	if o.record != "" {
		c := config(&kept, []string{"testrun"})
		c.Update = writeFile
		return o.write(cmd, s, p, c)
	}
	c := config(&kept, wires)
	if o.update {
		c.Update = writeFile
	}
	r, err := o.one(cmd.Context(), cmd.OutOrStdout(), s, c)
	if err != nil {
		return err
	}
	return o.finish(cmd.OutOrStdout(), []run.Result{r})
}

// step is what the flags ask for, with names checked.
func (o replayOptions) step(s *scenario.Scenario, file string) (*scenario.Replay, error) {
	p := &scenario.Replay{
		File: file, Golden: o.golden, Rewrite: map[netip.Addr]string{}, Fresh: true,
		Ignore: o.ignore, Mask: o.mask, Relations: o.relation,
	}
	if o.unordered {
		p.Unordered = []golden.Group{{}}
	}
	if o.at != "" {
		e, err := endpoint(s.Objects, "--at", o.at)
		if err != nil {
			return nil, err
		}
		p.At = wire.Port{Endpoint: e.Key()}
	} else {
		var known []string
		for _, h := range s.Objects.Hosts {
			if known = append(known, h.Name); h.Name == o.uplink {
				p.At = wire.Port{Uplink: h.Name}
			}
		}
		if p.At.Uplink == "" {
			return nil, fmt.Errorf("--uplink: got %q, want one of %s", o.uplink, strings.Join(known, ", "))
		}
	}
	for old, name := range o.rewrite {
		addr, err := netip.ParseAddr(old)
		if err != nil {
			return nil, fmt.Errorf("--rewrite: got %q, want ADDRESS=ENDPOINT", old+"="+name)
		}
		e, err := endpoint(s.Objects, "--rewrite", name)
		if err != nil {
			return nil, err
		}
		p.Rewrite[addr] = e.Key()
	}
	return p, nil
}

// alone is the scenario's network with the replay as its only step, and files
// as the command line names them.
func (o replayOptions) alone(s *scenario.Scenario, p *scenario.Replay) *scenario.Scenario {
	only := *s
	if o.underlay != 0 {
		only.Families = []int{o.underlay}
	}
	only = *only.Variants()[0]
	only.Title = "replay of " + filepath.Base(p.File)
	only.Files = files{}
	only.Steps = []scenario.Step{{Key: "replay", Name: "what comes out is as in the golden capture", Replay: p}}
	return &only
}

func (o replayOptions) write(cmd *cobra.Command, s *scenario.Scenario, p *scenario.Replay, c run.Config) (err error) {
	w, err := c.Wires[0].Open(cmd.Context())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	n, err := run.Record(cmd.Context(), w, s, p, c, o.record)
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: %d frames, every checksum proven\n", o.record, n)
	return nil
}

// files are those of the operating system, by any name that it takes.
type files struct{}

// Open implements fs.FS.
func (files) Open(name string) (fs.File, error) { return os.Open(name) }

// writeFile writes a file of the operating system.
func writeFile(_ *scenario.Scenario, name string, data []byte) error {
	return os.WriteFile(name, data, 0o644)
}

// writeBeside writes a file that a scenario names, in the scenario's directory.
func writeBeside(s *scenario.Scenario, name string, data []byte) error {
	file := filepath.Join(filepath.Dir(s.File), filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}
