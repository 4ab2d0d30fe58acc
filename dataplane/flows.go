// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/dataplane/flow"
	"github.com/mizar-net/mizar/dataplane/table"
)

// Flows returns all flows: those in which both sides have spoken, and those in
// which one has.
func (d *Datapath) Flows() (settled, openings map[bpf.RowFlowKey]bpf.RowFlow, err error) {
	t := d.flowTables()
	if settled, err = t.Flows.All(); err != nil {
		return nil, nil, fmt.Errorf("read the flows: %w", err)
	}
	if openings, err = t.Openings.All(); err != nil {
		return nil, nil, fmt.Errorf("read the flows that open: %w", err)
	}
	return settled, openings, nil
}

// Collect removes flows whose time is up; see [flow.Collect]. Whoever holds a
// datapath has a collector of package flow/collector do it. Others may change the datapath
// meanwhile.
func (d *Datapath) Collect(ctx context.Context, now time.Duration) (flow.Collected, error) {
	d.mu.Lock()
	t := d.flowTables()
	d.mu.Unlock()
	c, err := flow.Collect(ctx, t, now)
	if err != nil {
		return c, fmt.Errorf("collect flows: %w", err)
	}
	return c, nil
}

// ExportFlows returns the flows of endpoints that are about to leave this host, by
// their names; see [flow.Export]. When the next state is applied, endpoints that stay
// keep their own flows with them; see [Holder.Leave].
func (d *Datapath) ExportFlows(endpoints []string) ([]flow.Row, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	rows, err := flow.Export(d.flowTables(), d.holder.index, endpoints)
	if err != nil {
		return nil, fmt.Errorf("export flows: %w", err)
	}
	d.holder.Leave(endpoints)
	return rows, nil
}

// ImportFlows writes the flows of endpoints that are behind this host now; see
// [flow.Import].
func (d *Datapath) ImportFlows(rows []flow.Row) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := flow.Import(d.flowTables(), d.holder.index, rows)
	if err != nil {
		return n, fmt.Errorf("import flows: %w", err)
	}
	return n, nil
}

// ForgetFlows removes all flows, and what is known of fragments.
func (d *Datapath) ForgetFlows() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.flowTables()
	none := func(bpf.RowFlowKey, bpf.RowFlow) bool { return false }
	_, err := table.Sync(
		table.Keep(t.Flows, none, encode.CompareFlow), table.Keep(t.Openings, none, encode.CompareFlow),
		table.Want(t.Shares, nil, compareNumbers), table.Keep(d.fragments, noFragment, compareFragments),
	)
	if err != nil {
		return fmt.Errorf("forget all flows: %w", err)
	}
	return nil
}

func noFragment(bpf.RowFragmentKey, bpf.RowFragmented) bool { return false }

func compareFragments(a, b bpf.RowFragmentKey) int { return cmp.Compare(a.Id, b.Id) }

func (d *Datapath) flowTables() flow.Tables {
	t := d.holder.tables
	return flow.Tables{Flows: t.Flows, Openings: t.Openings, Shares: t.Shares}
}
