// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"context"
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
		case bpf.RowFlowStateFLOW_OPENING, bpf.RowFlowStateFLOW_CHOSEN:
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
	case s == bpf.RowFlowStateFLOW_OPENING, s == bpf.RowFlowStateFLOW_CHOSEN:
		return Opening
	}
	return Established
}

// Collected is what a collection did.
type Collected struct {
	// Flows are those in which both sides have spoken, Openings the others.
	Flows, Openings Count
	// Room is how many of Flows there is room for; 0: any number.
	Room int
}

// Count is of rows of one table.
type Count struct {
	// Removed is how many had had their time, Left how many have not.
	Removed, Left int
}

// Removed is how many flows are gone.
func (c Collected) Removed() int { return c.Flows.Removed + c.Openings.Removed }

// Full is which part of the room for flows is taken, 0 to 1.
func (c Collected) Full() float64 {
	if c.Room == 0 {
		return 0
	}
	return float64(c.Flows.Left) / float64(c.Room)
}

// Collect removes the flows whose time is up, in batches, and counts again what
// endpoints have of the rest. now is of the clock that the programs read. A flow
// that gets a packet meanwhile may go too; its next packet is judged as a first one
// is. When ctx ends, the rest stays for the next time.
func Collect(ctx context.Context, t Tables, now time.Duration) (Collected, error) {
	c := Collected{Room: t.Flows.Room().Rows}
	held := map[uint32]int32{}
	var err error
	if c.Flows, err = t.collect(ctx, t.Flows, now, func(row bpf.RowFlow) { held[uint32(row.Charged)]++ }); err != nil {
		return c, err
	}
	if c.Openings, err = t.collect(ctx, t.Openings, now, func(bpf.RowFlow) {}); err != nil {
		return c, err
	}
	delete(held, 0) // charged to nobody
	return c, recount(t.Shares, held)
}

// collect removes from a table, and tells stays of all rows that do.
func (t Tables) collect(ctx context.Context, from table.Table[bpf.RowFlowKey, bpf.RowFlow], now time.Duration, stays func(bpf.RowFlow)) (Count, error) {
	var c Count
	var old []bpf.RowFlowKey
	err := from.Scan(func(keys []bpf.RowFlowKey, rows []bpf.RowFlow) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		old = old[:0]
		for i, key := range keys {
			over, err := t.over(key, rows[i], now)
			if err != nil {
				return err
			}
			if over {
				old = append(old, key)
				continue
			}
			c.Left++
			stays(rows[i])
		}
		removed, err := from.DeleteAll(old)
		c.Removed += removed
		if err != nil {
			return fmt.Errorf("delete row %v: %w", old[removed], err)
		}
		return nil
	})
	if err != nil {
		return c, fmt.Errorf("collect from map %s: %w", from.Name(), err)
	}
	return c, nil
}

// Due says whether a flow's time is up, by this row alone.
func Due(key bpf.RowFlowKey, row bpf.RowFlow, now time.Duration) bool {
	return now-time.Duration(row.Seen)*time.Second > Timeout(key.Protocol(), bpf.RowFlowState(row.State))
}

// recount writes the shares that are not what they should be: flows also go with
// their endpoints, and come from other hosts.
func recount(t table.Table[uint32, bpf.RowShare], held map[uint32]int32) error {
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
