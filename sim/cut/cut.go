// SPDX-License-Identifier: Apache-2.0

// Package cut proves that no packet gets around policy by being cut short: it cuts packets
// that policy accepts and such that it denies at every offset, and lets the programs of
// either end judge what is left.
//
//	as it is      lengths say more than there is
//	mended        IP, and the tunnel around it, say how much there is; headers add up
//
// What the oracle says of the whole packet becomes of a mended one that has its transport
// header, and of no other one that is cut: nothing else is ever let through.
package cut

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/crowd"
	"github.com/mizar-net/mizar/sim/run"
)

// RowID is the row of ACCEPTANCE that is proved.
const RowID = "K3"

// AsCompiled leaves states as they are.
func AsCompiled([]state.Host) {}

// Prove gives evidence for each family and protocol. change may break the states of the
// subject's host.
func Prove(ctx context.Context, change func([]state.Host)) []run.Evidence {
	b, err := load(change)
	var all []run.Evidence
	for _, family := range []int{4, 6} {
		for _, p := range protocols {
			e := run.Evidence{Rows: []string{RowID}, Cell: run.Cell{Family: fmt.Sprintf("v%d", family), Proto: "cut-" + p.name, Wire: "testrun", Verdict: "as-said"}}
			cuts := 0
			if err == nil {
				err = ctx.Err()
			}
			if err == nil {
				cuts, e.Failure, err = b.prove(family, p)
			}
			if err != nil {
				e.Failure = "the harness: " + err.Error()
			}
			e.Test = fmt.Sprintf("%d packets under policy, cut at every offset", cuts)
			all = append(all, e)
		}
	}
	if b != nil {
		if err := b.Close(); err != nil {
			all[0].Failure = "the harness: " + err.Error()
		}
	}
	return all
}

// bench is the subject's host.
type bench struct {
	*dataplane.Datapath
	network
}

func load(change func([]state.Host)) (*bench, error) {
	n, err := makeNetwork()
	if err != nil {
		return nil, err
	}
	d, err := dataplane.Load(dataplane.Options{TokenSecret: 1})
	if err != nil {
		return nil, err
	}
	hosts := []state.Host{n.state}
	change(hosts)
	if _, err := d.Apply(hosts[0], crowd.Machine(hosts[0])); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return &bench{d, n}, nil
}

// prove cuts all packets of a family and a protocol, and says how many there were and
// what is wrong.
func (b *bench) prove(family int, p protocol) (n int, wrong string, err error) {
	for _, headers := range headersOf(family) {
		for _, direction := range []state.Direction{state.Ingress, state.Egress} {
			for _, peer := range peers {
				c := packet{family: family, protocol: p, headers: headers, direction: direction, peer: peer}
				cuts, wrong, err := b.cut(c)
				if n += cuts; wrong != "" || err != nil {
					return n, wrong, err
				}
			}
		}
	}
	return n, "", nil
}

// What XDP programs return.
const (
	dropped    = 1
	passed     = 2 // to the host's own stack
	redirected = 4
)

// cut cuts one packet. Drops are counted once for all of its cuts.
func (b *bench) cut(c packet) (n int, wrong string, err error) {
	whole, around, needs, err := c.build(b.state)
	if err != nil {
		return 0, "", err
	}
	before, err := b.Drops()
	if err != nil {
		return 0, "", err
	}
	accepted, denied := b.accepts(c), uint64(0)
	for at := range len(whole) + 1 {
		for _, form := range []string{"as it is", "mended"} {
			left, ok := whole[:at:at], true
			if form == "mended" {
				left, ok = mend(left, around, c.family)
			}
			if !ok {
				continue
			}
			readable := at >= needs && (form == "mended" || at == len(whole))
			action, err := b.run(c, left)
			if err != nil {
				return n, "", fmt.Errorf("%s cut at %d, %s: %w", c, at, form, err)
			}
			if n++; readable && !accepted {
				denied++
			}
			switch {
			case readable && accepted && action == redirected,
				!(readable && accepted) && action == dropped,
				at < around && action == passed:
			default:
				return n, fmt.Sprintf("%s cut at %d of %d bytes, %s: the program returned %d; its headers are whole: %t, the oracle accepts it: %t",
					c, at, len(whole), form, action, readable, accepted), nil
			}
		}
	}
	after, err := b.Drops()
	return n, c.judge(before, after, denied), err
}

// judge holds the counted drops to how many whole packets policy had to deny, and to what
// may be wrong with others.
func (c packet) judge(before, after map[string]uint64, denied uint64) string {
	byPolicy := "policy_" + c.direction.String()
	if n := after[byPolicy] - before[byPolicy]; n != denied {
		return fmt.Sprintf("%s: policy has counted %d drops, the oracle %d", c, n, denied)
	}
	for _, reason := range slices.Sorted(maps.Keys(after)) {
		if after[reason] > before[reason] && reason != byPolicy && !slices.Contains(broken, reason) {
			return fmt.Sprintf("%s: cut somewhere it is dropped for %s, want %s or one of %v", c, reason, byPolicy, broken)
		}
	}
	return ""
}

// broken are the reasons for which what is no whole packet may be dropped.
var broken = []string{"truncated", "ethertype", "ip_header", "extension", "geneve_header", "geneve_option", "not_ours"}

// run runs what is left of a packet at the subject's host.
func (b *bench) run(c packet, left []byte) (uint32, error) {
	const least = 14 // bytes that the kernel takes
	if len(left) < least {
		return dropped, nil
	}
	program := b.Uplink()
	if c.direction == state.Egress {
		program = b.Endpoint()
		if err := b.Refund(); err != nil {
			return 0, err
		}
	}
	return program.Run(&ebpf.RunOptions{Data: left})
}

// String says which packet it is, for people.
func (c packet) String() string {
	return fmt.Sprintf("%s packet of %s and IPv%d with %s, %s of the subject", c.peer, c.protocol.name, c.family, c.headers.name, c.direction)
}
