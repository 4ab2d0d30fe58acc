// SPDX-License-Identifier: Apache-2.0

package crowd_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/sim/crowd"
)

// TestCrowdsHaveTheRowsThatTheySay encodes crowds: as many rows as asked for, none
// of which falls on another.
func TestCrowdsHaveTheRowsThatTheySay(t *testing.T) {
	for _, c := range []crowd.Crowd{
		{Family: 4, VPCs: 1, Hosts: 1},
		{Family: 4, VPCs: 1, Hosts: 10, Endpoints: 4095, Directory: 20000},
		{Family: 6, VPCs: 40, Hosts: 16000, Endpoints: 100, Directory: 1000},
	} {
		g := NewWithT(t)
		s, l := c.State()
		rows, index, err := encode.Encode(s, l, encode.Index{})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(rows.Hosts).To(HaveLen(1 + c.Hosts))
		g.Expect(rows.Peers).To(HaveLen(c.Hosts))
		g.Expect(rows.VPCs).To(HaveLen(c.VPCs))
		g.Expect(rows.Subnets).To(HaveLen(3 * c.VPCs))
		g.Expect(rows.Routes).To(HaveLen(6 * c.VPCs))
		g.Expect(rows.Endpoints).To(HaveLen(c.Endpoints))
		g.Expect(rows.Locals).To(HaveLen(2 * c.Endpoints))
		g.Expect(rows.Directory).To(HaveLen(c.Directory))
		if c.Directory > 0 {
			row := rows.Directory[encode.Addr(crowd.VNI, crowd.Located(c.Family, 0))]
			g.Expect(row.Host).To(Equal(index.Hosts[crowd.PeerName(0)]))
		}
	}
}
