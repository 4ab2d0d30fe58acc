// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"github.com/spf13/cobra"

	"github.com/mizar-net/mizar/sim/scenario"
)

func schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON schema of scenario files, for editors",
		Long: `Print the JSON schema (draft 2020-12) of scenario files. Editors that speak YAML
complete and check by it; name it in the first line of a scenario:

  # yaml-language-server: $schema=scenario.schema.json

It is made from the decoder itself. What names belong to and what goes together
only mizar sim validate knows.`,
		Example: "  mizar sim schema > scenario.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := scenario.Schema()
			if err == nil {
				_, err = cmd.OutOrStdout().Write(b)
			}
			return err
		},
	}
}
