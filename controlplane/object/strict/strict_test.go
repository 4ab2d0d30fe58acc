// SPDX-License-Identifier: Apache-2.0

package strict_test

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/object/strict"
)

// read gives one document to a function, and returns all errors as lines.
func read(t *testing.T, text string, use func(strict.Value)) []string {
	t.Helper()
	r := strict.NewReader("f.yaml")
	for _, doc := range r.Documents([]byte(text)) {
		use(doc)
	}
	if r.Err() == nil {
		return nil
	}
	return strings.Split(r.Err().Error(), "\n")
}

func TestScalarsReadWhatTheyPromise(t *testing.T) {
	g := NewWithT(t)
	errs := read(t, `{on: true, off: FALSE, wait: 250ms, hex: 0x1F, big: 1_000, name: "5", none: ""}`, func(v strict.Value) {
		f := v.Fields("on", "off", "wait", "hex", "big", "name", "none", "absent")
		g.Expect(f.Optional("on").Bool()).To(BeTrue())
		g.Expect(f.Optional("off").Bool()).To(BeFalse())
		g.Expect(f.Optional("wait").Duration()).To(Equal(250 * time.Millisecond))
		g.Expect(f.Optional("hex").Int(0, 31)).To(Equal(31))
		g.Expect(f.Optional("big").Int(0, 1000)).To(Equal(1000))
		g.Expect(f.Optional("name").Text()).To(Equal("5"))
		g.Expect(f.Optional("none").AnyText()).To(BeEmpty())
		g.Expect(f.Optional("absent").Present()).To(BeFalse())
		g.Expect(f.Optional("absent").Int(1, 2)).To(BeZero())
	})
	g.Expect(errs).To(BeEmpty())
}

func TestWrongScalarsAreTold(t *testing.T) {
	errs := read(t, "on: yes\nwait: -1s\nname: ''\nkind: [a]\nsize: 99999999999999999999\n", func(v strict.Value) {
		f := v.Fields("on", "wait", "name", "kind", "size")
		f.Optional("on").Bool()
		f.Optional("wait").Duration()
		f.Optional("name").Text()
		f.Optional("kind").Enum("a", "b")
		f.Optional("size").Int(0, 10)
		f.Required("mode", "a mode")
	})
	NewWithT(t).Expect(errs).To(Equal([]string{
		`f.yaml:1: on: got "yes"; want true or false`,
		`f.yaml:2: wait: got "-1s"; want a duration such as 250ms, 1s, 5m`,
		`f.yaml:3: name: got ""; want a text`,
		`f.yaml:4: kind: got a list; want one of a, b`,
		`f.yaml:5: size: got 99999999999999999999; want a whole number from 0 to 10`,
		`f.yaml:1: mode: got nothing; want a mode`,
	}))
}

func TestAliasesAreReadWhereTheyStand(t *testing.T) {
	g := NewWithT(t)
	errs := read(t, "a: &x [1, 2]\nb: *x\nc: &y {d: *y}\n? [1]\n: 2\n", func(v strict.Value) {
		for _, e := range v.Entries() {
			if e.Key == "b" {
				g.Expect(strict.Each(e.Value, func(v strict.Value) int { return v.Int(0, 9) })).To(Equal([]int{1, 2}))
			}
			if e.Key == "c" {
				e.Value.Fields("d").Optional("d").Fields("d").Optional("d").Text()
			}
		}
	})
	g.Expect(errs).To(Equal([]string{
		"f.yaml:4: got a list as a key; want a text as a key",
		"f.yaml:3: c.d.d: got a mapping; want a text",
	}))
}

func TestLongValuesAreCut(t *testing.T) {
	g := NewWithT(t)
	errs := read(t, "a: "+strings.Repeat("x", 200), func(v strict.Value) { v.Fields("a").Optional("a").Addr() })
	g.Expect(errs).To(HaveExactElements(ContainSubstring(`x…"; want an IPv4 or IPv6 address`)))
	g.Expect(len(errs[0])).To(BeNumerically("<", 140))
}

func TestOnlySomeListsMayBeEmpty(t *testing.T) {
	errs := read(t, `{a: [], b: [], c: "80", d: 80}`, func(v strict.Value) {
		f := v.Fields("a", "b", "c", "d", "e")
		NewWithT(t).Expect(f.Optional("a").AnyList()).To(BeEmpty())
		f.Optional("b").List()
		NewWithT(t).Expect(f.Optional("c").IsText()).To(BeTrue())
		NewWithT(t).Expect(f.Optional("d").IsText()).To(BeFalse())
		NewWithT(t).Expect(f.Optional("e").IsText()).To(BeFalse())
	})
	NewWithT(t).Expect(errs).To(Equal([]string{"f.yaml:1: b: got an empty list; want at least one item, or no such field at all"}))
}
