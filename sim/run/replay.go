// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"errors"

	"github.com/mizar-net/mizar/sim/scenario"
)

func (r *runner) replay(ctx context.Context, p *scenario.Replay) ([]Check, error) {
	return nil, errors.New("replay")
}
