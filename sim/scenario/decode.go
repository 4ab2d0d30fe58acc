// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/object/strict"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/topology"
)

// Load reads a scenario and the files that it names from a file system: the
// directory it is in, or the embedded scenarios. The error joins one
// [object.Error] for each thing wrong.
func Load(files fs.FS, name string) (*Scenario, error) {
	data, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, fmt.Errorf("read scenario: %w", err)
	}
	return Decode(files, name, data)
}

// LoadFile is Load for a file of the operating system; errors name it, and the
// files that it names, as file does.
func LoadFile(file string) (*Scenario, error) { return loadFile(file, &decoder{}) }

// LoadFileToUpdate is LoadFile for a run that writes golden captures: they need
// not be there yet.
func LoadFileToUpdate(file string) (*Scenario, error) {
	return loadFile(file, &decoder{update: true})
}

func loadFile(file string, d *decoder) (*Scenario, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read scenario: %w", err)
	}
	dir, base := filepath.Split(file)
	d.files, d.shown = os.DirFS(filepath.Clean(dir+".")), dir
	return d.decode(base, data)
}

// Decode is Load for a scenario whose text is at hand.
func Decode(files fs.FS, name string, data []byte) (*Scenario, error) {
	return (&decoder{files: files}).decode(name, data)
}

func (d *decoder) decode(name string, data []byte) (*Scenario, error) {
	d.dir, d.reader = path.Dir(name), strict.NewReader(d.shown+name)
	d.reader.Describe(d.shape)
	docs := d.reader.Documents(data)
	if err := d.reader.Err(); err != nil {
		return nil, err
	}
	if len(docs) != 1 {
		return nil, &object.Error{
			File: d.shown + name, Line: 1,
			Got: fmt.Sprintf("%d documents", len(docs)), Want: "one scenario in a file",
		}
	}
	s := &Scenario{Name: strings.TrimSuffix(path.Base(name), path.Ext(name)), File: d.shown + name, Files: d.files}
	d.scenario(s, docs[0])
	if err := d.err(); err != nil {
		return nil, err
	}
	return s, nil
}

// decoder reads one scenario.
type decoder struct {
	files fs.FS
	dir   string
	// update says that golden captures need not be there.
	update bool
	// shown is put before names of files in errors.
	shown  string
	reader *strict.Reader
	// shape, when set, is told what the scenario is asked for.
	shape *strict.Shape
	// draft are the objects as the step that is being read finds them; set
	// is the same, valid.
	draft object.Draft
	set   object.Set
	wires []string
	// ground is the underlay as the step that is being read finds it.
	ground topology.Underlay
	// underlays are the families that the scenario is run over.
	underlays []int
	// conditions are those of hosts at the step that is being read, running the
	// traffic, passed the time.
	conditions map[string]wire.Condition
	running    []string
	passed     time.Duration
	// before is how many failures there were before the step that is being read.
	before int
	// others are the errors of files that the scenario names, and of its
	// objects as a whole.
	others []error
}

// err joins all errors in order of place, those of the scenario itself first.
func (d *decoder) err() error {
	all := flat(errors.Join(append([]error{d.reader.Err()}, d.others...)...))
	slices.SortStableFunc(all, func(a, b error) int {
		var x, y *object.Error
		if !errors.As(a, &x) || !errors.As(b, &y) || x.File != y.File {
			return 0
		}
		return x.Line - y.Line
	})
	return errors.Join(all...)
}

// flat takes joined errors apart.
func flat(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		if err == nil {
			return nil
		}
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, flat(e)...)
	}
	return all
}

// wireNames are those that a scenario can run on.
var wireNames = []string{"testrun", "veth"}

func (d *decoder) scenario(s *Scenario, v strict.Value) {
	f := v.Fields("title", "wires", "seed", "topology", "objects", "steps")
	s.Title = f.Required("title", "one line that says what is shown").Text()
	s.Wires = strict.Each(f.Optional("wires"), func(v strict.Value) string { return v.Enum(wireNames...) })
	if len(s.Wires) == 0 {
		s.Wires = wireNames
	}
	d.wires = s.Wires
	s.Seed = f.Optional("seed").Int(0, 1<<30)
	before := d.failures()
	d.topology(s, f.Required("topology", "hosts, vpcs, subnets and endpoints"))
	d.ground = s.Underlay
	d.underlays = s.Families
	d.objects(f.Optional("objects"), &d.draft)
	if d.failures() > before && d.shape == nil {
		return // what names objects cannot be judged
	}
	set, err := object.New(d.draft)
	if err != nil && d.shape == nil {
		d.others = append(d.others, err)
		return
	}
	s.Objects, d.set = set, set
	d.place(set, s.Underlay)
	d.apart(set, f.Optional("topology"))
	d.families(s.Families, f.Optional("topology"))
	steps := f.Required("steps", "a list of steps")
	s.Steps = strict.Each(steps, d.step)
	d.ended(steps)
}

