// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/topology/netns"
)

// Pool keeps the programs of closed wires for new ones, with emptied maps: the
// kernel's verifier is what a run of many short scenarios would spend most of its time
// in. The zero value is empty and ready. Close it. It is safe for concurrent use.
type Pool struct {
	mu     sync.Mutex
	spare  []*dataplane.Datapath
	closed bool
}

// Open makes a wire without hosts, which takes its programs from the pool and gives
// them back when it is closed. It needs root.
func (p *Pool) Open() (*Wire, error) {
	w, err := open(netns.Options{})
	if err != nil {
		return nil, err
	}
	w.pool = p
	return w, nil
}

// load hands out the datapaths of hosts, which hold nothing. Either all are there, or
// none.
func (p *Pool) load(ctx context.Context, hosts []string) (map[string]*dataplane.Datapath, error) {
	if p == nil {
		return LoadLive(ctx, hosts)
	}
	paths := map[string]*dataplane.Datapath{}
	p.mu.Lock()
	for len(hosts) > 0 && len(p.spare) > 0 {
		last := len(p.spare) - 1
		paths[hosts[0]] = p.spare[last]
		p.spare, hosts = p.spare[:last], hosts[1:]
	}
	p.mu.Unlock()
	loaded, err := LoadLive(ctx, hosts)
	for name, d := range loaded {
		paths[name] = d
	}
	if err == nil {
		return paths, nil
	}
	for _, d := range paths {
		err = errors.Join(err, p.giveBack(d))
	}
	return nil, err
}

// giveBack takes a datapath that is attached to nothing any more.
func (p *Pool) giveBack(d *dataplane.Datapath) error {
	if p == nil {
		return d.Close()
	}
	if err := d.Reset(); err != nil {
		return errors.Join(fmt.Errorf("empty the programs' maps: %w", err), d.Close())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return d.Close()
	}
	p.spare = append(p.spare, d)
	return nil
}

// Close unloads what is not in use; what is given back later is unloaded then.
func (p *Pool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var failed error
	for _, d := range p.spare {
		failed = errors.Join(failed, d.Close())
	}
	p.spare, p.closed = nil, true
	return failed
}
