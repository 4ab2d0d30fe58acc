// SPDX-License-Identifier: Apache-2.0

// Mizar is a cloud network built on XDP. This is its one binary.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	bench "github.com/mizar-net/mizar/bench/cmd"
	objects "github.com/mizar-net/mizar/controlplane/cmd"
	kernel "github.com/mizar-net/mizar/dataplane/cmd"
	sim "github.com/mizar-net/mizar/sim/cmd"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	err := root().ExecuteContext(ctx)
	interrupted := ctx.Err() != nil && errors.Is(err, context.Canceled)
	stop()
	switch {
	case interrupted:
		fmt.Fprintf(os.Stderr, "mizar: interrupted; what was built is taken down (%v)\n", err)
	case err != nil:
		fmt.Fprintf(os.Stderr, "mizar: %v\n", err)
	}
	if errors.Is(err, bench.ErrMissed) || errors.Is(err, kernel.ErrNotHere) {
		os.Exit(1)
	}
	os.Exit(sim.ExitCode(err))
}

// root puts together the commands of the rooms.
func root() *cobra.Command {
	c := &cobra.Command{
		Use:   "mizar",
		Short: "A cloud network built on XDP",
		Long: `Mizar is a cloud network built on XDP: many tenants share the hosts of one
underlay, and the programs at each port do all of it in the kernel's earliest
hook. Start with

  mizar sim run tour

Exit codes: 0 pass, 1 a failed expectation, 2 bad input or a broken harness.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	c.AddCommand(sim.Commands()...)
	c.AddCommand(bench.Commands()...)
	c.AddCommand(objects.Commands()...)
	c.AddCommand(kernel.Commands()...)
	c.AddCommand(versionCommand())
	return c
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this binary",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Fprintln(cmd.OutOrStdout(), version())
			return nil
		},
	}
}

// version is what the Go toolchain wrote into the binary.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "mizar (built without module information)"
	}
	text := "mizar " + info.Main.Version + " " + info.GoVersion
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			text += " " + s.Value
		}
	}
	return text
}
