// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mizar-net/mizar/sim/scenarios"
)

func validateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "validate SCENARIO…",
		Short: "Check scenarios without running them",
		Long: `Check scenarios without running them.

All that is wrong is told at once: file, line, field, what stands there and what
was expected. Needs no root. Exit code 2 when anything is wrong.`,
		Example: `  mizar sim validate my-scenario.yaml
  mizar sim validate tour scenarios/*.yaml`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			all, err := loadAll(args)
			if err != nil {
				return err
			}
			for _, s := range all {
				fmt.Fprintf(cmd.OutOrStdout(), "%s: %d steps, valid\n", s.File, len(s.Steps))
			}
			return nil
		},
	}
}

func listCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the scenarios that come with mizar, and networks that are up",
		Example: "  mizar sim list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, name := range scenarios.Names() {
				s, err := scenarios.Load(name)
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%-14s %s\n", s.Name, s.Title)
			}
			return listRooms(cmd.OutOrStdout())
		},
	}
}
