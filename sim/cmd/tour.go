// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"context"

	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/scenario"
)

func (p *printer) tour(ctx context.Context, s *scenario.Scenario, c run.Config) (run.Result, error) {
	c.Notify = p.event
	r, err := run.Run(ctx, s, c)
	p.erase()
	return r, err
}
