// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Device is how one of the devices on the way was set while a figure was
// measured: offloads decide about streams more than programs do.
type Device struct {
	// Contender is whose it is: the figure's own, or its floor's.
	Contender string `json:"contender"`
	// Role is "endpoint", "port" or "underlay".
	Role string `json:"role"`
	MTU  int    `json:"mtu"`
	// Offloads are the kernel's states of them, by short names.
	Offloads map[string]bool `json:"offloads"`
}

// String is a device in a line.
func (d Device) String() string {
	words := []string{fmt.Sprintf("MTU %d", d.MTU)}
	for _, name := range slices.Sorted(maps.Keys(d.Offloads)) {
		state := "off"
		if d.Offloads[name] {
			state = "on"
		}
		words = append(words, name+" "+state)
	}
	return strings.Join(words, ", ")
}

// Omission is what was asked for and could not be measured. It is no pass of
// anything.
type Omission struct {
	// Cases is the name of a case, or the beginning of some.
	Cases string `json:"cases"`
	// Why says what is missing and how to get it.
	Why string `json:"why"`
}

// String is the one line about it.
func (o Omission) String() string { return fmt.Sprintf("not measured: %s: %s", o.Cases, o.Why) }

// writeAside prints what belongs to figures and has no column: notes, devices,
// and what was left out.
func writeAside(w io.Writer, d Document) {
	said := map[string]bool{}
	once := func(line string) {
		if !said[line] {
			said[line] = true
			fmt.Fprintln(w, line)
		}
	}
	for _, f := range d.Figures {
		if f.Note != "" {
			once(fmt.Sprintf("%s v%d: %s", f.Name, f.Family, f.Note))
		}
		for _, v := range f.Devices {
			once(fmt.Sprintf("%s v%d, %s, %s: %s", f.Name, f.Family, v.Contender, v.Role, v))
		}
	}
	for _, o := range d.Omissions {
		once(o.String())
	}
}
