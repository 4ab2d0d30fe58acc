// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"github.com/spf13/cobra"

	"github.com/mizar-net/mizar/bench/verifier"
)

func verifierCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verifier",
		Short: "Report what the kernel's verifier says about the programs",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			lines, err := verifier.Report()
			if err != nil {
				return err
			}
			return verifier.Write(cmd.OutOrStdout(), lines, verifier.All)
		},
	}
}
