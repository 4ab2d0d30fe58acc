// SPDX-License-Identifier: Apache-2.0

package capacity_test

import (
	"errors"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/dataplane/table"
	"github.com/mizar-net/mizar/sim/capacity"
)

func TestTheKernelRefusesWhatDoesNotFit(t *testing.T) {
	for _, e := range capacity.Prove(capacity.Kernel) {
		NewWithT(t).Expect(e.Failure).To(BeEmpty(), e.Test)
	}
}

// half is a host that applies what it can of a state that does not fit.
type half struct{ capacity.Host }

func (h half) Apply(s state.Host, l state.Local) (dataplane.Report, error) {
	report, err := h.Host.Apply(s, l)
	var small *table.TooSmall
	if errors.As(err, &small) {
		s.MTU = 1400
		s.Peers, s.VPCs, s.Subnets, s.Endpoints, s.Directory = s.Peers[:1], s.VPCs[:1], s.Subnets[:1], s.Endpoints[:1], s.Directory[:1]
		_, failed := h.Host.Apply(s, l)
		err = errors.Join(err, failed)
	}
	return report, err
}

// silent is one that does not say what does not fit.
type silent struct{ capacity.Host }

func (h silent) Apply(s state.Host, l state.Local) (dataplane.Report, error) {
	report, err := h.Host.Apply(s, l)
	if err != nil {
		err = errors.New("it does not fit")
	}
	return report, err
}

func TestTheProofCanFail(t *testing.T) {
	for _, broken := range []func(capacity.Host) capacity.Host{
		func(h capacity.Host) capacity.Host { return half{h} },
		func(h capacity.Host) capacity.Host { return silent{h} },
	} {
		for _, e := range capacity.Prove(func(limits map[string]uint32) (capacity.Host, error) {
			h, err := capacity.Kernel(limits)
			return broken(h), err
		}) {
			NewWithT(t).Expect(e.Failure).NotTo(BeEmpty(), e.Test)
		}
	}
}
