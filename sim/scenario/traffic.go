// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"fmt"
	"slices"
	"time"

	"github.com/mizar-net/mizar/controlplane/object/strict"
	"github.com/mizar-net/mizar/sim/wire"
)

// Traffic begins a series of requests that goes on while the next steps are done.
type Traffic struct {
	Name  string
	Proto wire.Proto
	// From is the full name of an endpoint, To is whom the requests are meant for.
	From string
	To   Target
	// Family is 4 or 6; 0: the first that both ends have.
	Family int
	Port   uint16
	Size   int
	Every  time.Duration
}

// Stop ends traffic and says what must have become of it. What is nil does not
// matter.
type Stop struct {
	Traffic  string
	Survived *bool
	// Lost are requests without an answer, Resent segments that were sent again.
	Lost, Resent *Bounds[int]
	// Gap is the longest time without an answer; Delay bounds the time from every
	// request to its reply.
	Gap, Delay *Bounds[time.Duration]
	// Reason is the drop reason that the traffic was cut with; "" when it was not
	// cut, or not by a program.
	Reason string
}

// Bounds say how small and how great a value may be. A nil bound is none.
type Bounds[T int | time.Duration] struct {
	Least, Most *T
}

// mostWhole is the largest payload of icmp and udp in the background.
const mostWhole = 1000

// DefaultEvery is the time between two requests of traffic.
const DefaultEvery = 10 * time.Millisecond

func (d *decoder) traffic(v strict.Value) *Traffic {
	f := v.Fields("name", "proto", "from", "to", "family", "port", "size", "every")
	t := &Traffic{
		Name:   f.Required("name", "a name to stop it by").Text(),
		Proto:  wire.Proto(f.Required("proto", "icmp, tcp or udp").Enum(string(wire.ICMP), string(wire.TCP), string(wire.UDP))),
		From:   d.endpoint(f.Required("from", "the name of an endpoint")),
		Family: family(f.Optional("family")),
		Size:   f.Optional("size").Int(4, mostDatagram),
		Every:  d.positive(f.Optional("every")),
	}
	if size := f.Optional("size"); t.Proto != wire.TCP && t.Size > mostWhole {
		size.FailGot(size.Node().Value, fmt.Sprintf("at most %d: only tcp goes in parts", mostWhole))
	}
	t.To = d.target(f.Required("to", "the name of an endpoint or a service, or an address"))
	t.Port = d.portTo(f.Optional("port"), t.To, t.Proto)
	if t.Every == 0 {
		t.Every = DefaultEvery
	}
	if has(d.running, t.Name) {
		f.Optional("name").FailGot("traffic "+strict.Quote(t.Name)+", which runs already", "a name of its own")
	}
	d.running = append(d.running, t.Name)
	return t
}

func (d *decoder) stop(v strict.Value) *Stop {
	f := v.Fields("traffic", "survived", "lost", "resent", "gap", "delay", "reason")
	s := &Stop{
		Reason: reason(f.Optional("reason")),
		Lost:   bounds(f.Optional("lost"), count), Resent: bounds(f.Optional("resent"), count),
		Gap: bounds(f.Optional("gap"), strict.Value.Duration), Delay: bounds(f.Optional("delay"), strict.Value.Duration),
	}
	if survived := f.Optional("survived"); survived.Present() || d.shape != nil {
		is := survived.Bool()
		s.Survived = &is
	}
	name := f.Required("traffic", "the name of traffic that runs")
	if s.Traffic = name.Text(); s.Traffic != "" && !has(d.running, s.Traffic) {
		unknown(name, "traffic", s.Traffic, d.running)
	}
	d.running = slices.DeleteFunc(d.running, func(n string) bool { return n == s.Traffic })
	if v.Present() && s.Survived == nil && s.Lost == nil && s.Resent == nil && s.Gap == nil && s.Delay == nil {
		v.FailGot("nothing to compare", "survived, lost, resent, gap or delay")
	}
	if cut := f.Optional("reason"); s.Reason != "" && d.shape == nil && (s.Survived == nil || *s.Survived) && s.Lost == nil {
		cut.FailGot("a reason for traffic that goes on", "beside it survived: false, or the requests that are lost")
	}
	return s
}

func count(v strict.Value) int { return v.Int(0, 1<<30) }

// bounds reads {least: …, most: …}, one of them or both.
func bounds[T int | time.Duration](v strict.Value, read func(strict.Value) T) *Bounds[T] {
	f := v.Fields("least", "most")
	b := &Bounds[T]{}
	for _, of := range []struct {
		name string
		into **T
	}{{"least", &b.Least}, {"most", &b.Most}} {
		value := f.Optional(of.name)
		bound := read(value)
		if value.Present() {
			*of.into = &bound
		}
	}
	if isMap(v) && b.Least == nil && b.Most == nil {
		v.FailGot("no bound", "least, most or both")
	}
	if !v.Present() {
		return nil
	}
	return b
}

// alone refuses what puts frames on ports while traffic runs: no stack hears
// anything then.
func (d *decoder) alone(v strict.Value, what string) {
	if len(d.running) > 0 && d.shape == nil {
		v.FailGot("a "+what+" while traffic "+strict.Quote(d.running[0])+" runs", "it after the traffic is stopped, because no stack hears anything meanwhile")
	}
}

// ended refuses a scenario that ends while traffic runs: nothing would be seen of
// it.
func (d *decoder) ended(v strict.Value) {
	if len(d.running) > 0 {
		v.FailGot("traffic "+strict.Quote(d.running[0])+" that is never stopped", "a step stop: {traffic: "+d.running[0]+", …}")
	}
}

// down reads who each host must believe to be dead: {h1: [h2], h3: none}.
func (d *decoder) down(v strict.Value) map[string][]string {
	if !v.Present() && d.shape == nil {
		return nil
	}
	all := map[string][]string{}
	for _, host := range v.Entries() {
		d.hostKey(host)
		all[host.Key] = nil
		if isText(host.Value, "none") {
			continue
		}
		if d.shape != nil {
			host.Value.Enum("none")
		}
		all[host.Key] = slices.Sorted(slices.Values(strict.Each(host.Value, d.host)))
	}
	return all
}

// isText says whether a text was written.
func isText(v strict.Value, text string) bool { return v.Present() && v.Node().Value == text }

func has(all []string, one string) bool { return slices.Contains(all, one) }
