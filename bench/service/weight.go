// SPDX-License-Identifier: Apache-2.0

package service

import (
	"errors"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/crowd"
)

// WeightLimit is what the tables of 10,000 services of ten backends each may weigh, in
// bytes.
const WeightLimit = 64 << 20

// tableMaps are the maps that services have their backends in.
var tableMaps = []string{bpf.RowMapServices, bpf.RowMapChoices, bpf.RowMapBackends}

// Weight is what services weigh in the kernel.
type Weight struct {
	Services int `json:"services"`
	Backends int `json:"backends"`
	// Rows are those that were written, Bytes what the kernel charges for maps that
	// have room for them and no more.
	Rows  map[string]int     `json:"rows"`
	Bytes map[string]float64 `json:"bytes"`
}

// Total is the bytes of all maps.
func (w Weight) Total() float64 {
	sum := 0.0
	for _, b := range w.Bytes {
		sum += b
	}
	return sum
}

// Weigh lets one host hold so many services of ten backends each, and weighs its maps.
func Weigh(services int) (w Weight, err error) {
	s, l := crowd.Crowd{Family: 4, VPCs: 1, Hosts: 10, Endpoints: 1, Services: services}.State()
	d, err := dataplane.Load(dataplane.Options{TokenSecret: 1, Limits: held(s.Services)})
	if err != nil {
		return w, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	report, err := d.Apply(s, l)
	if err != nil {
		return w, err
	}
	full, err := d.Memory()
	if err != nil {
		return w, err
	}
	w = Weight{Services: services, Backends: crowd.Backends, Rows: map[string]int{}, Bytes: map[string]float64{}}
	for _, name := range tableMaps {
		w.Rows[name], w.Bytes[name] = report[name].Puts, float64(full[name])
	}
	return w, nil
}

// held is the room that services take, without any to spare.
func held(all []state.Service) map[string]uint32 {
	rows := map[string]uint32{}
	for _, s := range all {
		rows[bpf.RowMapServices] += 2 * uint32(len(s.Frontends)) // of the port, and of the address
		rows[bpf.RowMapChoices] += uint32((len(s.Table) + places - 1) / places)
		rows[bpf.RowMapBackends] += uint32(len(s.Backends))
	}
	return rows
}
