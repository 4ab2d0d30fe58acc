// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"fmt"
	"net/netip"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/flow"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
)

// settle makes the host have the flows of packets, as if both sides had spoken:
// rows that came from another host, which meet their paths with the first packet.
func settle(d *dataplane.Datapath, s state.Host, packets [][]byte) error {
	names := map[netip.Addr]string{}
	for _, e := range s.Endpoints {
		for _, a := range e.Addresses {
			names[a] = e.Name
		}
	}
	rows := make([]flow.Row, 0, len(packets))
	for _, p := range packets {
		decoded, err := frame.Decode(p)
		if err != nil {
			return fmt.Errorf("a packet that is to have a flow: %w", err)
		}
		rows = append(rows, settled(decoded.Inner, names))
	}
	if n, err := d.ImportFlows(rows); err != nil {
		return fmt.Errorf("flow %d: %w", n, err)
	}
	return nil
}

// settled is the row of a flow that the packet's source has opened.
func settled(p frame.Layer, names map[netip.Addr]string) flow.Row {
	key, side := flow.Key(vni, p.Proto, flow.End{Addr: p.Src, Port: p.SrcPort}, flow.End{Addr: p.Dst, Port: p.DstPort})
	r := flow.Row{Key: key, Settled: true}
	r.Row.Opener, r.Row.Quick = uint8(side), 3
	r.Row.State = uint8(bpf.RowFlowStateFLOW_ESTABLISHED)
	r.Ends[side], r.Ends[side^1] = names[p.Src], names[p.Dst]
	return r
}
