// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
)

func compiled() *cobra.Command {
	var host, output string
	c := &cobra.Command{
		Use:   "compile DIR|FILE...",
		Short: "Show the state that objects make each host hold",
		Args:  arguments(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, paths []string) error {
			write, ok := map[string]func(io.Writer, []state.Host) error{"table": writeTable, "json": writeJSON}[output]
			if !ok {
				return &BadInput{fmt.Errorf("--output: got %q; want table or json", output)}
			}
			set, err := load(c, paths...)
			if err != nil {
				return err
			}
			states, err := states(set, host)
			if err != nil {
				return &BadInput{err}
			}
			if err := write(c.OutOrStdout(), states); err != nil {
				return err
			}
			return writeConditions(c.ErrOrStderr(), set)
		},
	}
	c.Flags().StringVar(&host, "host", "", "show only the host of that name")
	c.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return c
}

// states compiles one host, or all when none is named.
func states(set object.Set, host string) ([]state.Host, error) {
	if host == "" {
		return compile.Hosts(set), nil
	}
	one, err := compile.Host(set, host)
	return []state.Host{one}, err
}

// writeJSON writes a list of states: names of fields as in package state,
// addresses and MACs as texts.
func writeJSON(w io.Writer, states []state.Host) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	if err := enc.Encode(states); err != nil {
		return fmt.Errorf("write the states: %w", err)
	}
	return nil
}

func writeTable(out io.Writer, states []state.Host) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i, h := range states {
		if i > 0 {
			fmt.Fprintln(w)
		}
		writeHost(w, h)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write the states: %w", err)
	}
	return nil
}

func writeHost(w io.Writer, h state.Host) {
	fmt.Fprintf(w, "host %s: %s, MTU %d", h.Name, list(h.Addresses), h.MTU)
	if h.VLAN != 0 {
		fmt.Fprintf(w, ", VLAN %d", h.VLAN)
	}
	fmt.Fprintf(w, ", %d peers\n", len(h.Peers))
	for _, v := range h.VPCs {
		fmt.Fprintf(w, "  VPC\t%s\tVNI %d\tdividers %s%s\n", v.Name, v.VNI, strings.Join(v.Dividers, ","), mark(v.Divider))
	}
	for _, s := range h.Subnets {
		fmt.Fprintf(w, "  subnet\t%s\tVNI %d\tbouncers %s%s\t%s\tgateway %s\n", s.Name, s.VNI, strings.Join(s.Bouncers, ","), mark(s.Bouncer != state.NoBouncer), list(s.CIDRs), list(s.Gateways))
	}
	for _, e := range h.Endpoints {
		fmt.Fprintf(w, "  endpoint\t%s\tVNI %d\tsubnet %s\t%s\t%s, MTU %d%s\n", e.Name, e.VNI, e.Subnet, list(e.Addresses), e.MAC, e.MTU, judges(e))
	}
	for _, l := range h.Directory {
		fmt.Fprintf(w, "  directory\t%s\tVNI %d\tsubnet %s\tat %s\n", l.Address, l.VNI, l.Subnet, l.Host)
	}
	writePolicy(w, h.Policy)
	for _, s := range h.Services {
		fmt.Fprintf(w, "  service\t%s\tVNI %d\t%s %s\tto %s\n", s.Name, s.VNI, protocol(s.Protocol), list(s.Frontends), behind(s))
	}
}

// behind shows what a service chooses from: few backends as they are, many by number.
func behind(s state.Service) string {
	const few = 8
	switch n := len(s.Backends); {
	case n == 0:
		return "nobody"
	case n > few:
		return fmt.Sprintf("%d backends, %d places", n, len(s.Table))
	}
	return fmt.Sprintf("%s, %d places", list(s.Backends), len(s.Table))
}

// mark shows a role that the host itself has.
func mark(here bool) string {
	if here {
		return " (here)"
	}
	return ""
}

func list[T netip.Addr | netip.AddrPort | netip.Prefix](all []T) string {
	var texts []string
	for _, one := range all {
		texts = append(texts, fmt.Sprint(one))
	}
	return strings.Join(texts, ",")
}
