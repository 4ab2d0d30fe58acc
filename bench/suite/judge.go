// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"errors"
	"fmt"
	"maps"

	"github.com/mizar-net/mizar/bench/probe"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/flow"
	"github.com/mizar-net/mizar/sim/frame"
)

// judge sees to it that every packet went the way of its case: a case that drops
// early looks fast.
type judge struct {
	datapath *dataplane.Datapath
	want     want
	memory   memory
	packets  [][]byte
	// openings are what an awaited host has.
	openings []flow.Row
	// verdicts and drops are the counts before the run.
	verdicts, drops map[string]uint64
}

// begin counts what there is before a run.
func (j *judge) begin() (err error) {
	switch j.memory {
	case emptied:
		err = errors.Join(j.datapath.Forget(), j.datapath.ForgetFlows(), j.datapath.Refund())
	case unopened:
		err = errors.Join(j.datapath.ForgetFlows(), j.datapath.Refund())
	case awaited:
		err = errors.Join(j.datapath.ForgetFlows(), j.datapath.Refund(), j.ask())
	}
	if err != nil {
		return err
	}
	if j.verdicts, err = j.datapath.Verdicts(); err != nil {
		return err
	}
	j.drops, err = j.datapath.Drops()
	return err
}

// check refuses a run in which any packet took another way.
func (j *judge) check(o probe.Outcome) error {
	if err := errors.Join(j.counts(o.Repetitions), j.learned(o.Repetitions), j.settled()); err != nil {
		return err
	}
	if o.Action != j.want.action {
		return fmt.Errorf("want action %s, got %s", j.want.action, o.Action)
	}
	before, err := frame.Decode(j.packets[0]) // a run ends with the packet that it began with
	if err != nil {
		return err
	}
	after, err := frame.Decode(o.Frame)
	if err != nil {
		return fmt.Errorf("the packet that came out: %w", err)
	}
	look := j.want.frame
	if look == nil {
		look = func(before, after frame.Packet) error { return unchanged(before.Inner, after.Inner) }
	}
	if err := look(before, after); err != nil {
		return fmt.Errorf("the packet that came out, %s: %w", after, err)
	}
	return nil
}

// learned wants a row for every packet of an emptied host, each of which came
// once.
func (j *judge) learned(packets uint64) error {
	if j.memory != emptied {
		return nil
	}
	paths, err := j.datapath.Paths()
	if err != nil {
		return err
	}
	if len(paths) != len(j.packets) || packets != uint64(len(paths)+1) {
		return fmt.Errorf("%d packets left %d rows in paths, want one for each of %d", packets, len(paths), len(j.packets))
	}
	return nil
}

// ask makes the host have the openings that packets are the first replies of.
func (j *judge) ask() error {
	n, err := j.datapath.ImportFlows(j.openings)
	if err == nil && n != len(j.openings) {
		err = fmt.Errorf("%d of %d flows could be entered", n, len(j.openings))
	}
	return err
}

// settled wants every opening to have become a flow.
func (j *judge) settled() error {
	if j.memory != awaited {
		return nil
	}
	flows, openings, err := j.datapath.Flows()
	if err == nil && (len(flows) != len(j.openings) || len(openings) != 0) {
		err = fmt.Errorf("%d openings have become %d flows, %d are left", len(j.openings), len(flows), len(openings))
	}
	return err
}

// counts wants every packet counted under the one verdict, and drop reason.
func (j *judge) counts(packets uint64) error {
	verdicts, err := j.datapath.Verdicts()
	if err != nil {
		return err
	}
	drops, err := j.datapath.Drops()
	if err != nil {
		return err
	}
	got, fell := since(j.verdicts, verdicts), since(j.drops, drops)
	want, reasons := map[string]uint64{j.want.verdict: packets}, map[string]uint64{}
	if j.want.drop != "" {
		reasons[j.want.drop] = packets
	}
	if !maps.Equal(got, want) || !maps.Equal(fell, reasons) {
		return fmt.Errorf("want verdicts %v and drops %v, got %v and %v", want, reasons, got, fell)
	}
	return nil
}

// since is what was counted in between.
func since(before, after map[string]uint64) map[string]uint64 {
	grown := map[string]uint64{}
	for name, n := range after {
		if n > before[name] {
			grown[name] = n - before[name]
		}
	}
	return grown
}
