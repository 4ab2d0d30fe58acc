// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"

	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/wire/veth"
)

// modesOfXDP is the row of ACCEPTANCE for the modes of XDP.
const modesOfXDP = "H18"

// Offload is evidence that XDP on the NIC itself, asked for where there is no
// such NIC, is refused and nothing else taken for it. ask is how that is asked.
func Offload(ctx context.Context, ask func(context.Context) (refusal, wrong error)) []run.Evidence {
	e := run.Evidence{
		Test: "offload at a device that has none", Rows: []string{modesOfXDP},
		Cell: run.Cell{XDP: "offload", Verdict: "refused"},
	}
	if _, wrong := ask(ctx); wrong != nil {
		e.Failure = wrong.Error()
	}
	return []run.Evidence{e}
}

var refusesOffload = veth.RefusesOffload
