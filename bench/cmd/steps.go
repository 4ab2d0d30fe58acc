// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/mizar-net/mizar/bench/suite"
)

func stepsCommand() *cobra.Command {
	var lines int
	var calls bool
	c := &cobra.Command{
		Use:   "steps [CASE...]",
		Short: "Count the instructions that one packet executes, the same on every machine",
		Long: `Counts what one packet makes the XDP programs do: instructions, loads, stores,
branches, lookups and updates (the counter of the verdict among them). The objects'
own instructions are walked, over rows that stand in the kernel's maps; helpers
count as one. Unlike time this is the same everywhere, so it shows what a change of
the C does on a machine that is never quiet. --lines names the lines of the C that
cost most, --calls what is called in which order, and with which map.`,
		RunE: func(cmd *cobra.Command, names []string) error {
			all, err := suite.CountSteps()
			if err != nil {
				return err
			}
			if len(names) > 0 {
				all = slices.DeleteFunc(all, func(s suite.Steps) bool { return !slices.Contains(names, s.Case) })
				if len(all) == 0 {
					return fmt.Errorf("no case %s has its steps counted; see mizar bench steps", strings.Join(names, " or "))
				}
			}
			if err := suite.WriteSteps(cmd.OutOrStdout(), all); err != nil {
				return err
			}
			if calls {
				writeCalls(cmd.OutOrStdout(), all)
			}
			if lines == 0 {
				return nil
			}
			return writeLines(cmd.OutOrStdout(), all, lines)
		},
	}
	c.Flags().IntVar(&lines, "lines", 0, "also show so many lines of the C, the dearest first")
	c.Flags().BoolVar(&calls, "calls", false, "also show what is called, in order")
	return c
}

func writeCalls(w io.Writer, all []suite.Steps) {
	for _, s := range all {
		fmt.Fprintf(w, "\n%s v%d\n", s.Case, s.Family)
		for _, name := range s.Order {
			fmt.Fprintf(w, "  %s\n", name)
		}
	}
}

func writeLines(w io.Writer, all []suite.Steps, most int) error {
	for _, s := range all {
		fmt.Fprintf(w, "\n%s v%d\n", s.Case, s.Family)
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		for i, l := range s.Dearest() {
			if i == most {
				break
			}
			fmt.Fprintf(t, "%d\t%s\t\n", l.Instructions, l.At)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	return nil
}
