// SPDX-License-Identifier: Apache-2.0

package service

import (
	"runtime"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/crowd"
)

// What an agent remembers of the rows that it wanted is within what it may have: 2 KB an
// endpoint, and 60 MB for the rest, of which this may be half.
func TestWhatIsRememberedIsSmall(t *testing.T) {
	g := NewWithT(t)
	d, err := dataplane.Load(dataplane.Options{TokenSecret: 1, Limits: map[string]uint32{"services": 1 << 15, "choices": 1 << 19, "backends": 1 << 18, "directory": 1 << 17}})
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	defer d.Close()
	none := crowd.Crowd{Family: 4, VPCs: 1, Hosts: 10, Endpoints: 1}
	for _, c := range []struct {
		of    string
		many  crowd.Crowd
		n     int
		limit int // bytes each
	}{
		{"endpoint", crowd.Crowd{Family: 4, VPCs: 1, Hosts: 10, Endpoints: 1001}, 1000, 2 << 10},
		{"row of the directory", crowd.Crowd{Family: 4, VPCs: 1, Hosts: 10, Endpoints: 1, Directory: 50_000}, 50_000, 300},
		{"service of ten backends", crowd.Crowd{Family: 4, VPCs: 1, Hosts: 10, Endpoints: 1, Services: 10_000}, 10_000, 30 << 20 / 10_000},
	} {
		few, machine := none.State()
		many, large := c.many.State()
		before, after := remembered(g, d, few, machine), remembered(g, d, many, large)
		each := (after - before) / c.n
		t.Logf("%d bytes for each %s", each, c.of)
		g.Expect(each).To(And(BeNumerically(">", 0), BeNumerically("<=", c.limit)), c.of)
		runtime.KeepAlive(many)
		runtime.KeepAlive(few)
	}
}

// remembered is the heap once a datapath holds a state, which is somebody else's too.
func remembered(g Gomega, d *dataplane.Datapath, s state.Host, l state.Local) int {
	_, err := d.Apply(s, l)
	g.Expect(err).NotTo(HaveOccurred())
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
