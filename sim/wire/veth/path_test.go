// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
)

// An ear may be read before an earlier frame is in it, so that its frame is heard
// after what came of it.
func TestWayIsReadInTheOrderOfTime(t *testing.T) {
	g := NewWithT(t)
	far := netip.MustParseAddr("192.0.2.1")
	k := knowledge{byAddress: map[netip.Addr]string{far: "h1"}}
	start := placed{Endpoint: state.Endpoint{VNI: 7}, host: "h2"}
	first := time.Unix(1, 0)
	delivered := sighting{at: wire.Port{Endpoint: "default/red-1"}, when: first.Add(time.Microsecond)}
	onUnderlay := sighting{at: wire.Port{Uplink: "h2"}, when: first,
		packet: frame.Packet{Tunnel: true, VNI: 7, OuterDst: far}}

	p := k.follow([]sighting{delivered, onUnderlay}, start, func(frame.Layer) bool { return true })
	g.Expect(p.Delivered).To(BeTrue())
	g.Expect(p.Hosts).To(Equal([]string{"h2", "h1"}))
}
