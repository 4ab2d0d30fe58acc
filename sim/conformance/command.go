// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mizar-net/mizar/sim/run"
)

// ErrNotPassed says that an asked row did not pass: exit code 1, where anything
// else that went wrong is 2.
var ErrNotPassed = errors.New("not every asked row passes")

// Command is `mizar conformance`. suite makes what it runs, on the wires named.
func Command(suite func(wires []string) (Suite, error)) *cobra.Command {
	var asked question
	command := &cobra.Command{
		Use:   "conformance",
		Short: "Run the embedded scenarios and print the table of ACCEPTANCE rows",
		Long: `Run the embedded scenarios and print the table of ACCEPTANCE rows.

A row passes when every one of its cells (family, protocol, placement, subnet,
wire, underlay) ran and passed; it fails when anything labelled with it failed;
it is "none" when there is no test, or a cell is missing, which is then named.

Without --rows it asks for all that this version claims, and lists the other
rows as well. A row with parts can be asked for in part: A7/arp-nd.

Exit code 0: every asked row passes. 1: not every one. 2: bad input, or the
harness could not work. It needs root.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return asked.answer(cmd, suite) },
	}
	flags := command.Flags()
	flags.StringSliceVar(&asked.rows, "rows", nil, "rows to ask for, such as A1,B1 or A7/arp-nd (default: all that are claimed)")
	flags.StringVar(&asked.wire, "wire", "both", "testrun, veth or both; cells of a wire that is left out are missing")
	flags.StringVarP(&asked.output, "output", "o", "text", "text or json")
	return command
}

// question is what was asked on the command line.
type question struct {
	rows         []string
	wire, output string
}

// wires are the wires of a choice.
var wires = map[string][]string{"testrun": {"testrun"}, "veth": {"veth"}, "both": {"testrun", "veth"}}

func (q question) answer(cmd *cobra.Command, suite func([]string) (Suite, error)) error {
	write, known := map[string]func(Table, io.Writer) error{"text": Table.WriteText, "json": Table.WriteJSON}[q.output]
	if !known {
		return fmt.Errorf("--output: got %q, want text or json", q.output)
	}
	if wires[q.wire] == nil {
		return fmt.Errorf("--wire: got %q, want testrun, veth or both", q.wire)
	}
	all, err := Rows()
	if err != nil {
		return err
	}
	asks, shown := q.rows, all
	if len(asks) == 0 {
		asks = Claims(all)
	} else if shown, err = Select(all, asks); err != nil {
		return fmt.Errorf("--%w", err)
	}
	s, err := suite(wires[q.wire])
	if err != nil {
		return err
	}
	s.Notify = progress(cmd.ErrOrStderr())
	evidence, err := s.Run(cmd.Context(), asks)
	if err != nil {
		return err
	}
	if err := write(Judge(shown, evidence), cmd.OutOrStdout()); err != nil {
		return err
	}
	return verdict(all, asks, evidence)
}

// verdict is nil when every ask passes, and otherwise says which do not.
func verdict(all []Row, asks []string, evidence []run.Evidence) error {
	chosen, err := Select(all, asks)
	if err != nil {
		return err
	}
	table := Judge(chosen, evidence)
	if table.Passed() {
		return nil
	}
	short := slices.DeleteFunc(table.Rows, func(r Result) bool { return r.Status == Pass })
	names := make([]string, len(short))
	for i, row := range short {
		names[i] = fmt.Sprintf("%s (%s)", row.ID, row.Status)
	}
	return fmt.Errorf("%w: %s", ErrNotPassed, strings.Join(names, ", "))
}

// progress writes a line for each scenario that has run.
func progress(w io.Writer) func(run.Result, error) {
	return func(r run.Result, err error) {
		if err != nil {
			fmt.Fprintf(w, "%-5s %-24s %v\n", Fail, r.Scenario, err)
			return
		}
		checks, failed := r.Count()
		fmt.Fprintf(w, "%-5s %-24s %4d checks, %d failed, %.1f s on %s\n",
			r.Status, r.Scenario, checks, failed, r.Elapsed.Seconds(), strings.Join(r.Wires, " and "))
	}
}
