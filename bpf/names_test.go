// SPDX-License-Identifier: Apache-2.0

package bpf_test

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bpf"
)

func TestNamesAreThoseOfTheC(t *testing.T) {
	g := NewWithT(t)
	for name, value := range map[string]fmt.Stringer{
		"guard_address":   bpf.RowDropReasonDROP_GUARD_ADDRESS,
		"none":            bpf.RowDropReasonDROP_NONE,
		"send_back":       bpf.RowVerdictVERDICT_SEND_BACK,
		"encapsulate":     bpf.RowStageSTAGE_ENCAPSULATE,
		"paths":           bpf.RowTableTABLE_PATHS,
		"update":          bpf.RowAccessACCESS_UPDATE,
		"learned":         bpf.RowPathStatePATH_LEARNED,
		"drop_reason(99)": bpf.RowDropReason(99),
	} {
		g.Expect(value.String()).To(Equal(name))
	}
	g.Expect(bpf.PortSlots()).To(BeEquivalentTo(65536))
}
