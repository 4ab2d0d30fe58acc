// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mizar-net/mizar/sim/record"
)

func recordCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "record SCENARIO -o DIR",
		Short: "Make a scenario out of a run, with golden captures",
		Long: `Run a scenario on the testrun wire and write what happened as a new one: each
conversation with what became of it, each frame that was put on a port as a
capture, and what came out as a golden capture with its text beside it. Where the
scenario runs over both families of the underlay, there is one for each. They run
on both wires, and pass until something changes.

Rows of ACCEPTANCE are left out: a recording says what was, not what is right.
Live captures are not recorded yet; mizar sim replay --record takes a capture
file.`,
		Example: `  mizar sim record tour -o recorded
  mizar sim run recorded/*.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			s, err := load(args[0])
			if err = errors.Join(err, needRoot()); err != nil {
				return err
			}
			var kept pools
			defer func() { err = errors.Join(err, kept.close()) }()
			files, err := record.Record(cmd.Context(), s, record.Options{Dir: dir, Config: config(&kept, nil), Maker: kept.testrun.Make})
			for _, file := range files {
				fmt.Fprintf(cmd.OutOrStdout(), "%s: recorded\n", file)
			}
			if errors.Is(err, record.ErrFailed) {
				return fmt.Errorf("%w: %w", ErrFailed, err)
			}
			return err
		},
	}
	c.Flags().StringVarP(&dir, "output", "o", "", "the folder to write to")
	if err := c.MarkFlagRequired("output"); err != nil {
		panic(err) // there is no such flag
	}
	return c
}
