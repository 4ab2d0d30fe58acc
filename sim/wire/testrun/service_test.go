// SPDX-License-Identifier: Apache-2.0

package testrun_test

import (
	"fmt"
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

const (
	frontend4, frontend6 = "172.20.0.10", "fd99::10"
)

// served is the plan with a service of one backend.
func served(t *testing.T, p plan, backend string) *testrun.Wire {
	t.Helper()
	w := network(t, p)
	states := p.states()
	b := p.endpoint(backend)
	for i := range states {
		for _, protocol := range []uint8{6, 17} {
			for f, front := range []string{frontend4, frontend6} {
				states[i].Services = append(states[i].Services, state.Service{
					Name: fmt.Sprintf("ns/web:%d/%s", protocol, front), VNI: b.VNI, Protocol: protocol,
					Frontends: []netip.AddrPort{netip.AddrPortFrom(address(front), 80)},
					Backends:  []netip.AddrPort{netip.AddrPortFrom(b.Addresses[f], 8080)}, Table: []uint16{0},
				})
			}
		}
	}
	if err := w.Apply(t.Context(), states); err != nil {
		t.Fatal(err)
	}
	return w
}

// A packet to a frontend comes out at the backend, with the backend's address and port
// and right checksums, and its answer comes from the frontend.
func TestServiceIsReached(t *testing.T) {
	const client = "blue/h1-a-10"
	for name, backend := range map[string]string{"own host": "blue/h1-a-11", "other host": "blue/h2-a-20", "other subnet": "blue/h2-b-21"} {
		for _, family := range []int{4, 6} {
			for _, kind := range []frame.Kind{frame.TCP, frame.UDP} {
				g := NewWithT(t)
				p := plan{endpoints: []string{client, "blue/h1-a-11", "blue/h2-a-20", "blue/h2-b-21"}}
				w := served(t, p, backend)
				from, to := p.endpoint(client), p.endpoint(backend)
				front := address(map[int]string{4: frontend4, 6: frontend6}[family])
				at := map[int]int{4: 0, 6: 1}[family]
				mac := state.MAC{2, 0x4d, 0x5a, 0, 0, 100}
				say := func(flags frame.TCPFlags, back bool) frame.Packet {
					t.Helper()
					s := frame.Spec{Kind: kind, SrcMAC: from.MAC, DstMAC: mac, Src: from.Addresses[at], Dst: front, SrcPort: 4000, DstPort: 80, TCPFlags: flags}
					port, out := wire.Port{Endpoint: client}, backend
					if back {
						s = frame.Spec{Kind: kind, SrcMAC: to.MAC, DstMAC: mac, Src: to.Addresses[at], Dst: from.Addresses[at], SrcPort: 8080, DstPort: 4000, TCPFlags: flags}
						port, out = wire.Port{Endpoint: backend}, client
					}
					b, err := frame.Build(s)
					g.Expect(err).NotTo(HaveOccurred())
					all, err := w.Inject(t.Context(), port, [][]byte{b})
					g.Expect(err).NotTo(HaveOccurred())
					for _, e := range all {
						if e.At.Endpoint == out {
							g.Expect(frame.VerifyChecksums(e.Frame)).To(Succeed(), "%s v%d %v", name, family, kind)
							got, err := frame.Decode(e.Frame)
							g.Expect(err).NotTo(HaveOccurred())
							return got
						}
					}
					drops, _ := w.Drops(t.Context())
					t.Fatalf("%s v%d %v: nothing came out at %s: %v, drops %v", name, family, kind, out, all, drops)
					return frame.Packet{}
				}
				for _, turn := range []struct {
					flags frame.TCPFlags
					back  bool
				}{{frame.SYN, false}, {frame.SYN | frame.ACK, true}, {frame.ACK, false}, {frame.ACK, false}, {frame.ACK, true}, {frame.ACK, false}, {frame.FIN | frame.ACK, false}, {frame.FIN | frame.ACK, true}, {frame.ACK, false}} {
					got := say(turn.flags, turn.back)
					if turn.back {
						g.Expect(got.Inner.Src).To(Equal(front))
						g.Expect(got.Inner.SrcPort).To(BeEquivalentTo(80))
					} else {
						g.Expect(got.Inner.Dst).To(Equal(to.Addresses[at]))
						g.Expect(got.Inner.DstPort).To(BeEquivalentTo(8080))
					}
				}
			}
		}
	}
}
