// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mizar-net/mizar/dataplane/state"
)

// RefusesOffload asks for XDP on the NIC itself at a device that has no NIC, and
// returns what is wrong unless that is refused: nothing else may be taken for
// it. The error of the refusal is returned too, for people to read.
func RefusesOffload(ctx context.Context) (refusal, wrong error) {
	w, err := Open()
	if err != nil {
		return nil, err
	}
	defer func() { wrong = errors.Join(wrong, w.Close()) }()
	refusal = w.Apply(ctx, []state.Host{{
		Name: "h1", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, MTU: 1500, XDP: state.Offload,
	}})
	if refusal == nil {
		return nil, errors.New("a veth was taken for a NIC that runs programs")
	}
	if mode, err := w.room.Mode("h1"); err != nil || mode != "" {
		return refusal, fmt.Errorf("the uplink should have no program, has one in mode %q: %w", mode, errors.Join(err, refusal))
	}
	return refusal, nil
}
