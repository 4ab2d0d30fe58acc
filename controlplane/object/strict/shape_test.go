// SPDX-License-Identifier: Apache-2.0

package strict_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/object/strict"
)

// decode is a small decoder of everything.
func decode(v strict.Value) {
	f := v.Fields("name", "size", "parts", "labels", "mode", "mask", "rest")
	f.Optional("rest").AnyList()
	f.Required("name", "a name").Text()
	f.Optional("size").Int(1, 9)
	strict.Each(f.Optional("parts"), func(v strict.Value) string {
		return v.Fields("mac").Optional("mac").Text()
	})
	for _, e := range f.Optional("labels").Entries() {
		e.Value.AnyText()
	}
	if mode := f.Optional("mode"); mode.Present() {
		mode.Enum("a", "b")
	}
	f.Optional("mask").Written()
}

func describe(t *testing.T, texts ...string) *strict.Shape {
	t.Helper()
	shape := &strict.Shape{}
	for _, text := range texts {
		r := strict.NewReader("f.yaml")
		r.Describe(shape)
		for _, doc := range r.Documents([]byte(text)) {
			decode(doc)
		}
	}
	return shape
}

// Below what is absent, the decoder is led on; branches need a text that takes
// them.
func TestShapeIsWhatTheDecoderAsksFor(t *testing.T) {
	g := NewWithT(t)
	s := describe(t, "{}", "{mode: a}")
	g.Expect(s.Fields).To(HaveLen(7))
	g.Expect(s.Fields["parts"].Empty).To(BeFalse())
	g.Expect(s.Fields["rest"].Empty).To(BeTrue())
	g.Expect(s.Required("name")).To(BeTrue())
	g.Expect(s.Required("size")).To(BeFalse())
	g.Expect(s.Fields["name"].Want).To(Equal("a name"))
	g.Expect(s.Fields["size"].Scalars).To(Equal([]strict.Scalar{{Kind: strict.IntScalar, Low: 1, High: 9}}))
	g.Expect(s.Fields["parts"].Item.Fields["mac"].Scalars).To(HaveLen(1))
	g.Expect(s.Fields["labels"].Entry.Scalars).To(Equal([]strict.Scalar{{Kind: strict.AnyTextScalar}}))
	g.Expect(s.Fields["mode"].Scalars).To(Equal([]strict.Scalar{{Kind: strict.EnumScalar, Enum: []string{"a", "b"}}}))
	g.Expect(s.Fields["mask"].Scalars).To(HaveLen(2), "a text or a number")
	g.Expect(describe(t, "{}").Fields["mode"].Scalars).To(BeEmpty())
}

// Nobody who does not describe is led anywhere.
func TestAbsentListsAreEmptyForEverybodyElse(t *testing.T) {
	read(t, "{a: 1}", func(v strict.Value) {
		f := v.Fields("a", "b")
		NewWithT(t).Expect(f.Optional("b").List()).To(BeEmpty())
		NewWithT(t).Expect(f.Optional("b").Entries()).To(BeEmpty())
	})
}
