// SPDX-License-Identifier: Apache-2.0

package replay

import "slices"

// Maps are the names of all maps that fields are said to come from.
func Maps() []string {
	all := slices.Clone(leading)
	for _, s := range sources {
		all = append(all, s.maps...)
	}
	return all
}
