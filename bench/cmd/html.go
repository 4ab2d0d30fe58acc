// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"errors"
	"fmt"
	"os"

	"github.com/mizar-net/mizar/bench/report"
)

// writeFile writes the page of a run.
func writeFile(name string, d report.Document) error {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("--html: %w", err)
	}
	return errors.Join(report.WriteHTML(f, d), f.Close())
}
