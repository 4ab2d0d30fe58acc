// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"sync"
	"time"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/e2e/kernel/order"
)

// mizar is the one that operators have.
const mizar = "/mizar"

// guest is what can be asked of the machine; every exported method is an order.
type guest struct {
	mu    sync.Mutex
	hosts map[string]*host
	// echo is that of the machine's own namespace, once it is foreign.
	echo *echo
}

// Run runs the binary.
func (g *guest) Run(c order.Command, done *order.Done) error {
	began := time.Now()
	said, err := exec.Command(mizar, c.Arguments...).CombinedOutput()
	done.Output, done.Took = string(said), time.Since(began)
	var code *exec.ExitError
	if errors.As(err, &code) {
		done.Code, err = code.ExitCode(), nil
	}
	return err
}

// host is the host of that name in this machine.
func (g *guest) host(name string) (*host, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	h, ok := g.hosts[name]
	if !ok {
		return nil, fmt.Errorf("host %s is not in this machine", name)
	}
	return h, nil
}

// behind is the host that an endpoint is behind.
func (g *guest) behind(endpoint string) (*host, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, h := range g.hosts {
		if slices.ContainsFunc(h.state.Endpoints, func(e state.Endpoint) bool { return e.Name == endpoint }) {
			return h, nil
		}
	}
	return nil, fmt.Errorf("endpoint %s is not in this machine", endpoint)
}
