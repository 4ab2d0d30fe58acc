// SPDX-License-Identifier: Apache-2.0

package golden

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/sim/frame"
)

// option makes the fields of one Geneve option: first whether it's there, then
// its members by name.
func option[T any](name string, get func(frame.Options) *T, members map[string]func(T) any) []field {
	list := []field{{name, func(p frame.Packet) string {
		if get(p.Options) == nil {
			return ""
		}
		return "present"
	}}}
	for _, member := range slices.Sorted(maps.Keys(members)) {
		list = append(list, field{name + "." + member, func(p frame.Packet) string {
			o := get(p.Options)
			if o == nil {
				return ""
			}
			return fmt.Sprint(members[member](*o))
		}})
	}
	return list
}

func others(list []frame.Option) string {
	var parts []string
	for _, o := range list {
		parts = append(parts, fmt.Sprintf("%#04x/%d:%x", o.Class, o.Type, o.Data))
	}
	return strings.Join(parts, " ")
}
