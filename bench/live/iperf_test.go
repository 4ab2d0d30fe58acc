// SPDX-License-Identifier: Apache-2.0

package live

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestRateIsWhatArrived(t *testing.T) {
	g := NewWithT(t)
	g.Expect(streamRate([]byte(`{"start":{},"intervals":[],"end":{
		"sum_sent":{"bytes":9000000,"bits_per_second":9e9,"retransmits":3},
		"sum_received":{"bytes":8000000,"bits_per_second":4.5e9}}}`))).To(Equal(4.5e9))
	for said, want := range map[string]string{
		"iperf3: command line": "want JSON",
		`{"start":{},"end":{},"error":"error - unable to connect to server"}`: "unable to connect",
		`{"end":{"sum_received":{"bytes":0,"bits_per_second":0}}}`:            "nothing was received",
		`{}`: "nothing was received",
	} {
		_, err := streamRate([]byte(said))
		g.Expect(err).To(MatchError(ContainSubstring(want)), said)
	}
}

func TestValuesOfTransactions(t *testing.T) {
	took := make([]time.Duration, 101)
	for i := range took {
		took[len(took)-1-i] = time.Duration(i) * time.Microsecond
	}
	NewWithT(t).Expect(valuesOf(500, 250*time.Millisecond, took)).To(Equal([]float64{2000, 50, 99}))
}
