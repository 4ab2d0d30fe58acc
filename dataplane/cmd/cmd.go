// SPDX-License-Identifier: Apache-2.0

// Package cmd has the commands for what is in this machine's kernel: `mizar get`.
package cmd

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// ErrNotHere says that there is no datapath of Mizar's on this machine, or none of
// the host that was asked for: exit code 1, where anything else that went wrong is 2.
var ErrNotHere = errors.New("not on this machine")

// Commands are all commands of this room.
func Commands() []*cobra.Command {
	c := &cobra.Command{
		Use:   "get",
		Short: "Show what the kernel holds: flows",
		Long: `Show what the kernel holds of Mizar on this machine, whoever loaded it: an agent,
or a simulated network that stands (mizar sim up, mizar sim run --keep).`,
		Args: cobra.NoArgs, // or else a command that is not there would print this and pass
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(flowsCommand())
	return []*cobra.Command{c}
}

// oneOf refuses a flag's value that is not one of those known.
func oneOf(flag, value string, known ...string) error {
	for _, k := range known {
		if value == k {
			return nil
		}
	}
	return fmt.Errorf("--%s: got %q, want one of %v", flag, value, known)
}
