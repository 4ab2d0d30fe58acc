// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"github.com/mizar-net/mizar/dataplane/feature"
	"github.com/mizar-net/mizar/dataplane/state"
)

// Features tells what the machine's kernel can do, and its driver at the device
// with an Ethernet address, which must be nobody's uplink.
func (g *guest) Features(mac state.MAC, r *feature.Report) error {
	ctx := context.Background()
	name, err := deviceOf(mac)
	if err != nil {
		return err
	}
	driver, err := driverOf(name)
	if err != nil {
		return err
	}
	if *r, err = feature.Running(ctx); err != nil {
		return err
	}
	more, err := feature.OnDevice(ctx, name, driver)
	r.Features = append(r.Features, more...)
	return err
}
