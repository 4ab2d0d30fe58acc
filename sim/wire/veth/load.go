// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/topology/netns"
)

// AttachAll puts a host's programs at its uplink and ports, at each port the one
// of its form.
func AttachAll(room *netns.Net, h state.Host, d *dataplane.Datapath) error {
	p := netns.Programs{Uplink: d.Uplink(), Endpoint: d.Endpoint()}
	if h.Form == state.FormTCX {
		var err error
		if p.UplinkTCX, err = d.UplinkIn(h.Form); err != nil {
			return fmt.Errorf("host %s: %w", h.Name, err)
		}
	}
	if slices.ContainsFunc(h.Endpoints, func(e state.Endpoint) bool { return e.Form == state.FormTCX }) {
		var err error
		if p.EndpointTCX, err = d.EndpointIn(state.FormTCX); err != nil {
			return fmt.Errorf("host %s: %w", h.Name, err)
		}
	}
	return room.Attach(h.Name, p)
}

// LoadLive loads the programs of hosts of a machine room: for real devices,
// with maps small enough that dozens of hosts fit into one kernel. As many are
// loaded at once as there are CPUs, because the kernel's verifier is what takes
// the time. Either all are loaded, or none.
func LoadLive(ctx context.Context, hosts []string) (map[string]*dataplane.Datapath, error) {
	loaded, failed := make([]*dataplane.Datapath, len(hosts)), make([]error, len(hosts))
	busy := make(chan struct{}, runtime.GOMAXPROCS(0))
	var all sync.WaitGroup
	for i := range hosts {
		busy <- struct{}{}
		all.Go(func() {
			defer func() { <-busy }()
			if failed[i] = ctx.Err(); failed[i] == nil {
				loaded[i], failed[i] = loadOne()
			}
		})
	}
	all.Wait()
	paths := map[string]*dataplane.Datapath{}
	var errs []error
	for i, name := range hosts {
		if failed[i] != nil {
			errs = append(errs, fmt.Errorf("host %s: %w", name, failed[i]))
			continue
		}
		paths[name] = loaded[i]
	}
	if len(errs) == 0 {
		return paths, nil
	}
	for _, d := range paths {
		errs = append(errs, d.Close())
	}
	return nil, errors.Join(errs...)
}

func loadOne() (*dataplane.Datapath, error) {
	var secret [8]byte
	_, _ = rand.Read(secret[:]) // never fails
	limits := dataplane.SimulatedLimits()
	limits[bpf.RowMapPorts] = 4096 // its rows are told by interface index
	return dataplane.Load(dataplane.Options{
		Mode:        dataplane.Live,
		TokenSecret: binary.NativeEndian.Uint64(secret[:]),
		Limits:      limits,
	})
}
