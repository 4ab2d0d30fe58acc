// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"strings"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/object/strict"
)

// change reads objects that are applied and deleted; what follows finds them
// changed.
func (d *decoder) change(v strict.Value) *Change {
	f := v.Fields("apply", "delete")
	if !f.Optional("apply").Present() && !f.Optional("delete").Present() {
		v.FailGot("no change", "apply or delete")
	}
	before := d.failures()
	var applied object.Draft
	d.objects(f.Optional("apply"), &applied)
	c := &Change{}
	gone := map[object.Ref]bool{}
	for _, ref := range applied.Refs() {
		gone[ref] = true
		c.Applied = append(c.Applied, ref.String())
	}
	for _, item := range f.Optional("delete").List() {
		if ref, ok := d.ref(item); ok {
			gone[ref] = true
			c.Deleted = append(c.Deleted, ref.String())
		}
	}
	if d.failures() > before {
		return c
	}
	next := d.draft.Without(gone)
	next.Add(applied)
	set, err := object.New(next)
	if err != nil {
		d.others = append(d.others, err)
		return c
	}
	d.place(set, d.ground)
	c.Objects, d.set, d.draft = set, set, next
	return c
}

// ref reads "Kind/name" of an object that exists.
func (d *decoder) ref(v strict.Value) (object.Ref, bool) {
	text := v.Text()
	if text == "" {
		return object.Ref{}, false
	}
	kind, name, _ := strings.Cut(text, "/")
	name = object.Kind(kind).Key(name)
	var known []string
	for _, ref := range d.draft.Refs() {
		if ref.Kind == object.Kind(kind) && ref.Key == name {
			return ref, true
		}
		known = append(known, string(ref.Kind)+"/"+Short(ref.Key))
	}
	unknown(v, "object", text, known)
	return object.Ref{}, false
}

// failures is how many errors there are so far.
func (d *decoder) failures() int { return len(flat(d.err())) }
