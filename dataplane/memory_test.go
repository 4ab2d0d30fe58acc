// SPDX-License-Identifier: Apache-2.0

package dataplane_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane"
)

// TestMemoryIsWhatTheKernelCharges adds up what fdinfo says of every map that
// this process has, before and after a host is loaded.
func TestMemoryIsWhatTheKernelCharges(t *testing.T) {
	g := NewWithT(t)
	before := charged(g)
	d, err := dataplane.Load(dataplane.Options{TokenSecret: 1})
	g.Expect(err).NotTo(HaveOccurred(), "root is needed")
	defer d.Close()
	_, err = d.Apply(host())
	g.Expect(err).NotTo(HaveOccurred())
	all, err := d.Memory()
	g.Expect(err).NotTo(HaveOccurred())
	after := charged(g)
	for id := range before {
		delete(after, id)
	}
	var sum, want uint64
	for name, bytes := range all {
		if name != bpf.RowMapPolicyPorts && name != bpf.RowMapPolicyPrefixes { // tries without rows
			g.Expect(bytes).To(BeNumerically(">", 0), name)
		}
		sum += bytes
	}
	for _, bytes := range after {
		want += bytes
	}
	g.Expect(len(after)).To(BeNumerically(">=", len(all)))
	// The few constants of a program are a map too, and a page each.
	const constants = 2 * 8192
	g.Expect(sum).To(And(BeNumerically("<=", want), BeNumerically(">=", want-constants)))
}

// charged is the memlock of each map of this process, by the map's number.
func charged(g Gomega) map[string]uint64 {
	files, err := filepath.Glob("/proc/self/fdinfo/*")
	g.Expect(err).NotTo(HaveOccurred())
	all := map[string]uint64{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // closed meanwhile
		}
		fields := map[string]string{}
		for line := range strings.Lines(string(text)) {
			name, value, _ := strings.Cut(line, ":")
			fields[name] = strings.TrimSpace(value)
		}
		if fields["map_id"] != "" {
			var bytes uint64
			for _, digit := range fields["memlock"] {
				bytes = 10*bytes + uint64(digit-'0')
			}
			all[fields["map_id"]] = bytes
		}
	}
	return all
}
