// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"net/netip"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mizar-net/mizar/controlplane/object/strict"
	"github.com/mizar-net/mizar/sim/golden"
	"github.com/mizar-net/mizar/sim/wire"
)

func (d *decoder) replay(v strict.Value) *Replay {
	f := v.Fields("at", "uplink", "file", "rewrite", "golden", "ignore", "mask", "relations", "unordered", "fresh")
	r := &Replay{
		At:        d.port(v, f),
		File:      d.file(f.Required("file", "the name of a capture")),
		Ignore:    strict.Each(f.Optional("ignore"), ignored),
		Mask:      checked(f.Optional("mask"), golden.CheckMask),
		Relations: checked(f.Optional("relations"), golden.CheckRelation),
		Unordered: strict.Each(f.Optional("unordered"), d.group),
		Fresh:     f.Optional("fresh").Bool(),
	}
	d.golden(r, f.Required("golden", "the name of a capture of what must come out"))
	for _, e := range f.Optional("rewrite").Entries() {
		addr, err := netip.ParseAddr(e.Key)
		if err != nil {
			e.Value.FailGot(strict.Quote(e.Key)+" as a key", "addresses of the capture as keys, endpoints as values")
			continue
		}
		if r.Rewrite == nil {
			r.Rewrite = map[netip.Addr]string{}
		}
		r.Rewrite[addr] = d.endpoint(e.Value)
	}
	return r
}

// ignored reads the name of a field, or a pattern.
func ignored(v strict.Value) string {
	text := v.Text()
	refuse(v, golden.CheckIgnore(text))
	return text
}

// checked reads one text for each field of a golden frame.
func checked(v strict.Value, check func(field, text string) error) map[string]string {
	var all map[string]string
	for _, e := range v.Entries() {
		if all == nil {
			all = map[string]string{}
		}
		if all[e.Key] = scalar(e.Value); all[e.Key] != "" {
			refuse(e.Value, check(e.Key, all[e.Key]))
		}
	}
	return all
}

// scalar reads a text, or a number as it is written: 0xfc.
func scalar(v strict.Value) string {
	if v.Present() && v.Node().Kind == yaml.ScalarNode && v.Node().ShortTag() == "!!int" {
		return v.Node().Value
	}
	return v.Text()
}

// refuse records what is wrong with a rule: "…: want …".
func refuse(v strict.Value, err error) {
	if err == nil {
		return
	}
	got, want, ok := strings.Cut(err.Error(), ": want ")
	if !ok {
		got, want, _ = strings.Cut(err.Error(), ": ")
	}
	v.FailGot(got, want)
}

// group reads some of the golden frames of one port.
func (d *decoder) group(v strict.Value) golden.Group {
	f := v.Fields("at", "uplink", "packets")
	port := d.port(v, f)
	if port == (wire.Port{}) {
		return golden.Group{}
	}
	return golden.Group{
		Port:    golden.Port(port),
		Packets: strict.Each(f.Optional("packets"), func(v strict.Value) int { return v.Int(1, 1<<20) }),
	}
}

// golden reads one name, or one for each family of the underlay.
func (d *decoder) golden(r *Replay, v strict.Value) {
	if !v.Present() || v.Node().Kind != yaml.MappingNode {
		r.Golden = d.written(v)
		return
	}
	f := v.Fields("v4", "v6")
	r.Over = map[int]string{
		4: d.written(f.Required("v4", "the name of a capture")),
		6: d.written(f.Required("v6", "the name of a capture")),
	}
	if len(d.underlays) == 0 {
		v.FailGot("golden captures by family", "underlay.families in the topology, or one name")
	}
}

// written reads the name of a file that a run with --update writes: it must be
// there, unless such a run is to come.
func (d *decoder) written(v strict.Value) string {
	if d.update {
		return d.path(v)
	}
	return d.file(v)
}

// file reads the name of a file that is there.
func (d *decoder) file(v strict.Value) string {
	name, _, _ := d.read(v)
	return name
}
