// SPDX-License-Identifier: Apache-2.0

package wire

import "context"

// Tracer is a wire that knows every frame's way through the programs. The
// testrun wire is one.
type Tracer interface {
	// Trace is Inject that tells, for each frame, the steps that it took.
	Trace(ctx context.Context, at Port, frames [][]byte) ([]Way, error)
}

// Way is what became of one injected frame.
type Way struct {
	Steps []Step
	// Emissions are what came out, in order.
	Emissions []Emission
	// Reason is the drop reason, Dropper the host, when it was dropped.
	Reason, Dropper string
}
