// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/sim/link"
	"github.com/mizar-net/mizar/sim/wire"
)

// maxRuns is how many programs one packet may meet: more than the relay limit
// lets happen, so a packet that meets more goes in circles.
const maxRuns = 16

// trip is the way of one frame through the network.
type trip struct {
	wire.Packet
	// frame is what came out at the end: at the endpoint To when it was
	// delivered, at the sender when it was answered.
	frame    []byte
	answered bool
	// emissions are the frames that came out on the way.
	emissions []wire.Emission
	// notice is what a router said of the frame, if it refused it.
	notice carried
}

// place is where a frame is about to meet a program.
type place struct {
	host    *host
	program Program
	port    string // endpoint's name; "" at an uplink
	frame   []byte
	// at is when the frame gets there.
	at time.Duration
}

func (p place) arrival() Arrival {
	if p.program == Uplink {
		return Arrival{Program: Uplink, Form: p.host.state.Form, Port: uplinkPort, MTU: p.host.state.MTU, Frame: p.frame}
	}
	a := Arrival{Program: Endpoint, Port: p.host.ports[p.port], Frame: p.frame}
	for _, e := range p.host.state.Endpoints {
		if e.Name == p.port {
			a.MTU, a.Form = e.MTU, e.Form
		}
	}
	return a
}

// place finds where frames that enter by a port go.
func (w *Wire) place(at wire.Port, frame []byte) (place, error) {
	if at.Uplink != "" {
		h := w.hosts[at.Uplink]
		if h == nil {
			return place{}, fmt.Errorf("uplink of host %s: there is no such host", at.Uplink)
		}
		return place{host: h, program: Uplink, frame: frame}, nil
	}
	e := w.endpoints[at.Endpoint]
	if e == nil {
		return place{}, fmt.Errorf("port of endpoint %q: there is no such endpoint", at.Endpoint)
	}
	return place{host: e.host, program: Endpoint, port: e.Name, frame: frame}, nil
}

// flight is a frame on its way.
type flight struct {
	trip
	here place
	// landed is told when the way has ended; err is then why it could not be
	// followed.
	landed func(f *flight) error
	over   bool
	err    error
}

// walk carries a frame from program to program until it is out. While links delay
// it, other things happen.
func (w *Wire) walk(at wire.Port, frame []byte) (trip, error) {
	f, err := w.launch(at, frame, nil)
	if err != nil {
		return trip{}, err
	}
	if err := w.until(never, func() bool { return f.over }); err != nil {
		return trip{}, err
	}
	if f.err != nil {
		return trip{}, f.err
	}
	return f.trip, nil
}

// never is a time that does not come.
const never = time.Duration(math.MaxInt64)

// launch puts a frame on a port, and returns before it is out when links delay
// it.
func (w *Wire) launch(at wire.Port, frame []byte, landed func(*flight) error) (*flight, error) {
	here, err := w.place(at, frame)
	if err != nil {
		return nil, err
	}
	f := &flight{here: here, landed: landed}
	return f, w.fly(f)
}

// fly goes on from program to program, until the end or a delay.
func (w *Wire) fly(f *flight) error {
	for range maxRuns - len(f.Hosts) {
		f.Hosts = append(f.Hosts, f.here.host.name)
		f.Hops = len(f.Hosts) - 1
		next, err := w.run(f.here, &f.trip)
		if err != nil {
			return w.land(f, fmt.Errorf("host %s, program %s: %w", f.here.host.name, f.here.program, err))
		}
		if next == nil {
			return w.land(f, w.tellSender(f))
		}
		f.here = *next
		if next.at > w.now() {
			w.events.plan(next.at, func() error { return w.fly(f) })
			return nil
		}
	}
	return w.land(f, fmt.Errorf("the packet goes in circles: it met %d programs, %v", maxRuns, f.Hosts))
}

// tellSender lets a router's notice of a frame that it refused meet the uplink
// program of the host that gets it.
func (w *Wire) tellSender(f *flight) error {
	if f.notice.to == nil {
		return nil
	}
	n := &flight{here: place{host: f.notice.to, program: Uplink, frame: f.notice.frame}}
	if err := errors.Join(w.fly(n), n.err); err != nil {
		return fmt.Errorf("a router's notice: %w", err)
	}
	f.Steps, f.emissions = append(f.Steps, n.Steps...), append(f.emissions, n.emissions...)
	return nil
}

func (w *Wire) land(f *flight, err error) error {
	f.over, f.err = true, err
	if f.landed != nil {
		return f.landed(f)
	}
	return nil
}

