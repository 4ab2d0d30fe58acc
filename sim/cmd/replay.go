// SPDX-License-Identifier: Apache-2.0

package cmd

import "github.com/spf13/cobra"

func replayCommand() *cobra.Command {
	return &cobra.Command{Use: "replay"}
}
