// SPDX-License-Identifier: Apache-2.0

package encode

import (
	"fmt"
	"maps"
	"slices"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/state"
)

const (
	maxVNI      = 1<<24 - 1
	maxIdentity = 1<<24 - 1
)

// Encode returns the rows of a host that holds s on the machine l, and the
// numbers that stand in them, to be given to the next Encode as before. Errors
// name what of s or l contradicts itself; then nothing must be written.
func Encode(s state.Host, l state.Local, before Index) (Rows, Index, error) {
	e := encoder{host: s, local: l, rows: newRows(s)}
	e.number(before)
	services := func() error { return e.services(before) }
	steps := []func() error{e.hosts, e.vpcs, e.subnets, e.policy, services, e.endpoints, e.directory, e.routes}
	for _, step := range steps {
		if err := step(); err != nil {
			return Rows{}, Index{}, fmt.Errorf("encode the state of host %s: %w", s.Name, err)
		}
	}
	return e.rows, e.index, nil
}

type encoder struct {
	host  state.Host
	local state.Local
	index Index
	rows  Rows

	subnet map[string]state.Subnet
	sets   map[string]state.PolicySet
	// frontends and blocks become rows.Services and rows.Blocks.
	frontends *keptEdit[bpf.RowServiceKey, bpf.RowService]
	blocks    *keptEdit[string, Block]
}

func (e *encoder) number(before Index) {
	var hosts, subnets, endpoints []string
	for _, p := range e.host.Peers {
		hosts = append(hosts, p.Name)
	}
	if e.host.MeetsOutside() {
		hosts = append(hosts, outsideNames[:]...)
	}
	e.subnet = map[string]state.Subnet{}
	for _, n := range e.host.Subnets {
		subnets = append(subnets, n.Name)
		e.subnet[n.Name] = n
	}
	for _, p := range e.host.Endpoints {
		endpoints = append(endpoints, p.Name)
	}
	var sets, classes []string
	for _, s := range e.host.Policy.Sets {
		sets = append(sets, setName(s))
	}
	for _, c := range e.host.Policy.Classes {
		classes = append(classes, c.Name)
	}
	e.index = Index{
		Hosts:     renumber(before.Hosts, hosts),
		Subnets:   renumber(before.Subnets, subnets),
		Endpoints: renumber(before.Endpoints, endpoints),
		Classes:   renumber(before.Classes, classes),
		Rules:     renumber(before.Rules, ruleNames(e.host.Policy)),
		Served:    maps.Clone(before.Served),
		Affine:    renumber(before.Affine, affine(e.host.Services)),
		Ranges:    renumber(before.Ranges, slices.Collect(maps.Keys(rangeSets(e.host.Outside)))),
	}
	e.index.Sets, e.index.Series = renumberSets(before, sets)
}

// hostNumber is the number of a host by name; 0 is this one.
func (e *encoder) hostNumber(name string) (uint32, error) {
	if name == e.host.Name {
		return 0, nil
	}
	if n, ok := e.index.Hosts[name]; ok {
		return n, nil
	}
	return 0, fmt.Errorf("host %s is not among the peers", name)
}

func (e *encoder) vpcs() error {
	for _, v := range e.host.VPCs {
		if v.VNI == 0 || v.VNI > maxVNI {
			return fmt.Errorf("VPC %s: VNI %d is not in 1..%d", v.Name, v.VNI, maxVNI)
		}
		if _, ok := e.rows.VPCs[v.VNI]; ok {
			return fmt.Errorf("VPC %s: VNI %d is another VPC's already", v.Name, v.VNI)
		}
		row := bpf.RowVpc{Divider: flag(v.Divider), Leaves: flag(v.Leaves)}
		count, err := e.roles(v.Dividers, &row.Dividers.Host)
		if err != nil {
			return fmt.Errorf("dividers of VPC %s: %w", v.Name, err)
		}
		row.Dividers.Count = count
		e.rows.VPCs[v.VNI] = row
	}
	return nil
}

// roles fills in the numbers of hosts, in the order of names.
func (e *encoder) roles(names []string, host *[bpf.MaxRoles]uint32) (uint32, error) {
	if len(names) > len(host) {
		return 0, fmt.Errorf("%d hosts, at most %d are possible", len(names), len(host))
	}
	for i, name := range names {
		n, err := e.hostNumber(name)
		if err != nil {
			return 0, err
		}
		host[i] = n
	}
	return uint32(len(names)), nil
}

func (e *encoder) subnets() error {
	for _, s := range e.host.Subnets {
		if _, ok := e.rows.VPCs[s.VNI]; !ok {
			return fmt.Errorf("subnet %s: the state has no VPC with VNI %d", s.Name, s.VNI)
		}
		row := bpf.RowSubnet{Vni: s.VNI, Bouncer: uint8(s.Bouncer)}
		for _, g := range s.Gateways {
			if g.Is4() {
				row.Gateway4 = g.As4()
			} else {
				row.Gateway6 = g.As16()
			}
		}
		count, err := e.roles(s.Bouncers, &row.Bouncers.Host)
		if err != nil {
			return fmt.Errorf("bouncers of subnet %s: %w", s.Name, err)
		}
		row.Bouncers.Count = count
		e.rows.Subnets[e.index.Subnets[s.Name]] = row
	}
	return nil
}

func (e *encoder) directory() error {
	for _, l := range e.host.Directory {
		host, err := e.hostNumber(l.Host)
		if err != nil {
			return fmt.Errorf("location of %s in VNI %d: %w", l.Address, l.VNI, err)
		}
		subnet, ok := e.index.Subnets[l.Subnet]
		if !ok {
			return fmt.Errorf("location of %s in VNI %d: the state has no subnet %s", l.Address, l.VNI, l.Subnet)
		}
		key := Addr(l.VNI, l.Address)
		if _, ok := e.rows.Directory[key]; ok {
			return fmt.Errorf("location of %s in VNI %d: given twice", l.Address, l.VNI)
		}
		e.rows.Directory[key] = bpf.RowLocation{
			Host: host, Identity: l.Identity, Subnet: subnet, Generation: l.Generation,
		}
	}
	return nil
}

func (e *encoder) routes() error {
	for _, s := range e.host.Subnets {
		if e.rows.VPCs[s.VNI].Divider == 0 && s.Bouncer == state.NoBouncer {
			continue
		}
		for _, p := range s.CIDRs {
			key := Prefix(s.VNI, p)
			if _, ok := e.rows.Routes[key]; ok {
				return fmt.Errorf("subnet %s: %s is another subnet's of VNI %d already", s.Name, p, s.VNI)
			}
			e.rows.Routes[key] = bpf.RowRoute{Subnet: e.index.Subnets[s.Name]}
		}
	}
	return nil
}

func flag(set bool) uint8 {
	if set {
		return 1
	}
	return 0
}
