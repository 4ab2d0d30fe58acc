// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"fmt"
	"net/netip"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/bench/probe"
	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/flow"
	"github.com/mizar-net/mizar/sim/frame"
)

// established says that a case's packets are of flows in which both sides have
// spoken.
func (c Case) established() bool {
	return c.memory == lasting && c.reference == "" && (c.want.verdict == "send" || c.want.verdict == "deliver")
}

// settle makes the host have the flows of a case's packets, as if both sides had
// spoken: rows that came from another host, and then a packet of each, with which it
// meets its path. To a frontend both sides do speak.
func settle(d *dataplane.Datapath, c Case, k Key, packets [][]byte) error {
	if c.services > 0 {
		c.frames = asks
		asked, err := c.packets(k)
		if err != nil {
			return err
		}
		return converse(d, asked)
	}
	rows, err := rowsOf(c, k, packets, settled)
	if err != nil {
		return err
	}
	if n, err := d.ImportFlows(rows); err != nil {
		return fmt.Errorf("flow %d: %w", n, err)
	}
	if c.Form != probe.XDP {
		return nil // the first turn of the instrument will do
	}
	program, err := c.program(d)
	if err != nil {
		return err
	}
	for _, p := range packets {
		if _, err := program.Run(&ebpf.RunOptions{Data: p, DataOut: make([]byte, len(p)+256)}); err != nil {
			return fmt.Errorf("a first packet of its flow: %w", err)
		}
	}
	return nil
}

// rowsOf are the rows that make makes of packets.
func rowsOf(c Case, k Key, packets [][]byte, make func(frame.Layer, map[netip.Addr]string) flow.Row) ([]flow.Row, error) {
	names := map[netip.Addr]string{}
	s, _ := settingOf(c, k).state()
	for _, e := range s.Endpoints {
		for _, a := range e.Addresses {
			names[a] = e.Name
		}
	}
	var rows []flow.Row
	for _, p := range packets {
		decoded, err := frame.Decode(p)
		if err != nil {
			return nil, fmt.Errorf("a packet that is to have a flow: %w", err)
		}
		rows = append(rows, make(decoded.Inner, names))
	}
	return rows, nil
}

// opening is the row of a flow that the packet's destination has opened, and nobody
// has replied to.
func opening(p frame.Layer, names map[netip.Addr]string) flow.Row {
	r := settled(p, names)
	r.Settled, r.Row.Opener, r.Row.Quick = false, r.Row.Opener^1, 0
	r.Row.State = uint8(bpf.RowFlowStateFLOW_OPENING)
	return r
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
