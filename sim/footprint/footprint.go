// SPDX-License-Identifier: Apache-2.0

// Package footprint weighs the maps of one host, as the kernel charges them
// (memlock in fdinfo), and holds them against row I6 of ACCEPTANCE.
//
//	Measure (a host, empty and with a crowd) ──► Weights ──► Judge (pure) ──► lines
package footprint

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/sim/crowd"
)

// Weights are what the maps of a host weigh.
type Weights struct {
	// Crowd is what the full host held.
	Crowd crowd.Crowd `json:"crowd"`
	// CPUs are those that the machine may have: some maps have rows for each.
	CPUs int `json:"cpus"`
	// Maps are all maps, by name.
	Maps []Map `json:"maps"`
}

// Map is one of them. Bytes are those that the kernel charges.
type Map struct {
	Name string `json:"name"`
	// Most is how many rows it has room for at its default size, Rows how
	// many the crowd put into it.
	Most uint32 `json:"most_rows"`
	Rows int    `json:"rows"`
	// Empty is what it weighs when it has just been made, Full with Rows.
	Empty uint64 `json:"empty_bytes"`
	Full  uint64 `json:"full_bytes"`
	// EachCPU is what each CPU has a part in of both.
	EachCPU uint64 `json:"bytes_each_cpu"`
}

// Measure loads a host at the default sizes, weighs it, gives it a crowd, and
// weighs it again.
func Measure(c crowd.Crowd) (Weights, error) {
	return MeasureWith(dataplane.Options{TokenSecret: 1}, c)
}

// MeasureWith does the same with other sizes than the defaults.
func MeasureWith(o dataplane.Options, c crowd.Crowd) (w Weights, err error) {
	d, err := dataplane.Load(o)
	if err != nil {
		return Weights{}, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	empty, err := d.Memory()
	if err != nil {
		return Weights{}, err
	}
	wrote, err := d.Apply(c.State())
	if err != nil {
		return Weights{}, err
	}
	full, err := d.Memory()
	if err != nil {
		return Weights{}, err
	}
	spec, err := bpf.LoadRow()
	if err != nil {
		return Weights{}, fmt.Errorf("read the sizes of the maps: %w", err)
	}
	w = Weights{Crowd: c}
	if w.CPUs, err = ebpf.PossibleCPU(); err != nil {
		return Weights{}, fmt.Errorf("count the CPUs: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(full)) {
		w.Maps = append(w.Maps, Map{
			Name: name, Most: spec.Maps[name].MaxEntries, Rows: wrote[name].Puts, Empty: empty[name], Full: full[name], EachCPU: eachCPU(spec.Maps[name]),
		})
	}
	return w, nil
}

// eachCPU is what a map has for each CPU: values in whole words.
func eachCPU(m *ebpf.MapSpec) uint64 {
	if m.Type != ebpf.PerCPUArray && m.Type != ebpf.PerCPUHash && m.Type != ebpf.LRUCPUHash {
		return 0
	}
	return uint64(m.MaxEntries) * uint64((m.ValueSize+7)&^7)
}

// On is what all maps weigh, empty, on a machine of so many CPUs.
func (w Weights) On(cpus int) float64 {
	all := 0.0
	for _, m := range w.Maps {
		all += float64(m.Empty) + float64(cpus-w.CPUs)*float64(m.EachCPU)
	}
	return all
}

// Total is what all maps weigh, empty and full.
func (w Weights) Total() (empty, full uint64) {
	for _, m := range w.Maps {
		empty += m.Empty
		full += m.Full
	}
	return empty, full
}

// share is what one of so many owners, of whom there can be most, has of a map:
// its part of what they put in, and of what the map weighs without any.
func (m Map) share(owners int, most uint32) float64 {
	if most == 0 {
		return 0
	}
	if owners == 0 {
		return float64(m.Empty) / float64(most) // allocated beforehand
	}
	return (float64(m.Full)-float64(m.Empty))/float64(owners) + float64(m.Empty)/float64(most)
}

// of is the map of a name; none weighs nothing.
func (w Weights) of(name string) Map {
	for _, m := range w.Maps {
		if m.Name == name {
			return m
		}
	}
	return Map{}
}
