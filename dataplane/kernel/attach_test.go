// SPDX-License-Identifier: Apache-2.0

package kernel_test

import (
	"context"
	"runtime"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/dataplane/kernel"
	"github.com/mizar-net/mizar/dataplane/state"
)

// inNamespace runs a test on a thread with a network namespace of its own; both
// go with the thread, because it is never unlocked.
func inNamespace(t *testing.T, test func(g Gomega)) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Errorf("make a namespace (root is needed): %v", err)
			return
		}
		test(NewWithT(t))
	}()
	<-done
}

func TestAttach(t *testing.T) {
	p := portProgram(t, 0)
	inNamespace(t, func(g Gomega) {
		veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "one"}, PeerName: "two"}
		g.Expect(netlink.LinkAdd(veth)).To(Succeed())
		native, err := netlink.LinkByName("one")
		g.Expect(err).NotTo(HaveOccurred())
		loopback, err := netlink.LinkByName("lo")
		g.Expect(err).NotTo(HaveOccurred())

		for _, c := range []struct {
			device     netlink.Link
			asked, got state.XDP
			fallback   bool
		}{
			{native, state.Auto, state.Native, false},
			{native, state.Native, state.Native, false},
			{native, state.Generic, state.Generic, false},
			{loopback, state.Auto, state.Generic, true},
		} {
			a, err := kernel.System{}.Attach(t.Context(), c.device.Attrs().Index, p, c.asked)
			g.Expect(err).NotTo(HaveOccurred(), "%s on %s", c.asked, c.device.Attrs().Name)
			g.Expect(a.Mode()).To(Equal(c.got))
			g.Expect(a.Reason() != nil).To(Equal(c.fallback), "the fallback is reported")
			g.Expect(a.Close()).To(Succeed())
		}

		_, err = kernel.System{}.Attach(t.Context(), loopback.Attrs().Index, p, state.Native)
		g.Expect(err).To(MatchError(ContainSubstring("attach to interface 1, native hook")))
		_, err = kernel.System{}.Attach(t.Context(), 4711, p, state.Auto)
		g.Expect(err).To(HaveOccurred())
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = kernel.System{}.Attach(cancelled, 1, p, state.Generic)
		g.Expect(err).To(MatchError(context.Canceled))
	})
}
