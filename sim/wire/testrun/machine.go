// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cilium/ebpf"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/dataplane/kernel"
	"github.com/mizar-net/mizar/dataplane/state"
)

// Program is one of a host's programs.
type Program string

// The programs.
const (
	Uplink   Program = "uplink"
	Endpoint Program = "endpoint"
)

// Arrival is a frame that comes in by a port.
type Arrival struct {
	Program Program
	// Form is that of the program.
	Form state.Form
	// Port is the number of the port, MTU the largest packet it takes.
	Port  uint32
	MTU   int
	Frame []byte
}

// Result is what a program did to a frame.
type Result struct {
	Action kernel.Action
	Record bpf.RowRecord
	Frame  []byte
}

// Machine is one host: maps, and programs that run over them.
type Machine interface {
	Apply(s state.Host, l state.Local) (dataplane.Report, error)
	Run(a Arrival) (Result, error)
	Drops() (map[string]uint64, error)
	Forget(places ...state.Place) error
	SetNow(now time.Duration) error
	Close() error
}

// Maker makes the machine of a host by name. It is called for several at once.
type Maker func(host string) (Machine, error)

// Load makes a machine of the kernel's. To load programs takes a good part of a
// second; [Pool] keeps machines for the next network.
func Load(host string) (Machine, error) {
	m, err := load(host)
	if err != nil {
		return nil, err
	}
	return m, nil
}

func load(host string) (*loaded, error) {
	d, err := dataplane.Load(dataplane.Options{
		Mode:        dataplane.Simulated,
		TokenSecret: uint64(encode.Seed(host)), // repeatable; nobody forges here
	})
	if err != nil {
		return nil, err
	}
	return &loaded{Datapath: d}, nil
}

// loaded is a machine of loaded programs.
type loaded struct {
	*dataplane.Datapath
}

// Run runs a program of the host over a frame.
func (m *loaded) Run(a Arrival) (Result, error) {
	p, err := m.program(a)
	if err != nil {
		return Result{}, err
	}
	if _, err := m.TakeRecord(); err != nil {
		return Result{}, err
	}
	ran, err := kernel.System{}.Run(p, a.Frame, kernel.RunOptions{Port: a.Port, MTU: a.MTU})
	if err != nil {
		return Result{}, err
	}
	record, err := m.TakeRecord()
	if err != nil {
		return Result{}, err
	}
	r := Result{Action: ran.Action, Record: record, Frame: ran.Frame}
	verdict := bpf.RowVerdict(record.Verdict)
	back := a.Program == Uplink || verdict == bpf.RowVerdictVERDICT_ANSWER || verdict == bpf.RowVerdictVERDICT_REFUSE
	if a.Form == state.FormTCX && ran.Action == kernel.Redirect && back && record.Ifindex == a.Port {
		r.Action = kernel.Transmit // TCX has one action for all devices
	}
	return r, nil
}

// program is the one that a frame arrives at.
func (m *loaded) program(a Arrival) (*ebpf.Program, error) {
	if a.Program == Uplink {
		return m.UplinkIn(a.Form)
	}
	return m.EndpointIn(a.Form)
}

// Pool keeps the machines of closed networks for new ones, emptied: loading is
// what a run of many short scenarios would spend most of its time with. The zero
// value is empty and ready. Close it. It is safe for concurrent use.
type Pool struct {
	mu    sync.Mutex
	spare []*loaded
}

// Make hands out a machine that holds nothing. It is a [Maker].
func (p *Pool) Make(host string) (Machine, error) {
	if m := p.take(); m != nil {
		return &pooled{loaded: m, pool: p}, nil
	}
	m, err := load("pool")
	if err != nil {
		return nil, fmt.Errorf("load host %s: %w", host, err)
	}
	return &pooled{loaded: m, pool: p}, nil
}

func (p *Pool) take() *loaded {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.spare) == 0 {
		return nil
	}
	m := p.spare[len(p.spare)-1]
	p.spare = p.spare[:len(p.spare)-1]
	return m
}

// Close unloads all machines that are not in use.
func (p *Pool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var failed error
	for _, m := range p.spare {
		failed = errors.Join(failed, m.Close())
	}
	p.spare = nil
	return failed
}

// pooled is a machine that goes back to its pool when closed.
type pooled struct {
	*loaded
	pool *Pool
}

// Close empties the machine and gives it back.
func (m *pooled) Close() error {
	if err := m.Reset(); err != nil {
		return errors.Join(err, m.loaded.Close())
	}
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	m.pool.spare = append(m.pool.spare, m.loaded)
	return nil
}
