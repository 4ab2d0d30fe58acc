// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/object"
)

func TestNumbersGoRound(t *testing.T) {
	g := NewWithT(t)
	taken := map[uint32]bool{Last: true, first: true}
	number, ok := next(Last-1, Last, taken)
	g.Expect(ok).To(BeTrue())
	g.Expect(number).To(BeEquivalentTo(first + 1))
	number, ok = next(0, Last, nil)
	g.Expect(ok).To(BeTrue())
	g.Expect(number).To(BeEquivalentTo(first))
	_, ok = next(5, first+1, map[uint32]bool{first: true, first + 1: true})
	g.Expect(ok).To(BeFalse())
}

// Who finds no number left matches nobody, and is named.
func TestWhenNoNumberIsLeft(t *testing.T) {
	g := NewWithT(t)
	set := object.Set{Endpoints: []object.Endpoint{{Meta: object.Meta{Namespace: "a", Name: "b"}}, {Meta: object.Meta{Namespace: "b", Name: "c"}}}}
	s := newStep(Ledger{}, set, time.Time{})
	s.limit = first
	s.give()
	g.Expect(s.book().Numbers).To(Equal(map[string]uint32{"a/b": first}))
	g.Expect(s.err()).To(MatchError(ContainSubstring("1 endpoints such as b/c match no policy's peers")))
}