// run lets a frame meet one program and returns where it goes then; nil when
// its way ends.
func (w *Wire) run(here place, t *trip) (*place, error) {
	if why := w.closed(here); why != "" {
		t.lose(here.host, why)
		return nil, nil
	}
	if err := w.collect(context.Background()); err != nil {
		return nil, err
	}
	arrival := here.arrival()
	before, err := w.before(here.host)
	if err != nil {
		return nil, err
	}
	result, err := here.host.machine.Run(arrival)
	if err != nil {
		return nil, err
	}
	if err := check(result); err != nil {
		return nil, err
	}
	s := step(here.host, arrival, here.port, result)
	if err := w.fill(here.host, &s, before); err != nil {
		return nil, err
	}
	next, err := w.follow(here, result, &s, t)
	t.Steps = append(t.Steps, s)
	return next, err
}

// closed says why no program meets a frame: the host died, or its agent does not
// know the endpoint yet.
func (w *Wire) closed(here place) string {
	switch {
	case here.host.condition.Dead && here.program == Uplink, w.hosts[here.host.name] != here.host:
		return link.Down
	case here.host.condition.Dead:
		return link.Dead
	case here.program == Endpoint && here.host.ports[here.port] == 0:
		return link.NoPort
	}
	return ""
}

// follow does with a frame what the program decided.
func (w *Wire) follow(here place, r Result, s *wire.Step, t *trip) (*place, error) {
	switch bpf.RowVerdict(r.Record.Verdict) {
	case bpf.RowVerdictVERDICT_DROP:
		t.Reason, t.Dropper = s.Reason, here.host.name
		return nil, nil
	case bpf.RowVerdictVERDICT_PASS:
		t.emissions = append(t.emissions, wire.Emission{At: wire.Port{Stack: here.host.name}, Frame: r.Frame})
		return nil, nil
	case bpf.RowVerdictVERDICT_ANSWER:
		if here.program == Uplink {
			return w.transmit(here.host, r, s, t)
		}
		t.answered = true
		t.arrive(here.port, r.Frame, s)
		return nil, nil
	case bpf.RowVerdictVERDICT_REFUSE:
		t.Reason, t.Dropper = s.Reason, here.host.name
		if here.program == Uplink && r.Record.Ifindex == uplinkPort {
			return w.transmit(here.host, r, s, t)
		}
		name := here.port
		if here.program == Uplink { // an endpoint's packet that came back
			name, _ = here.host.portName(r.Record.Ifindex)
		}
		t.arrive(name, r.Frame, s)
		return nil, nil
	case bpf.RowVerdictVERDICT_DELIVER:
		name, ok := here.host.portName(r.Record.Ifindex)
		if !ok {
			return nil, fmt.Errorf("it delivers to port %d, which is no endpoint's", r.Record.Ifindex)
		}
		if e := w.endpoints[name]; e == nil || e.host != here.host {
			t.lose(here.host, link.NoPort) // the agent does not know that it is gone
			return nil, nil
		}
		// What was refused comes back as an error.
		t.Delivered = t.Reason == ""
		t.arrive(name, r.Frame, s)
		return nil, nil
	default:
		if r.Record.Ifindex != uplinkPort {
			return nil, fmt.Errorf("verdict %q sends to port %d, which is not the uplink", s.Verdict, r.Record.Ifindex)
		}
		return w.transmit(here.host, r, s, t)
	}
}

// arrive puts the frame out at an endpoint.
func (t *trip) arrive(name string, frame []byte, s *wire.Step) {
	t.To, s.To, t.frame = name, name, frame
	t.emissions = append(t.emissions, wire.Emission{At: wire.Port{Endpoint: name}, Frame: frame})
}

// transmit puts a frame on the underlay, which carries it to the host that has
// its destination MAC, over routers or not. A frame that nobody takes is lost
// there; what a router has to say of it meets the uplink program of who sent it.
func (w *Wire) transmit(from *host, r Result, s *wire.Step, t *trip) (*place, error) {
	w.frames[from.name]++
	if w.watch != nil {
		w.watch(w.now(), from.name, r.Frame)
	}
	t.Frames = append(t.Frames, r.Frame)
	c, err := w.route(from.segment, r.Frame)
	if err != nil {
		return nil, err
	}
	e := wire.Emission{At: wire.Port{Uplink: from.name}, Frame: r.Frame}
	if c.to == nil || c.notice {
		t.emissions = append(t.emissions, e)
		t.notice = c
		return nil, nil
	}
	e.To, s.To = c.to.name, c.to.name
	t.emissions = append(t.emissions, e)
	at, by, why := w.carry(from, c.to, r.Frame)
	if by != nil {
		t.Hosts = append(t.Hosts, c.to.name)
		t.Hops = len(t.Hosts) - 1
		t.lose(by, why)
		return nil, nil
	}
	return &place{host: c.to, program: Uplink, frame: c.frame, at: at}, nil
}
