// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/dataplane/flow"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/dataplane/table"
)

const udp = 17

// standing is a backend behind a frontend.
type standing struct {
	vni               uint32
	protocol          uint8
	frontend, backend netip.AddrPort
}

// stand are the backends of services by UDP: connections end by themselves.
func stand(services []state.Service) map[standing]bool {
	all := map[standing]bool{}
	for _, s := range services {
		if s.Protocol != udp {
			continue
		}
		for _, f := range s.Frontends {
			for _, b := range s.Backends {
				all[standing{s.VNI, s.Protocol, f, b}] = true
			}
		}
	}
	return all
}

// forsake makes datagrams to a backend that its service has no more choose another one: it
// removes the views of such flows.
func forsake(t Tables, now []state.Service) error {
	left := stand(now)
	for _, flows := range []table.Table[bpf.RowFlowKey, bpf.RowFlow]{t.Flows, t.Openings} {
		rows, err := flows.All()
		if err != nil {
			return fmt.Errorf("read map %s: %w", flows.Name(), err)
		}
		for key, row := range rows {
			if key.Protocol() != udp || bpf.RowTranslation(row.Translation) != bpf.RowTranslationTRANSLATION_TO {
				continue
			}
			front, back := flow.Ends(key)[row.Opener&1^1], flow.PutIn(row)
			if left[standing{key.VNI(), udp, netip.AddrPortFrom(front.Addr, front.Port), netip.AddrPortFrom(back.Addr, back.Port)}] {
				continue
			}
			if err := flows.Delete(key); err != nil {
				return fmt.Errorf("delete row %v of map %s: %w", key, flows.Name(), err)
			}
		}
	}
	return nil
}

// lose says whether some service by UDP has lost a backend, or a frontend.
func lose(c *encode.Change) bool {
	is := make(map[string]state.Service, len(c.Is))
	for _, s := range c.Is {
		is[s.Name] = s
	}
	return slices.ContainsFunc(c.Was, func(was state.Service) bool {
		s := is[was.Name]
		return was.Protocol == udp && (s.VNI != was.VNI || lacks(s.Backends, was.Backends) || lacks(s.Frontends, was.Frontends))
	})
}

// lacks says whether one of `was` is not in `is`; both are sorted.
func lacks(is, was []netip.AddrPort) bool {
	return slices.ContainsFunc(was, func(a netip.AddrPort) bool {
		_, found := slices.BinarySearchFunc(is, a, netip.AddrPort.Compare)
		return !found
	})
}
