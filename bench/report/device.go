// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
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
	for _, name := range d.names() {
		words = append(words, name+" "+onOff(d.Offloads[name]))
	}
	return strings.Join(words, ", ")
}

// names are the offloads', sorted; states are in the same order.
func (d Device) names() []string { return slices.Sorted(maps.Keys(d.Offloads)) }

func (d Device) states(separator string) string {
	var all []string
	for _, name := range d.names() {
		all = append(all, onOff(d.Offloads[name]))
	}
	return strings.Join(all, separator)
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
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
func writeAside(w io.Writer, d Document) error {
	if err := writeDevices(w, d.Figures); err != nil {
		return err
	}
	said := map[string]bool{}
	for _, f := range d.Figures {
		if line := fmt.Sprintf("%s v%d: %s\n", f.Name, f.Family, f.Note); f.Note != "" && !said[line] {
			said[line] = true
			fmt.Fprint(w, line)
		}
	}
	for _, o := range d.Omissions {
		fmt.Fprintln(w, o)
	}
	return nil
}

// writeDevices prints how the devices were set, each way once.
func writeDevices(w io.Writer, figures []Figure) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	said := map[string]bool{}
	for _, f := range figures {
		for _, v := range f.Devices {
			line := fmt.Sprintf("%s\tv%d\t%s\t%d\t%s\t", v.Contender, f.Family, v.Role, v.MTU, v.states("\t"))
			if said[line] {
				continue
			}
			if len(said) == 0 {
				fmt.Fprintf(t, "CONTENDER\tFAMILY\tDEVICE\tMTU\t%s\t\n", strings.ToUpper(strings.Join(v.names(), "\t")))
			}
			said[line] = true
			fmt.Fprintln(t, line)
		}
	}
	return t.Flush()
}
