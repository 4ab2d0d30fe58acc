// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/wire/veth"
	"github.com/mizar-net/mizar/topology"
	"github.com/mizar-net/mizar/topology/netns"
)

func upCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "up SCENARIO",
		Short: "Build a scenario's network and leave it standing",
		Long: `Build the network of a scenario's topology and objects, with programs at all
ports, and leave it standing: namespaces, links and programs stay until
"mizar sim down" with the scenario's name. Its steps are not run.`,
		Example: `  mizar sim up tour
  mizar sim exec tour red-1 -- ping -c 1 10.0.0.3
  mizar sim down tour`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := load(args[0])
			if err != nil {
				return err
			}
			if err := needRoot(); err != nil {
				return err
			}
			states := compile.Hosts(s.Objects)
			if err := build(cmd.Context(), s.Name, states); err != nil {
				return fmt.Errorf("build the network of %s: %w", s.Name, err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is up: %d hosts, %d endpoints.\nNext: mizar sim exec %s ENDPOINT -- COMMAND…; mizar sim down %s\n",
				s.Name, len(s.Objects.Hosts), len(s.Objects.Endpoints), s.Name, s.Name)
			return err
		},
	}
}

// build makes a machine room with a name, or nothing at all.
func build(ctx context.Context, name string, states []state.Host) (err error) {
	rooms, err := netns.List()
	if err != nil {
		return err
	}
	for _, r := range rooms {
		if r.Name == name {
			return fmt.Errorf("it is up already; take it down first (mizar sim down %s)", name)
		}
	}
	room, err := netns.Build(ctx, topology.FromStates(states), netns.Options{Name: name})
	if err != nil {
		return err
	}
	for _, h := range states {
		if err = errors.Join(ctx.Err(), program(room, h)); err != nil {
			return errors.Join(fmt.Errorf("host %s: %w", h.Name, err), room.Close())
		}
	}
	return room.Release()
}

// program fills a host's maps and leaves its programs at the ports; what holds
// them from then on are the devices.
func program(room *netns.Net, h state.Host) (err error) {
	local, err := room.Local(h.Name)
	if err != nil {
		return err
	}
	d, err := veth.LoadLive()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if _, err := d.Apply(h, local); err != nil {
		return err
	}
	return room.Attach(h.Name, netns.Programs{Uplink: d.Uplink(), Endpoint: d.Endpoint()})
}

func execCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "exec NETWORK WHO -- COMMAND…",
		Short: "Run a command inside an endpoint or host of a network that is up",
		Long: `Run a command inside the namespace of an endpoint or a host of a network that
is up; "fabric" is the underlay's own. The exit code is the command's.`,
		Example: `  mizar sim exec tour red-1 -- ping -c 1 10.0.0.3
  mizar sim exec tour h1 -- ip addr`,
		Args: cobra.MinimumNArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needRoot(); err != nil {
				return err
			}
			return netns.Enter(args[0], args[1], func() error {
				child := exec.CommandContext(cmd.Context(), args[2], args[3:]...)
				child.Stdin, child.Stdout, child.Stderr = os.Stdin, cmd.OutOrStdout(), cmd.ErrOrStderr()
				if err := child.Run(); err != nil {
					return fmt.Errorf("run %q in %s of %s: %w", strings.Join(args[2:], " "), args[1], args[0], err)
				}
				return nil
			})
		},
	}
	return c
}

func downCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "down NETWORK…",
		Short:   "Remove networks that are up",
		Example: "  mizar sim down tour",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needRoot(); err != nil {
				return err
			}
			var errs []error
			for _, name := range args {
				errs = append(errs, netns.Down(name))
			}
			return errors.Join(errs...)
		},
	}
}

// listRooms prints the networks that are up.
func listRooms(w io.Writer) error {
	rooms, err := netns.List()
	if err != nil {
		return err
	}
	for _, r := range rooms {
		var endpoints []string
		for _, e := range r.Endpoints {
			endpoints = append(endpoints, scenario.Short(e))
		}
		fmt.Fprintf(w, "up: %s, hosts %s, endpoints %s\n", r.Name, strings.Join(r.Hosts, " "), strings.Join(endpoints, " "))
	}
	return nil
}
