// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/mizar-net/mizar/sim/crowd"
	"github.com/mizar-net/mizar/sim/footprint"
)

func memoryCommand() *cobra.Command {
	c := crowd.Crowd{Family: 4, Guard: footprint.Typical.Guard}
	output := ""
	cmd := &cobra.Command{
		Use:   "memory",
		Short: "Weigh the maps of a host, each by its name, and an endpoint's share",
		Long: `Weigh the maps of one host, each by its name, as the kernel charges them (memlock
in fdinfo): at the default sizes when it has just been loaded, and with a crowd.
Below it the limits of row I6 of ACCEPTANCE.

Exit codes: 0 within the limits, 1 over one, 2 anything else.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return weigh(cmd.OutOrStdout(), c, output) },
	}
	f := cmd.Flags()
	f.StringVarP(&output, "output", "o", "text", "text or json")
	f.IntVar(&c.Endpoints, "endpoints", footprint.Typical.Endpoints, "endpoints behind the host")
	f.IntVar(&c.Directory, "directory", 1_000_000, "addresses in its directory")
	f.IntVar(&c.Hosts, "hosts", 1000, "other hosts")
	f.IntVar(&c.VPCs, "vpcs", 100, "VPCs")
	return cmd
}

func weigh(w io.Writer, c crowd.Crowd, output string) error {
	if output != "text" && output != "json" {
		return fmt.Errorf("--output: got %q, want text or json", output)
	}
	if c.Hosts < 1 || c.VPCs < 1 || c.Endpoints < 1 || c.Directory < 1 {
		return fmt.Errorf("--hosts %d, --vpcs %d, --endpoints %d, --directory %d: want at least one of each", c.Hosts, c.VPCs, c.Endpoints, c.Directory)
	}
	if os.Geteuid() != 0 {
		return errors.New("this loads BPF programs, which needs root: run it with sudo")
	}
	weights, err := footprint.Measure(c)
	if err != nil {
		return err
	}
	lines := footprint.Judge(weights)
	show := writeWeights
	if output == "json" {
		show = writeWeightsJSON
	}
	if err := show(w, weights, lines); err != nil {
		return err
	}
	if slices.ContainsFunc(lines, func(l footprint.Line) bool { return l.Status == footprint.Miss }) {
		return fmt.Errorf("limits of memory: %w", ErrMissed)
	}
	return nil
}

func writeWeights(w io.Writer, weights footprint.Weights, lines []footprint.Line) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "MAP\tMOST ROWS\tBYTES EMPTY\tROWS\tBYTES\t")
	for _, m := range weights.Maps {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t\n", m.Name, m.Most, m.Empty, m.Rows, m.Full)
	}
	empty, full := weights.Total()
	fmt.Fprintf(t, "all\t\t%d\t\t%d\t\n", empty, full)
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	t = tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "ROW I6\tBYTES\tAT MOST\tOUTCOME")
	for _, l := range lines {
		bytes := fmt.Sprintf("%.0f", l.Bytes)
		if l.Status == footprint.NotThere {
			bytes = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%.0f\t%s\n", l.What, bytes, l.Limit, l.Status)
	}
	return t.Flush()
}

func writeWeightsJSON(w io.Writer, weights footprint.Weights, lines []footprint.Line) error {
	empty, full := weights.Total()
	return encode(w, map[string]any{"crowd": weights.Crowd, "maps": weights.Maps, "empty_bytes": empty, "full_bytes": full, "limits": lines})
}
