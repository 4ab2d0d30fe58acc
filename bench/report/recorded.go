// SPDX-License-Identifier: Apache-2.0

package report

import _ "embed"

//go:embed recorded.json
var recorded []byte

// Recorded are the figures that short runs are compared with:
// `mizar bench --brief -o json > bench/report/recorded.json`.
func Recorded() ([]Figure, error) {
	d, err := Parse(recorded)
	return d.Figures, err
}
