// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"maps"
	"slices"
	"time"

	"github.com/mizar-net/mizar/controlplane/object/strict"
	"github.com/mizar-net/mizar/sim/link"
	"github.com/mizar-net/mizar/sim/wire"
)

// Fault breaks or mends something of one host.
type Fault struct {
	Host string
	// Kind is the key that the step is written with: "link", "host" or "agent".
	Kind string
	// Condition is all that is wrong with the host from then on.
	Condition wire.Condition
}

// Clock steps the clock of one host.
type Clock struct {
	Host string
	Step time.Duration
}

// fault reads one of the steps that change the condition of a host. What it does
// not name stays as it is.
func (d *decoder) fault(kind string, v strict.Value) *Fault {
	f := &Fault{Kind: kind}
	read := map[string]func(strict.Value, *Fault){"link": d.link, "host": d.hostState, "agent": d.agent}[kind]
	before := d.failures()
	if read(v, f); d.failures() > before {
		return f
	}
	if d.conditions == nil {
		d.conditions = map[string]wire.Condition{}
	}
	d.conditions[f.Host] = f.Condition
	return f
}

const wantHost = "the name of a host"

// link reads what is wrong with a host's link.
func (d *decoder) link(v strict.Value, f *Fault) {
	fields := v.Fields("host", "state", "loss", "delay", "rate", "mtu", "direction")
	f.Host = d.host(fields.Required("host", wantHost))
	f.Condition = d.conditions[f.Host]
	l := &f.Condition.Link
	switch fields.Optional("state").Enum("up", "down", "repaired") {
	case "up":
		l.Down = false
	case "down":
		l.Down = true
	case "repaired":
		*l = link.Link{}
	}
	ways := map[string][]*link.Way{"": {&l.In, &l.Out}, "both": {&l.In, &l.Out}, "in": {&l.In}, "out": {&l.Out}}
	loss, delay, rate := fields.Optional("loss"), fields.Optional("delay"), fields.Optional("rate")
	to := link.Way{Loss: loss.Int(0, 100), Delay: delay.Duration(), Rate: rate.Int(0, 100_000_000)}
	for _, w := range ways[fields.Optional("direction").Enum("in", "out", "both")] {
		if loss.Present() {
			w.Loss = to.Loss
		}
		if delay.Present() {
			w.Delay = to.Delay
		}
		if rate.Present() {
			w.Rate = to.Rate
		}
	}
	if p := fields.Optional("mtu"); p.Present() || d.shape != nil {
		l.MTU = p.Int(0, 65535)
	}
	if v.Present() && len(v.Node().Content) < 4 {
		v.FailGot("no change", "state, loss, delay, rate or mtu beside host")
	}
}

// hostState reads whether a host is dead.
func (d *decoder) hostState(v strict.Value, f *Fault) {
	fields := v.Fields("name", "state")
	f.Host = d.host(fields.Required("name", wantHost))
	f.Condition = d.conditions[f.Host]
	f.Condition.Dead = fields.Required("state", "dead or alive").Enum("dead", "alive") == "dead"
}

// agent reads what a host's agent does.
func (d *decoder) agent(v strict.Value, f *Fault) {
	fields := v.Fields("host", "state")
	f.Host = d.host(fields.Required("host", wantHost))
	f.Condition = d.conditions[f.Host]
	f.Condition.Agent = wire.Agent(fields.Required("state", "running, paused or killed").Enum("running", "paused", "killed"))
	if f.Condition.Agent == "running" {
		f.Condition.Agent = wire.Running
	}
}

// lossy refuses what would be compared packet by packet while some link loses at
// random.
func (d *decoder) lossy(v strict.Value, what string) {
	for _, host := range slices.Sorted(maps.Keys(d.conditions)) {
		if l := d.conditions[host].Link; l.In.Loss+l.Out.Loss > 0 {
			v.FailGot("a "+what+" while the link of "+host+" loses packets",
				"traffic, because what is lost at random cannot be compared packet by packet (or link: {host: "+host+", loss: 0} before)")
			return
		}
	}
}

func (d *decoder) clock(v strict.Value) *Clock {
	if has(d.wires, "veth") && v.Present() {
		v.FailGot("a step of a host's clock on the veth wire", "wires: [testrun], because all hosts of the veth wire have the kernel's clock")
	}
	f := v.Fields("host", "step")
	c := &Clock{Host: d.host(f.Required("host", wantHost))}
	step := f.Required("step", "a duration such as 5s")
	c.Step = d.positive(step)
	return c
}

// positive reads a duration above zero.
func (d *decoder) positive(v strict.Value) time.Duration {
	before := d.failures()
	length := v.Duration()
	if v.Present() && length <= 0 && d.failures() == before {
		v.Fail("a duration above zero, such as 2s")
	}
	return length
}

// until reads a time since the scenario's start, which must not be over by then.
func (d *decoder) until(v strict.Value) time.Duration {
	at := d.positive(v)
	if v.Present() && at <= d.passed && at > 0 {
		v.FailGot(v.Node().Value+", when "+d.passed.String()+" have passed by the steps before", "a later time")
		return 0
	}
	wait := at - d.passed
	d.passed = at
	return wait
}
