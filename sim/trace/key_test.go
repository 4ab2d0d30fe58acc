// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/sim/trace"
)

// Identities and single ports share a map.
func TestKeysOfPeersSayWhatTheyAreOf(t *testing.T) {
	for want, key := range map[string]bpf.RowPolicyPeerKey{
		"set 0x4001 identity 16777215":    {Set: 0x4001, Identity: 1<<24 - 1},
		"class 7 protocol 132 port 65535": encode.SinglePort(7, 132, 65535),
	} {
		got := trace.Key(bpf.RowTableTABLE_POLICY_PEERS.String(), rowBytes(t, key))
		NewWithT(t).Expect(got).To(Equal(want))
	}
}
