// SPDX-License-Identifier: Apache-2.0

package machine_test

import (
	"net"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/e2e/kernel/machine"
)

// TestUnderlayLearns where addresses are, and remembers what it has carried.
func TestUnderlayLearns(t *testing.T) {
	g := NewWithT(t)
	u, err := machine.NewUnderlay(3)
	g.Expect(err).NotTo(HaveOccurred())
	var plugged []net.Conn
	for i := range 3 {
		conn, err := net.FileConn(u.Cable(i))
		g.Expect(err).NotTo(HaveOccurred())
		defer conn.Close()
		g.Expect(conn.SetDeadline(time.Now().Add(10 * time.Second))).To(Succeed())
		plugged = append(plugged, conn)
	}
	said := func(port int) string {
		b := make([]byte, 2000)
		n, err := plugged[port].Read(b)
		g.Expect(err).NotTo(HaveOccurred())
		return string(b[14:n])
	}
	say := func(port int, f []byte) {
		_, err := plugged[port].Write(f)
		g.Expect(err).NotTo(HaveOccurred())
	}
	one, two := state.MAC{2, 1}, state.MAC{2, 2}
	say(0, framed(two, one, "who is two?"))
	g.Expect([]string{said(1), said(2)}).To(HaveEach("who is two?"), "nobody knows where it is")
	say(0, []byte("too short"))
	say(1, framed(one, two, "I am"))
	g.Expect(said(0)).To(Equal("I am"))
	u.Inject(2, framed(two, one, "forged"))
	g.Expect(said(1)).To(Equal("forged"))
	say(1, framed(one, two, "to the forger"))
	g.Expect(said(2)).To(Equal("to the forger"), "the address is where it was heard last, and nothing came before")

	g.Expect(u.Take()).To(HaveLen(4))
	g.Expect(u.Take()).To(BeEmpty())
	g.Expect(u.Close()).To(Succeed())
}

func framed(dst, src state.MAC, payload string) []byte {
	return append(append(append(dst[:], src[:]...), 0x88, 0xb5), payload...)
}
