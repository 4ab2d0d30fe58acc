// SPDX-License-Identifier: Apache-2.0

package netns

import "fmt"

// Deaden takes the ports of a host's endpoints down, as if the host had lost its
// power. Its uplink stays as it is, so that [Net.Revive] finds its addresses,
// routes and neighbours: the caller keeps frames from it.
func (n *Net) Deaden(name string) error {
	return n.switchPorts(name, powerOff)
}

// Revive undoes that.
func (n *Net) Revive(name string) error {
	return n.switchPorts(name, powerOn)
}

// power is whether a host has any.
type power int

const (
	powerOn power = iota
	powerOff
)

func (n *Net) switchPorts(name string, p power) error {
	h, ok := n.hosts[name]
	if !ok {
		return n.unknown("host", name)
	}
	set := h.links.LinkSetUp
	if h.dead = p == powerOff; h.dead {
		set = h.links.LinkSetDown
	}
	for _, e := range n.endpoints {
		if e.host != h {
			continue
		}
		if err := set(index(e.port)); err != nil {
			return fmt.Errorf("switch the port of endpoint %s: %w", e.Name, err)
		}
	}
	return nil
}
