// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mizar-net/mizar/sim/graph"
)

func graphCommand() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "graph SCENARIO",
		Short: "Draw a scenario's network",
		Long: `Draw the network of a scenario's topology and objects: VPCs, subnets, hosts with
their uplinks, endpoints and roles. As text, or as a self-contained SVG picture.
Needs no root.`,
		Example: `  mizar sim graph tour
  mizar sim graph tour -o svg > tour.svg`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := load(args[0])
			if err != nil {
				return err
			}
			var picture string
			switch output {
			case "text":
				picture = graph.Text(s.Objects) + graph.Underlay(s.Underlay, s.Objects)
			case "svg":
				picture = graph.SVGOver(s.Title, s.Underlay, s.Objects)
			default:
				return fmt.Errorf("--output: got %q, want text or svg", output)
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), picture)
			return err
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "text", "text or svg")
	return c
}
