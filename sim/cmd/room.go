// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/dataplane/flow/collector"
	"github.com/mizar-net/mizar/sim/lab"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/topology/netns"
)

func upCommand() *cobra.Command {
	var verbose bool
	c := &cobra.Command{
		Use:   "up SCENARIO",
		Short: "Build a scenario's network and leave it standing",
		Long: `Build the network of a scenario's topology and objects, with programs at all
ports, and leave it standing: namespaces, links and programs stay until
"mizar sim down" with the scenario's name. Its steps are not run.`,
		Example: `  mizar sim up tour
  mizar sim exec tour red-1 -- ping -c 1 10.0.0.3
  mizar sim down tour`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return up(cmd, args[0], verbose) },
	}
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "print how simulated devices are set")
	return c
}

func up(cmd *cobra.Command, name string, verbose bool) error {
	s, err := load(name)
	if err != nil {
		return err
	}
	if err := needRoot(); err != nil {
		return err
	}
	report, err := lab.UpOver(cmd.Context(), s.Name, s.Underlay, compile.Hosts(s.Standing()))
	if err != nil {
		return err
	}
	w := cmd.OutOrStdout()
	if verbose {
		if err := report.Write(w); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(w, "%s is up: %d hosts, %d endpoints\nnext: mizar sim exec %s ENDPOINT -- COMMAND…, then mizar sim down %s\n",
		s.Name, len(s.Objects.Hosts), len(s.Objects.Endpoints), s.Name, s.Name)
	return err
}

// exitError is the exit code of somebody else's command.
type exitError int

// Error says which code.
func (e exitError) Error() string { return fmt.Sprintf("the command ended with exit code %d", int(e)) }

func execCommand() *cobra.Command {
	return &cobra.Command{
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
			code, err := lab.Exec(cmd.Context(), lab.Command{
				Lab: args[0], Who: args[1], Argv: args[2:],
				Stdin: os.Stdin, Stdout: cmd.OutOrStdout(), Stderr: cmd.ErrOrStderr(),
			})
			if err == nil && code != 0 {
				return exitError(code)
			}
			return err
		},
	}
}

func tendCommand() *cobra.Command {
	var verbose bool
	var every time.Duration
	c := &cobra.Command{
		Use:   "tend NETWORK",
		Short: "Do for a network that is up what agents would: end its flows",
		Long: `Do for a network that is up what agents would do at its hosts, which it has none
of, until interrupted: flows whose time is up go. Each pass that removed something
is told.`,
		Example: `  mizar sim up tour
  mizar sim tend tour &
  mizar get flows`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if every <= 0 {
				return fmt.Errorf("--every: got %s, want more than 0", every)
			}
			if err := needRoot(); err != nil {
				return err
			}
			return lab.Tend(cmd.Context(), args[0], lab.Tending{Every: every, Report: func(host string, p collector.Pass) {
				if verbose || p.Removed() > 0 || p.Err != nil {
					fmt.Fprintf(cmd.OutOrStdout(), "%s/%s: %s\n", args[0], host, p)
				}
			}})
		},
	}
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "tell passes that removed nothing, too")
	c.Flags().DurationVar(&every, "every", collector.Every, "time between two passes while tables are at most half full")
	return c
}

func downCommand() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:     "down NETWORK…",
		Short:   "Remove networks that are up",
		Example: "  mizar sim down tour\n  mizar sim down --all",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needRoot(); err != nil {
				return err
			}
			if all {
				return downAll(cmd.OutOrStdout())
			}
			if len(args) == 0 {
				return errors.New("down: got no network, want names of networks that are up, or --all")
			}
			var errs []error
			for _, name := range args {
				errs = append(errs, lab.Down(name))
			}
			return errors.Join(errs...)
		},
	}
	c.Flags().BoolVar(&all, "all", false, "all that are up, and what killed ones have left")
	return c
}

// downAll removes everything, and says what there was.
func downAll(w io.Writer) error {
	gone, err := lab.DownAll()
	for _, l := range gone {
		fmt.Fprintf(w, "down: %s, which was %s\n", l.Name, l.State)
	}
	return err
}

// listRooms prints the networks that are up.
func listRooms(w io.Writer) error {
	labs, err := lab.List()
	if err != nil {
		return err
	}
	for _, l := range labs {
		var endpoints []string
		for _, e := range l.Endpoints {
			endpoints = append(endpoints, scenario.Short(e))
		}
		fmt.Fprintf(w, "%s: %s, hosts %s, endpoints %s\n", l.State, l.Name, strings.Join(l.Hosts, " "), strings.Join(endpoints, " "))
		if l.State == netns.Half {
			fmt.Fprintf(w, "  its builder was killed; mizar sim down %s removes what is left\n", l.Name)
		}
	}
	return nil
}
