// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"fmt"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/state"
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
}

// place is where a frame is about to meet a program.
type place struct {
	host    *host
	program Program
	port    string // endpoint's name; "" at an uplink
	frame   []byte
}

func (p place) arrival() Arrival {
	if p.program == Uplink {
		return Arrival{Program: Uplink, Port: uplinkPort, MTU: p.host.state.MTU, Frame: p.frame}
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

// walk carries a frame from program to program until it is out.
func (w *Wire) walk(at wire.Port, frame []byte) (trip, error) {
	var t trip
	here, err := w.place(at, frame)
	if err != nil {
		return trip{}, err
	}
	for range maxRuns {
		t.Hosts = append(t.Hosts, here.host.name)
		t.Hops = len(t.Hosts) - 1
		next, err := w.run(here, &t)
		if err != nil {
			return trip{}, fmt.Errorf("host %s, program %s: %w", here.host.name, here.program, err)
		}
		if next == nil {
			return t, nil
		}
		here = *next
	}
	return trip{}, fmt.Errorf("the packet goes in circles: it met %d programs, %v", maxRuns, t.Hosts)
}

// run lets a frame meet one program and returns where it goes then; nil when
// its way ends.
func (w *Wire) run(here place, t *trip) (*place, error) {
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

// follow does with a frame what the program decided.
func (w *Wire) follow(here place, r Result, s *wire.Step, t *trip) (*place, error) {
	switch bpf.RowVerdict(r.Record.Verdict) {
	case bpf.RowVerdictVERDICT_DROP:
		t.Reason, t.Dropper = s.Reason, here.host.name
		return nil, nil
	case bpf.RowVerdictVERDICT_PASS:
		return nil, nil
	case bpf.RowVerdictVERDICT_ANSWER:
		if here.program == Uplink {
			return w.transmit(here.host, r, s, t)
		}
		t.answered = true
		t.arrive(here.port, r.Frame, s)
		return nil, nil
	case bpf.RowVerdictVERDICT_DELIVER:
		name, ok := here.host.portName(r.Record.Ifindex)
		if !ok {
			return nil, fmt.Errorf("it delivers to port %d, which is no endpoint's", r.Record.Ifindex)
		}
		t.Delivered = true
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
// its destination MAC. A frame that nobody takes is lost there.
func (w *Wire) transmit(from *host, r Result, s *wire.Step, t *trip) (*place, error) {
	w.frames[from.name]++
	t.Frames = append(t.Frames, r.Frame)
	to := w.byMAC[state.MAC(r.Frame[:6])]
	e := wire.Emission{At: wire.Port{Uplink: from.name}, Frame: r.Frame}
	if to == nil {
		t.emissions = append(t.emissions, e)
		return nil, nil
	}
	e.To, s.To = to.name, to.name
	t.emissions = append(t.emissions, e)
	return &place{host: to, program: Uplink, frame: r.Frame}, nil
}
