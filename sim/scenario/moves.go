// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"slices"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/object/strict"
)

// move reads an endpoint that goes to another host and keeps all else: address,
// MAC, namespace and sockets.
func (d *decoder) move(v strict.Value) *Change {
	f := v.Fields("endpoint", "to")
	name := d.endpoint(f.Required("endpoint", "the name of an endpoint"))
	host := d.host(f.Required("to", wantHost))
	return d.changeEndpoint(v, name, func(e *object.Endpoint) { e.Host = host })
}

// recreate reads an endpoint that is deleted and made again with another MAC,
// perhaps on another host; nothing but its addresses stays.
func (d *decoder) recreate(v strict.Value) *Change {
	f := v.Fields("endpoint", "mac", "host")
	name := d.endpoint(f.Required("endpoint", "the name of an endpoint"))
	mac := f.Required("mac", "another Ethernet address than it has").MAC()
	host := d.host(f.Optional("host"))
	if e, ok := d.set.Endpoint(name); ok && e.MAC == mac {
		f.Optional("mac").Fail("another Ethernet address than it has")
	}
	return d.changeEndpoint(v, name, func(e *object.Endpoint) {
		if e.MAC = mac; host != "" {
			e.Host = host
		}
	})
}

// relabel reads new labels of an endpoint or a namespace, in place of all that it
// has. A namespace need not have been written.
func (d *decoder) relabel(v strict.Value) *Change {
	f := v.Fields("endpoint", "namespace", "labels")
	endpoint, namespace := f.Optional("endpoint"), f.Optional("namespace")
	labels := map[string]string{}
	for _, l := range f.Required("labels", "a mapping, such as {app: web}").Entries() {
		labels[l.Key] = l.Value.AnyText()
	}
	if v.Present() && endpoint.Present() == namespace.Present() && d.shape == nil {
		v.FailGot("both or neither of endpoint and namespace", "one of them")
		return &Change{}
	}
	name := d.endpoint(endpoint)
	if text := namespace.Text(); text != "" {
		return d.relabelNamespace(v, text, labels)
	}
	return d.changeEndpoint(v, name, func(e *object.Endpoint) { e.Labels = labels })
}

// relabelNamespace is the change of the labels of one namespace alone.
func (d *decoder) relabelNamespace(v strict.Value, name string, labels map[string]string) *Change {
	next := d.copyDraft()
	i := slices.IndexFunc(next.Namespaces, func(n object.Namespace) bool { return n.Name == name })
	if i < 0 {
		i = len(next.Namespaces)
		next.Namespaces = append(next.Namespaces, object.Namespace{Meta: object.Meta{
			Name: name, At: object.Position{File: v.File(), Line: v.Line()},
		}})
	}
	next.Namespaces[i].Labels = labels
	return d.changed(v, next)
}

// roles reads how many hosts bounce a subnet or divide a VPC, and which may.
func (d *decoder) roles(v strict.Value) *Change {
	f := v.Fields("subnet", "vpc", "count", "hosts")
	subnet, vpc := f.Optional("subnet"), f.Optional("vpc")
	place := object.Placement{
		Count: f.Optional("count").Int(1, object.MaxRoles),
		Hosts: strict.Each(f.Optional("hosts"), d.host),
	}
	if v.Present() && subnet.Present() == vpc.Present() && d.shape == nil {
		v.FailGot("both or neither of subnet and vpc", "one of them")
		return &Change{}
	}
	next := d.copyDraft()
	at, found := subnet, false
	if text := subnet.Text(); text != "" {
		if i := slices.IndexFunc(next.Subnets, func(s object.Subnet) bool { return s.Key() == text }); i >= 0 {
			next.Subnets[i].Bouncers, found = place, true
		}
	}
	if text := vpc.Text(); text != "" {
		at = vpc
		if i := slices.IndexFunc(next.VPCs, func(s object.VPC) bool { return s.Key() == text }); i >= 0 {
			next.VPCs[i].Dividers, found = place, true
		}
	}
	if at.Present() && !found {
		at.Fail("the name of one that there is")
		return &Change{}
	}
	return d.changed(v, next)
}

// changeEndpoint is the change of one endpoint alone.
func (d *decoder) changeEndpoint(v strict.Value, name string, change func(*object.Endpoint)) *Change {
	next := d.copyDraft()
	i := slices.IndexFunc(next.Endpoints, func(e object.Endpoint) bool { return e.Key() == name })
	if i < 0 {
		return &Change{}
	}
	mac := next.Endpoints[i].MAC
	if e, ok := d.set.Endpoint(name); ok && mac == [6]byte{} {
		next.Endpoints[i].MAC = e.MAC // what was derived stays
	}
	change(&next.Endpoints[i])
	return d.changed(v, next)
}

// copyDraft is the draft with objects that may be changed.
func (d *decoder) copyDraft() object.Draft {
	next := d.draft
	next.Subnets, next.VPCs = slices.Clone(next.Subnets), slices.Clone(next.VPCs)
	next.Endpoints, next.Namespaces = slices.Clone(next.Endpoints), slices.Clone(next.Namespaces)
	return next
}

// changed makes a draft the one that what follows finds.
func (d *decoder) changed(v strict.Value, next object.Draft) *Change {
	if !v.Present() || d.shape != nil || d.failures() > d.before {
		return &Change{}
	}
	set, err := object.New(next)
	if err != nil {
		d.others = append(d.others, err)
		return &Change{}
	}
	d.set, d.draft = set, next
	return &Change{Objects: set}
}
