// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mizar-net/mizar/controlplane/identity"
)

// selector is a label selector: all of its requirements must hold. An empty one
// selects everything.
type selector []requirement

// requirement asks one attribute.
type requirement struct {
	attribute identity.Attribute
	operator  metav1.LabelSelectorOperator
	// values are sorted, each once.
	values []string
}

// reading looks attributes up, as [identity.Identity.Value] does.
type reading func(identity.Attribute) (value string, has, known bool)

// matches says that it holds for certain: what is not known matches nothing, be it
// asked for or asked to be absent.
func (s selector) matches(read reading) bool {
	for i := range s {
		if !s[i].holds(read) {
			return false
		}
	}
	return true
}

func (r *requirement) holds(read reading) bool {
	value, has, known := read(r.attribute)
	if !known {
		return false
	}
	switch r.operator {
	case metav1.LabelSelectorOpExists:
		return has
	case metav1.LabelSelectorOpDoesNotExist:
		return !has
	}
	_, among := slices.BinarySearch(r.values, value)
	if r.operator == metav1.LabelSelectorOpIn {
		return has && among
	}
	return !has || !among
}

// equality is an attribute that must have one value, if the selector asks for any.
func (s selector) equality() (a identity.Attribute, value string, ok bool) {
	for _, r := range s {
		if r.operator == metav1.LabelSelectorOpIn && len(r.values) == 1 {
			return r.attribute, r.values[0], true
		}
	}
	return "", "", false
}

// String is the same for selectors that ask the same.
func (s selector) String() string {
	var b strings.Builder
	for _, r := range s {
		fmt.Fprintf(&b, "%q %s %q;", r.attribute, r.operator, r.values)
	}
	return b.String()
}

// readSelector reads a label selector; problems are what is wrong with it.
func readSelector(s *metav1.LabelSelector, attribute func(key string) identity.Attribute) (selector, error) {
	if s == nil {
		return nil, nil
	}
	if _, err := metav1.LabelSelectorAsSelector(s); err != nil {
		return nil, err
	}
	var all selector
	for _, key := range slices.Sorted(maps.Keys(s.MatchLabels)) {
		all = append(all, requirement{attribute(key), metav1.LabelSelectorOpIn, []string{s.MatchLabels[key]}})
	}
	for _, e := range s.MatchExpressions {
		values := slices.Compact(slices.Sorted(slices.Values(e.Values)))
		all = append(all, requirement{attribute(e.Key), e.Operator, values})
	}
	slices.SortStableFunc(all, func(a, b requirement) int { return strings.Compare(a.text(), b.text()) })
	return slices.CompactFunc(all, func(a, b requirement) bool { return a.text() == b.text() }), nil
}

func (r requirement) text() string { return selector{r}.String() }
