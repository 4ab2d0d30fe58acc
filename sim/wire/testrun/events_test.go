// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestEventsOfOneTimeHappenInTheOrderOfTheirPlans(t *testing.T) {
	g := NewWithT(t)
	var q events
	var done []string
	for _, e := range []struct {
		at   int
		name string
	}{{5, "b"}, {3, "a"}, {5, "c"}, {9, "e"}, {5, "d"}} {
		q.plan(time.Duration(e.at), func() error { done = append(done, e.name); return nil })
	}
	for _, e := range q {
		g.Expect(e.do()).To(Succeed())
	}
	g.Expect(done).To(Equal([]string{"a", "b", "c", "d", "e"}))
}
