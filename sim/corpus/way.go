// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/mizar-net/mizar/dataplane/kernel"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/capture"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// Way is how a foreign frame meets a program.
type Way struct {
	Name string
	// Says is what becomes of the frame before the program gets it.
	Says    string
	Program testrun.Program
	// Form is that of the endpoint program.
	Form state.Form

	// roles are put into the frame; nil leaves it as it is.
	roles *roles
	// tunnel carries it; nil: none.
	tunnel *frame.Tunnel
}

// Ways are all ways, in the order in which a frame goes them.
func Ways() []Way {
	mac := capture.Endpoint{Name: "me", MAC: myMAC}
	sent := func(to capture.Endpoint) *roles { return &roles{me, to, gatewayMAC} }
	carried := func(to capture.Endpoint) *roles { return &roles{destination: to, gateway: gatewayMAC} }
	tunnel := func(tos uint8, r *frame.Return) *frame.Tunnel {
		return &frame.Tunnel{SrcMAC: h1MAC, DstMAC: uplinkMAC, Src: h1, Dst: self4, TOS: tos, VNI: vni,
			Options: frame.Options{Identity: &frame.Identity{Identity: 7, Generation: 1}, Return: r}}
	}
	back := func(flags uint8) *frame.Return {
		return &frame.Return{Flags: flags, Limit: 4, Token: 0x5eed, Host: h2}
	}
	return inTCX([]Way{
		{"endpoint", "an endpoint sends it as it is", testrun.Endpoint, state.FormXDP, nil, nil},
		{"endpoint-mac", "an endpoint sends it with its own MAC address", testrun.Endpoint, state.FormXDP, &roles{mac, capture.Endpoint{}, gatewayMAC}, nil},
		{"ask", "an endpoint sends it to a peer of its subnet, behind another host that a bouncer knows", testrun.Endpoint, state.FormXDP, sent(asked), nil},
		{"direct", "an endpoint sends it to a peer of another subnet, behind a host of IPv6", testrun.Endpoint, state.FormXDP, sent(far), nil},
		{"local", "an endpoint sends it to a peer of another subnet, behind the same host", testrun.Endpoint, state.FormXDP, sent(neighbour), nil},
		{"tunnel", "a known host's tunnel carries it as it is", testrun.Uplink, "", nil, tunnel(0, nil)},
		{"tunnel-here", "a known host's tunnel carries it to an endpoint", testrun.Uplink, "", carried(me), tunnel(0, back(0))},
		{"tunnel-congested", "a known host's tunnel, marked as congested, carries it to an endpoint", testrun.Uplink, "", carried(me), tunnel(3, nil)},
		{"relay", "a known host asks to relay it", testrun.Uplink, "", carried(far), tunnel(0, back(0))},
		{"send-back", "a known host asks for it back with the location", testrun.Uplink, "", carried(near), tunnel(0, back(frame.ReturnSendBack))},
		{"stranger", "it passes by on the underlay", testrun.Uplink, "", nil, nil},
		{"to-host", "a known host sends it to the host itself", testrun.Uplink, "", &roles{underlay("peer", h1, h2), underlay("h3", self4, self6), uplinkMAC}, nil},
	})
}

// inTCX adds each way through the endpoint program in the TCX form, by the same
// name and that of the form.
func inTCX(all []Way) []Way {
	for _, w := range all {
		if w.Program == testrun.Endpoint {
			w.Name, w.Form = w.Name+"-tcx", state.FormTCX
			w.Says += ", through the TCX form"
			all = append(all, w)
		}
	}
	return all
}

func underlay(name string, a ...netip.Addr) capture.Endpoint {
	return capture.Endpoint{Name: name, Addresses: a, MAC: h1MAC}
}

// port is where the frame arrives, and the largest packet that fits.
func (w Way) port() (number uint32, mtu int) {
	if w.Program == testrun.Endpoint {
		return myPort, endpointMTU
	}
	return uplinkPort, underlayMTU
}

// prepared is a frame ready for a program.
type prepared struct {
	// frame is what the program gets, inner the part that a tunnel carries
	// (or all of it).
	frame, inner []byte
	forced       bool
}

// prepare makes the frame that the program gets of a foreign one.
func (w Way) prepare(foreign []byte) (prepared, error) {
	p := prepared{frame: foreign, inner: foreign}
	if w.roles != nil && len(foreign) >= ethernet {
		r := w.roles.rewrite(foreign)
		if !r.forced {
			spoil(r.frame, foreign)
		}
		p = prepared{r.frame, r.frame, r.forced}
	}
	if w.tunnel == nil {
		return p, nil
	}
	var err error
	p.frame, err = carry(*w.tunnel, p.inner)
	return p, err
}

// carry puts any bytes into a tunnel.
func carry(t frame.Tunnel, inner []byte) ([]byte, error) {
	options, err := t.Options.Encode()
	if err != nil {
		return nil, err
	}
	payload := []byte{uint8(len(options) / 4), 0, 0x65, 0x58}
	payload = binary.BigEndian.AppendUint32(payload, t.VNI<<8)
	payload = append(append(payload, options...), inner...)
	b, err := frame.Build(frame.Spec{Kind: frame.UDP, SrcMAC: t.SrcMAC, DstMAC: t.DstMAC, Src: t.Src, Dst: t.Dst, TOS: t.TOS,
		DF: true, SrcPort: 0xc000, DstPort: frame.GenevePort, NoChecksum: true, Payload: payload})
	if err != nil {
		return nil, fmt.Errorf("carry %d bytes: %w", len(inner), err)
	}
	return b, nil
}

// fits says why no driver would hand a frame of this length to the program; ""
// when one would.
func (w Way) fits(length int) string {
	_, mtu := w.port()
	switch {
	case length < kernel.MinFrame:
		return "shorter than an Ethernet header"
	case length > min(kernel.MaxFrame, mtu+ethernet+4):
		return "longer than the port's MTU"
	case w.Form == state.FormTCX && length > kernel.MaxTCXFrame:
		return "longer than the kernel runs a TCX program over"
	}
	return ""
}
