// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// Command is `mizar sim corpus`.
func Command() *cobra.Command {
	output := "text"
	command := &cobra.Command{
		Use:   "corpus DIR...",
		Short: "Send foreign captures through the programs and count what becomes of them",
		Long: `Send foreign captures through the programs and count what becomes of them.

Every frame of every .pcap, .cap and .pcapng file under the folders is sent by an
endpoint, carried in a tunnel and met on the underlay, as it is and with the
addresses replaced. What comes out is held to what went in: a verdict that fits
the action, a reason for each drop, counted once, checksums as right or wrong as
before, nothing changed but what the network may change.

Exit code 0: no surprise. 1: some, which are then listed with their frames.
2: the corpus could not be run. It needs root.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, folders []string) error { return runCommand(cmd, output, folders) },
	}
	command.Flags().StringVarP(&output, "output", "o", output, "text or json")
	return command
}

func runCommand(cmd *cobra.Command, output string, folders []string) (err error) {
	write, known := map[string]func(Report, io.Writer) error{"text": Report.WriteText, "json": Report.WriteJSON}[output]
	if !known {
		return fmt.Errorf("--output: got %q, want text or json", output)
	}
	m, err := testrun.Load("h3")
	if err != nil {
		return fmt.Errorf("load the programs (this needs root): %w", err)
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	report, err := Run(cmd.Context(), m, folders...)
	if err != nil {
		return err
	}
	if err := write(report, cmd.OutOrStdout()); err != nil {
		return err
	}
	if report.Surprises > 0 {
		return fmt.Errorf("%w: %d surprises in %d frames", ErrSurprise, report.Surprises, report.Frames)
	}
	return nil
}
