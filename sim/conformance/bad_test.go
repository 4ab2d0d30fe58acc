// SPDX-License-Identifier: Apache-2.0

package conformance_test

import (
	"os"
	"testing"
	"testing/fstest"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/sim/conformance"
)

// Row J11, as `mizar conformance` shows it.
func TestBadInputIsRefusedWithFileLineFieldAndExpectation(t *testing.T) {
	for _, e := range conformance.BadInput(os.DirFS(".")) {
		if e.Failure != "" {
			t.Errorf("%s: %s", e.Test, e.Failure)
		}
	}
}

// The planted faults of row J11: a good file among the bad, and a bad one that is
// refused in other words.
func TestBadInputCanFail(t *testing.T) {
	g := NewWithT(t)
	good := "apiVersion: mizar.dev/v1alpha1\nkind: VPC\nmetadata: {name: red}\nspec: {vni: 1}\n"
	for name, planted := range map[string]fstest.MapFS{
		"it was accepted":          {"bad/object-good.yaml": {Data: []byte(good)}, "bad/object-good.yaml.txt": {}},
		"refused with:":            {"bad/object-vni.yaml": {Data: []byte(good + "more: 1\n")}, "bad/object-vni.yaml.txt": {Data: []byte("no")}},
		"no text says how it must": {"bad/object-vni.yaml": {Data: []byte(good)}},
		"nothing reads files of":   {"bad/letter-1.txt.yaml": {}},
		"there are no bad files":   {},
	} {
		evidence := conformance.BadInput(planted)
		g.Expect(evidence).To(HaveLen(1), name)
		g.Expect(evidence[0].Failure).To(HavePrefix(name))
		row := conformance.Judge(rows(t, "J11"), evidence).Rows[0]
		g.Expect(row.Status).To(Equal(conformance.Fail), name)
	}
}
