// SPDX-License-Identifier: Apache-2.0

package veth_test

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/wire/veth"
	"github.com/mizar-net/mizar/topology/netns"
)

// second are addresses of h2 that Mizar knows nothing of.
var second = []netip.Prefix{netip.MustParsePrefix("172.16.0.202/32"), netip.MustParsePrefix("fd00::202/128")}

// The hosts' own sockets, beside the tunnel and over the same uplinks, in both
// modes.
func TestHostsTalkBesideTheTunnel(t *testing.T) {
	for _, mode := range []state.XDP{state.Native, state.Generic} {
		t.Run(string(mode), func(t *testing.T) {
			g := NewWithT(t)
			w := open(t, set())
			hosts := compile.Hosts(set())
			for i := range hosts {
				hosts[i].XDP = mode
			}
			g.Expect(w.Apply(t.Context(), hosts)).To(Succeed())
			g.Expect(w.Room().InHost("h2", func() error {
				uplink, err := netlink.LinkByName(netns.UplinkDevice)
				if err != nil {
					return err
				}
				for _, p := range second {
					a := &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}, Flags: unix.IFA_F_NODAD}
					if err := netlink.AddrAdd(uplink, a); err != nil {
						return err
					}
				}
				return nil
			})).To(Succeed())
			before, err := w.Drops(t.Context())
			g.Expect(err).NotTo(HaveOccurred())
			for _, to := range []string{
				"172.16.0.2:53", "[fd00::2]:53", "172.16.0.2:68",
				"172.16.0.202:53", "172.16.0.202:6081", "[fd00::202]:53", "[fd00::202]:6081",
			} {
				overUDP(t, w, netip.MustParseAddrPort(to))
			}
			for _, to := range []string{"172.16.0.2:22", "172.16.0.2:6081", "[fd00::2]:22", "[fd00::2]:6081"} {
				overTCP(t, w, netip.MustParseAddrPort(to))
			}
			g.Expect(w.Drops(t.Context())).To(Equal(before), "none of this is Mizar's to drop")
		})
	}
}

// deadline of sockets that must not wait for ever.
const deadline = 5 * time.Second

// overUDP sends a datagram from h1 to an address of h2, and an answer back.
func overUDP(t *testing.T, w *veth.Wire, to netip.AddrPort) {
	t.Helper()
	g := NewWithT(t)
	var server *net.UDPConn
	g.Expect(w.Room().InHost("h2", func() (err error) {
		server, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(to))
		return err
	})).To(Succeed())
	defer server.Close()
	var client *net.UDPConn
	g.Expect(w.Room().InHost("h1", func() (err error) {
		client, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
		return err
	})).To(Succeed())
	defer client.Close()
	_, err := client.Write([]byte("question"))
	g.Expect(err).NotTo(HaveOccurred())
	buf := make([]byte, 64)
	g.Expect(server.SetDeadline(time.Now().Add(deadline))).To(Succeed())
	n, from, err := server.ReadFromUDPAddrPort(buf)
	g.Expect(err).NotTo(HaveOccurred(), "%s", to)
	g.Expect(string(buf[:n])).To(Equal("question"))
	_, err = server.WriteToUDPAddrPort([]byte("answer"), from)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(client.SetDeadline(time.Now().Add(deadline))).To(Succeed())
	n, err = client.Read(buf)
	g.Expect(err).NotTo(HaveOccurred(), "back from %s", to)
	g.Expect(string(buf[:n])).To(Equal("answer"))
}

// overTCP connects from h1 to an address of h2 and sends something.
func overTCP(t *testing.T, w *veth.Wire, to netip.AddrPort) {
	t.Helper()
	g := NewWithT(t)
	var server net.Listener
	g.Expect(w.Room().InHost("h2", func() (err error) {
		server, err = net.Listen("tcp", to.String())
		return err
	})).To(Succeed())
	defer server.Close()
	got := make(chan string, 1)
	go func() {
		conn, err := server.Accept()
		if err != nil {
			got <- err.Error()
			return
		}
		defer conn.Close()
		buf := make([]byte, 64)
		n, err := conn.Read(buf)
		if err != nil {
			got <- err.Error()
			return
		}
		got <- string(buf[:n])
	}()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	g.Expect(w.Room().InHost("h1", func() error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", to.String())
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write([]byte("SSH-2.0-nobody"))
		return err
	})).To(Succeed(), "%s", to)
	g.Expect(<-got).To(Equal("SSH-2.0-nobody"))
}
