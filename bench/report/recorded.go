// SPDX-License-Identifier: Apache-2.0

package report

import _ "embed"

//go:embed recorded.json
var recorded []byte

// Recorded are the figures that short runs are compared with:
// `mizar bench --brief -o json > bench/report/recorded.json`.
//
// They say something on the kind of machine that they are of: another CPU has other
// ratios, not only other times.
func Recorded() (Machine, []Figure, error) {
	d, err := Parse(recorded)
	return d.Machine, d.Figures, err
}
