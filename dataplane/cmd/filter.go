// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/mizar-net/mizar/bpf"
)

// filter is which flows are asked for. The zero value asks for all.
type filter struct {
	host, endpoint string
	vni            uint32
	// addresses, as flags have them, are of either end: an address or a prefix.
	addresses []string
	ports     []uint
	protocols []string
	states    []string

	within []netip.Prefix
}

// check refuses what nothing can match.
func (f *filter) check() error {
	for _, a := range f.addresses {
		p, err := prefix(a)
		if err != nil {
			return fmt.Errorf("--address: got %q, want an address such as 10.0.0.2 or a prefix such as 10.0.0.0/24", a)
		}
		f.within = append(f.within, p)
	}
	for _, p := range f.ports {
		if p > 65535 {
			return fmt.Errorf("--port: got %d, want 0 to 65535", p)
		}
	}
	if f.vni >= 1<<24 {
		return fmt.Errorf("--vni: got %d, want a number of 24 bits", f.vni)
	}
	for i, p := range f.protocols {
		name, err := protocolOf(p)
		if err != nil {
			return err
		}
		f.protocols[i] = name
	}
	for _, s := range f.states {
		if err := oneOf("state", s, states()...); err != nil {
			return err
		}
	}
	return nil
}

// prefix is what a flag says: an address stands for itself.
func prefix(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		return netip.ParsePrefix(text)
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	return a.Prefix(a.BitLen())
}

// protocolOf is the name of a protocol that a flag has by name or number.
func protocolOf(text string) (string, error) {
	var known []string
	for _, name := range protocols {
		known = append(known, name)
	}
	if slices.Contains(known, text) {
		return text, nil
	}
	n, err := strconv.ParseUint(text, 10, 8)
	if err != nil {
		slices.Sort(known)
		return "", fmt.Errorf("--proto: got %q, want one of %v, or a number", text, known)
	}
	return protocolName(uint8(n)), nil
}

// states are the names of all states that an entry can have.
func states() []string {
	var all []string
	for s := bpf.RowFlowStateFLOW_OPENING; s <= bpf.RowFlowStateFLOW_CHOSEN; s++ {
		all = append(all, s.String())
	}
	return all
}

// hosts are those that are asked for, by any of their names.
func (f *filter) hosts(all []host) ([]host, error) {
	if f.host == "" {
		return all, nil
	}
	var have []string
	var wanted []host
	for _, h := range all {
		if slices.Contains([]string{h.names.Host, h.title(), h.namespace}, f.host) {
			wanted = append(wanted, h)
		}
		have = append(have, h.title())
	}
	if len(wanted) == 0 {
		return nil, fmt.Errorf("host %q is %w; here are %v", f.host, ErrNotHere, have)
	}
	return wanted, nil
}

// wants says whether a flow is asked for.
func (f *filter) wants(g Flow) bool {
	either := func(matches func(End) bool) bool { return matches(g.From) || matches(g.To) }
	return (f.vni == 0 || f.vni == g.VNI) &&
		(len(f.protocols) == 0 || slices.Contains(f.protocols, g.Protocol)) &&
		(len(f.states) == 0 || slices.Contains(f.states, g.State)) &&
		(f.endpoint == "" || either(func(e End) bool { return e.is(f.endpoint) })) &&
		(len(f.within) == 0 || either(func(e End) bool {
			return slices.ContainsFunc(f.within, func(p netip.Prefix) bool { return p.Contains(e.Address) })
		})) &&
		(len(f.ports) == 0 || either(func(e End) bool { return slices.Contains(f.ports, uint(e.Port)) }))
}

// is says whether an end is the endpoint of a name; "default/" may be left out.
func (e End) is(endpoint string) bool {
	return e.Endpoint != nil && (e.Endpoint.Name == endpoint || e.Endpoint.Name == "default/"+endpoint)
}
