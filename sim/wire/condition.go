// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"
	"strings"
	"time"

	"github.com/mizar-net/mizar/sim/link"
)

// Condition is how a host and its link are. The zero value is in order.
type Condition struct {
	Link link.Link
	// Dead hosts send and take nothing, nor do their endpoints; their agent is
	// gone.
	Dead  bool
	Agent Agent
}

// Agent is how a host's agent is. The zero value is Running.
type Agent string

// The conditions of an agent.
const (
	Running Agent = ""
	// Paused: changes of its state do not reach the host.
	Paused Agent = "paused"
	// Killed is Paused, and the host sends no heartbeats either.
	Killed Agent = "killed"
)

// Behind says that the host does not get new states: it catches up once this is
// over.
func (c Condition) Behind() bool { return c.Dead || c.Agent != Running }

// Carrying is how the link of the host is, seen from the underlay.
func (c Condition) Carrying() link.Link {
	l := c.Link
	l.Down = l.Down || c.Dead
	return l
}

// String is what is wrong: "dead", "agent paused, link down".
func (c Condition) String() string {
	var parts []string
	if c.Dead {
		parts = append(parts, "dead")
	}
	if c.Agent != Running {
		parts = append(parts, "agent "+string(c.Agent))
	}
	if c.Link != (link.Link{}) {
		parts = append(parts, "link "+c.Link.String())
	}
	if len(parts) == 0 {
		return "in order"
	}
	return strings.Join(parts, ", ")
}

// Faulty is a wire whose links, hosts and agents can be made to fail. Both wires
// are one. What links lose is counted in Drops.
type Faulty interface {
	// SetCondition makes a host's condition what it says. A host that is no
	// longer behind gets the state that it was last meant to hold.
	SetCondition(ctx context.Context, host string, c Condition) error
	// Conditions are those of all hosts, as the wire itself has them.
	Conditions(ctx context.Context) (map[string]Condition, error)
	// Seed chooses what lossy links lose from now on.
	Seed(seed int)
}

// Stepper is a wire whose hosts have clocks of their own. The testrun wire is
// one.
type Stepper interface {
	// StepClock moves one host's clock forward, at once.
	StepClock(ctx context.Context, host string, by time.Duration) error
}