// topology reads the shorthand for objects, the families of the underlay, the
// forms of the endpoint program, the modes of XDP, and the underlay itself.
func (d *decoder) topology(s *Scenario, v strict.Value) {
	f := v.Fields("underlay", "form", "xdp", "hosts", "vpcs", "subnets", "endpoints", "namespaces", "policies", "services", "slices", "outside")
	u := f.Optional("underlay").Fields("mtu", "vlan", "families", "segments", "routers")
	for _, section := range []struct {
		name string
		kind object.Kind
	}{
		{"hosts", object.KindHost},
		{"vpcs", object.KindVPC},
		{"subnets", object.KindSubnet},
		{"endpoints", object.KindEndpoint},
		{"namespaces", object.KindNamespace},
		{"policies", object.KindNetworkPolicy},
		{"services", object.KindService},
		{"slices", object.KindEndpointSlice},
	} {
		for _, e := range f.Optional(section.name).Entries() {
			d.draft.DecodeSpec(section.kind, e.Key, e.Value)
		}
	}
	mtu := u.Optional("mtu").Int(object.MinMTU, object.MaxMTU)
	vlan := u.Optional("vlan").Int(0, object.MaxVLAN)
	for i := range d.draft.Hosts {
		h := &d.draft.Hosts[i]
		if h.MTU == 0 {
			h.MTU = mtu
		}
		if h.VLAN == 0 {
			h.VLAN = uint16(vlan)
		}
	}
	families := u.Optional("families")
	each := strict.Each(families, family)
	if slices.Sort(each); len(slices.Compact(each)) != len(families.List()) {
		families.Fail("each family once")
	}
	s.Families, s.Forms, s.Modes = each, forms(f.Optional("form")), modes(f.Optional("xdp"))
	s.Underlay = d.underlay(u.Optional("segments"), u.Optional("routers"), mtu)
	d.outsiders(f.Optional("outside"), &s.Underlay)
}

func family(v strict.Value) int {
	n := v.Int(4, 6)
	if n == 5 {
		v.Fail("4 or 6")
	}
	return n
}

// families checks that every host has an address of each family that the
// scenario is run over.
func (d *decoder) families(families []int, at strict.Value) {
	for _, family := range families {
		for _, h := range d.set.Hosts {
			if !slices.ContainsFunc(h.Addresses, isFamily(family)) {
				at.FailGot(fmt.Sprintf("host %s without an IPv%d address", h.Name, family),
					"one on every host, because underlay.families has it")
			}
		}
	}
}

// objects reads a list of objects, in place or in files of their own.
func (d *decoder) objects(v strict.Value, into *object.Draft) {
	for _, item := range v.List() {
		if !names(item, "file") {
			into.DecodeObject(item)
			continue
		}
		file := item.Fields("file").Required("file", "the name of a file")
		name, data, ok := d.read(file)
		if !ok {
			continue
		}
		more, err := object.Decode(d.shown+name, data)
		if err != nil {
			d.others = append(d.others, err)
		}
		into.Add(more)
	}
}

// names says whether the value is a mapping with the key.
func names(v strict.Value, key string) bool {
	if v.Node() == nil {
		return false
	}
	for i := 0; i+1 < len(v.Node().Content); i += 2 {
		if v.Node().Content[i].Value == key {
			return true
		}
	}
	return false
}

// read returns a file that the scenario names, relative to its own directory.
func (d *decoder) read(v strict.Value) (name string, data []byte, ok bool) {
	name = d.path(v)
	if name == "" {
		return "", nil, false
	}
	data, err := fs.ReadFile(d.files, name)
	if err != nil {
		v.FailGot(fmt.Sprintf("%q, which cannot be read (%v)", v.Text(), cause(err)), "a file beside the scenario")
		return "", nil, false
	}
	return name, data, true
}

// path returns the name of a file that the scenario names; "" when there can
// be none.
func (d *decoder) path(v strict.Value) string {
	text := v.Text()
	if text == "" {
		return ""
	}
	name := path.Join(d.dir, text)
	if !fs.ValidPath(name) {
		v.Fail("a file in the scenario's directory, or below it")
		return ""
	}
	return name
}

// cause is an error without the path that a PathError repeats.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
