// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/sim/capture"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/trace"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// traceOptions are the flags of `mizar sim trace`.
type traceOptions struct {
	from, to      string
	tcp, udp      uint16
	family, count int
	output        outputFlag
	pcapng        string
}

func traceCommand() *cobra.Command {
	var o traceOptions
	c := &cobra.Command{
		Use:   "trace SCENARIO --from ENDPOINT --to ENDPOINT|ADDRESS",
		Short: "Print a packet's way through all hosts, stage by stage",
		Long: `Print the way of a packet, and of its reply, through the programs of all hosts:
the stages, the map rows met with what stood in them, what was written, what was
decided and what came out. It is what the loaded programs recorded of themselves
on the testrun wire, with their maps. A ping, unless --tcp or --udp.

The network is as the scenario's topology and objects say; its steps are not
run. --count 2 shows how the second packet goes directly.`,
		Example: `  mizar sim trace tour --from red-1 --to red-2
  mizar sim trace tour --from red-1 --to red-2 --tcp 80
  mizar sim trace tour --from red-1 --to fd00::3 --count 2 -o json
  mizar sim trace tour --from red-1 --to red-2 --pcapng way.pcapng   # then: wireshark way.pcapng`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := load(args[0])
			if err != nil {
				return err
			}
			return o.run(cmd.Context(), cmd.OutOrStdout(), s)
		},
	}
	f := c.Flags()
	f.StringVar(&o.from, "from", "", "the endpoint that sends")
	f.StringVar(&o.to, "to", "", "the endpoint, service (Service/web) or address that it sends to")
	f.Uint16Var(&o.tcp, "tcp", 0, "a TCP segment to this port")
	f.Uint16Var(&o.udp, "udp", 0, "a UDP datagram to this port")
	f.IntVar(&o.family, "family", 0, "4 or 6 (default: the first that both ends have)")
	f.IntVar(&o.count, "count", 1, "packets, one after the other")
	o.output.add(c)
	f.StringVar(&o.pcapng, "pcapng", "", "also write the frames to this file, one for each program met, with its stages and rows as the comment")
	c.MarkFlagsMutuallyExclusive("tcp", "udp")
	return c
}

func (o traceOptions) run(ctx context.Context, w io.Writer, s *scenario.Scenario) error {
	probe, err := o.probe(s.Objects)
	if err != nil {
		return err
	}
	if err := errors.Join(o.output.check(), needRoot()); err != nil {
		return err
	}
	outcome, err := walk(ctx, s, probe)
	if err != nil {
		return err
	}
	if o.pcapng != "" {
		if err := writePcapng(trace.Capture(outcome), o.pcapng); err != nil {
			return err
		}
	}
	packets := trace.Of(outcome)
	if o.output.choice == "json" {
		return trace.WriteJSON(w, packets)
	}
	return trace.WriteText(w, packets)
}

// writePcapng writes a capture as pcapng, whatever the file is called.
func writePcapng(c capture.Capture, file string) error {
	b, err := c.Pcapng()
	if err == nil {
		err = os.WriteFile(file, b, 0o644)
	}
	if err != nil {
		return fmt.Errorf("write the trace to %s: %w", file, err)
	}
	return nil
}

// walk has a conversation in a network that has learned nothing.
func walk(ctx context.Context, s *scenario.Scenario, probe wire.Probe) (outcome wire.Outcome, err error) {
	network := testrun.New(testrun.Load)
	network.ReadRows()
	defer func() { err = errors.Join(err, network.Close()) }()
	network.Ground(s.Underlay)
	states := compile.Hosts(s.Objects)
	if err := network.Apply(ctx, states); err != nil {
		return outcome, fmt.Errorf("build the network: %w", err)
	}
	probe.Backends = wire.Backends(states, probe)
	if outcome, err = network.Probe(ctx, probe); err != nil {
		return outcome, fmt.Errorf("send the packet: %w", err)
	}
	return outcome, nil
}

// probe is what the flags ask for.
func (o traceOptions) probe(set object.Set) (wire.Probe, error) {
	p := wire.Probe{Proto: wire.ICMP, Count: o.count}
	switch {
	case o.tcp != 0:
		p.Proto, p.Port = wire.TCP, o.tcp
	case o.udp != 0:
		p.Proto, p.Port = wire.UDP, o.udp
	}
	from, err := endpoint(set, "--from", o.from)
	if err != nil {
		return p, err
	}
	p.From = from.Key()
	to, err := addresses(set, o.to)
	if err != nil {
		return p, err
	}
	for _, a := range to {
		for _, own := range from.Addresses {
			if a.Is4() == own.Is4() && (o.family == 0 || a.Is4() == (o.family == 4)) {
				p.To = a
				return p, nil
			}
		}
	}
	return p, fmt.Errorf("--from %s and --to %s have no address of one family in common (--family %d)", o.from, o.to, o.family)
}

// addresses are those of the endpoint or the service that --to names, or the one that
// it is.
func addresses(set object.Set, to string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(to); err == nil {
		return []netip.Addr{a}, nil
	}
	if name, ok := strings.CutPrefix(to, scenario.ServiceMark); ok {
		s, ok := set.Service(name)
		if !ok {
			return nil, fmt.Errorf("--to: got %q, and there is no service %s", to, name)
		}
		return scenario.FrontendOf(s).Addresses, nil
	}
	e, err := endpoint(set, "--to", to)
	return e.Addresses, err
}

// endpoint finds the endpoint that a flag names.
func endpoint(set object.Set, flag, name string) (object.Endpoint, error) {
	var known []string
	for _, e := range set.Endpoints {
		if e.Key() == object.EndpointKey(name) {
			return e, nil
		}
		known = append(known, scenario.Short(e.Key()))
	}
	return object.Endpoint{}, fmt.Errorf("%s: got %q, want one of %s", flag, name, strings.Join(known, ", "))
}
