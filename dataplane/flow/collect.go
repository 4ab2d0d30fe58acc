// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"fmt"
	"time"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/table"
)

// The numbers of protocols that have states of their own.
const (
	icmp4, tcp, icmp6 = 1, 6, 58
)

// How long a flow lives without a packet, by state. The time of the last packet is
// known to a few seconds.
const (
	// OpeningTCP, RepliedTCP: a handshake that goes no further.
	OpeningTCP, RepliedTCP = 60 * time.Second, 60 * time.Second
	// EstablishedTCP is two hours and four minutes (RFC 5382, 5).
	EstablishedTCP = 7440 * time.Second
	// ClosingTCP: one side has closed (RFC 5382, 5: 4 minutes).
	ClosingTCP = 240 * time.Second
	// ClosedTCP: what is still on its way (TIME_WAIT is the endpoints').
	ClosedTCP = 10 * time.Second
	// CutTCP is longer than a stack waits between two retransmissions (RFC 6298,
	// 2.5: at least a minute; Linux two).
	CutTCP = 300 * time.Second
	// Opening, Established and Cut are those of everything else (RFC 4787, 4.3:
	// at least two minutes, five recommended).
	Opening, Established, Cut = 30 * time.Second, 300 * time.Second, 30 * time.Second
	// Echo: RFC 5508, 3.2.
	Echo = 60 * time.Second
)

// Timeout is how long a flow of a protocol lives in a state without a packet.
func Timeout(protocol uint8, s bpf.RowFlowState) time.Duration {
	if protocol == tcp {
		switch s {
		case bpf.RowFlowStateFLOW_OPENING:
			return OpeningTCP
		case bpf.RowFlowStateFLOW_REPLIED:
			return RepliedTCP
		case bpf.RowFlowStateFLOW_CLOSING:
			return ClosingTCP
		case bpf.RowFlowStateFLOW_CLOSED:
			return ClosedTCP
		case bpf.RowFlowStateFLOW_CUT:
			return CutTCP
		}
		return EstablishedTCP
	}
	switch {
	case s == bpf.RowFlowStateFLOW_CUT:
		return Cut
	case protocol == icmp4 || protocol == icmp6:
		return Echo
	case s == bpf.RowFlowStateFLOW_OPENING:
		return Opening
	}
	return Established
}

// Collect removes the flows whose time is up, counts again what endpoints have of
// the rest, and returns how many it removed. now is of the clock that the programs
// read. A flow that gets a packet meanwhile may go too; its next packet is judged
// as a first one is.
func Collect(t Tables, now time.Duration) (int, error) {
	removed, held, err := collect(t.Flows, now)
	if err != nil {
		return removed, err
	}
	more, _, err := collect(t.Openings, now)
	removed += more
	if err != nil {
		return removed, err
	}
	return removed, recount(t.Shares, held)
}

// collect removes from a table, and counts the rest by who is charged.
func collect(t table.Table[bpf.RowFlowKey, bpf.RowFlow], now time.Duration) (int, map[uint32]uint32, error) {
	rows, err := t.All()
	if err != nil {
		return 0, nil, readError(t, err)
	}
	held := map[uint32]uint32{}
	var old []bpf.RowFlowKey
	for key, row := range rows {
		if now-time.Duration(row.Seen)*time.Second > Timeout(key.Protocol, bpf.RowFlowState(row.State)) {
			old = append(old, key)
		} else if row.Charged != 0 {
			held[row.Charged]++
		}
	}
	removed, err := t.DeleteAll(old)
	if err != nil {
		return removed, nil, fmt.Errorf("delete row %v of map %s: %w", old[removed], t.Name(), err)
	}
	return removed, held, nil
}

// recount writes the shares that are not what they should be: flows also go with
// their endpoints, and come from other hosts.
func recount(t table.Table[uint32, bpf.RowShare], held map[uint32]uint32) error {
	rows, err := t.All()
	if err != nil {
		return fmt.Errorf("read map %s: %w", t.Name(), err)
	}
	for number := range rows {
		if held[number] == 0 {
			held[number] = 0
		}
	}
	for number, n := range held {
		if rows[number].Flows == n {
			continue
		}
		if err := t.Put(number, bpf.RowShare{Flows: n}); err != nil {
			return fmt.Errorf("write row %d of map %s: %w", number, t.Name(), err)
		}
	}
	return nil
}

func readError(t table.Table[bpf.RowFlowKey, bpf.RowFlow], err error) error {
	return fmt.Errorf("read map %s: %w", t.Name(), err)
}

func writeError(t table.Table[bpf.RowFlowKey, bpf.RowFlow], err error) error {
	return fmt.Errorf("write map %s: %w", t.Name(), err)
}
