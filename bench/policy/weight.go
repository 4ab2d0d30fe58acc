// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"errors"
	"fmt"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/dataplane"
)

// Weight is what the rules of a host weigh in the kernel.
type Weight struct {
	// Rules are those of policies, one each, on so many endpoints.
	Rules     int `json:"rules"`
	Endpoints int `json:"endpoints"`
	// Rows are those of each map, Bytes what the kernel charges for those rows, or
	// for what their number is of a map that is allocated beforehand.
	Rows  map[string]int     `json:"rows"`
	Bytes map[string]float64 `json:"bytes"`
}

// PerRule is the bytes of all maps that a rule has rows in.
func (w Weight) PerRule() float64 {
	sum := 0.0
	for _, b := range w.Bytes {
		sum += b
	}
	return sum / float64(w.Rules)
}

// Weigh lets one host hold more and more policies, and weighs its maps.
func Weigh(ctx context.Context) ([]Weight, error) {
	var all []Weight
	for _, policies := range []int{1, 100, 1000, 10_000} {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		w, err := weigh(size{namespaces: 10, hosts: 1, endpoints: 1000, apps: 100, policies: policies})
		if err != nil {
			return nil, fmt.Errorf("weigh %d policies: %w", policies, err)
		}
		all = append(all, w)
	}
	return all, nil
}

// countedRules is room for all rules and for those that isolate.
const countedRules = 32_768

func weigh(z size) (w Weight, err error) {
	set, err := z.set()
	if err != nil {
		return w, err
	}
	d, err := dataplane.Load(dataplane.Options{TokenSecret: 1, Limits: map[string]uint32{bpf.RowMapRules: countedRules}})
	if err != nil {
		return w, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	empty, err := d.Memory()
	if err != nil {
		return w, err
	}
	s := compile.Hosts(set)[0]
	report, err := d.Apply(s, machine(s))
	if err != nil {
		return w, err
	}
	full, err := d.Memory()
	if err != nil {
		return w, err
	}
	w = Weight{Rules: z.policies, Endpoints: z.endpoints, Rows: map[string]int{}, Bytes: map[string]float64{}}
	for _, name := range policyMaps {
		w.Rows[name] = report[name].Puts
		w.Bytes[name] = float64(full[name]) - float64(empty[name])
	}
	const sets = bpf.RowMapPolicySets
	w.Bytes[sets] = float64(full[sets]) / float64(bpf.Sets()) * float64(w.Rows[sets])
	counted := len(d.Index().Rules)
	w.Rows[bpf.RowMapRules] = counted
	w.Bytes[bpf.RowMapRules] = float64(full[bpf.RowMapRules]) / countedRules * float64(counted)
	return w, nil
}
