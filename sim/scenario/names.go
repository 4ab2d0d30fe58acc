// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/object/strict"
)

// Short is the name that people call an endpoint by: without the default
// namespace.
func Short(key string) string {
	return strings.TrimPrefix(key, object.DefaultNamespace+"/")
}

// endpoint reads the name of an endpoint and returns its full name.
func (d *decoder) endpoint(v strict.Value) string { return d.endpointOr(v) }

// endpointOr reads the name of an endpoint, and says which others could have stood there.
func (d *decoder) endpointOr(v strict.Value, others ...string) string {
	text := v.Text()
	if text == "" {
		return ""
	}
	key := object.EndpointKey(text)
	var known []string
	for _, e := range d.set.Endpoints {
		if e.Key() == key {
			return key
		}
		known = append(known, Short(e.Key()))
	}
	unknown(v, "endpoint", text, append(known, others...))
	return ""
}

// host reads the name of a host.
func (d *decoder) host(v strict.Value) string {
	text := v.Text()
	if text == "" {
		return ""
	}
	var known []string
	for _, h := range d.set.Hosts {
		known = append(known, h.Name)
	}
	if !slices.Contains(known, text) {
		unknown(v, "host", text, known)
	}
	return text
}

// peer reads an endpoint's name or an address.
func (d *decoder) peer(v strict.Value) (endpoint string, addr netip.Addr) {
	if !v.Present() {
		return "", netip.Addr{}
	}
	if a, err := netip.ParseAddr(v.Node().Value); err == nil && a.Zone() == "" && !a.Is4In6() {
		return "", a
	}
	return d.endpoint(v), netip.Addr{}
}

// reason reads the name of a drop reason.
func reason(v strict.Value) string {
	text := v.Text()
	if text != "" && !slices.Contains(allReasons(), text) {
		unknown(v, "drop reason", text, allReasons())
	}
	return text
}

// unknown records that a name is none of the known ones, and which it may have
// been meant to be.
func unknown(v strict.Value, what, text string, known []string) {
	want := "one of " + strings.Join(known, ", ")
	switch near := nearest(text, known); {
	case near != "":
		want = fmt.Sprintf("a known %s; did you mean %q?", what, near)
	case len(known) == 0:
		want = fmt.Sprintf("a known %s, and there are none", what)
	case len(known) > 16:
		want = fmt.Sprintf("one of the %d %ss, such as %s", len(known), what, strings.Join(known[:8], ", "))
	}
	v.FailGot(fmt.Sprintf("%s %s, which is not known", what, strict.Quote(text)), want)
}

// nearest is the known name most like the wrong one; "" when none is like it.
func nearest(wrong string, known []string) string {
	best, least := "", 2+len(wrong)/4
	for _, k := range known {
		if d := distance(wrong, k); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is Levenshtein's between two strings, by bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// isFamily tells addresses of one family, 4 or 6.
func isFamily(family int) func(netip.Addr) bool {
	return func(a netip.Addr) bool { return a.Is4() == (family == 4) }
}

// isMap says whether a mapping was written.
func isMap(v strict.Value) bool {
	return v.Node() != nil && v.Node().Kind == yaml.MappingNode
}

// isList says whether a list was written.
func isList(v strict.Value) bool {
	return v.Node() != nil && v.Node().Kind == yaml.SequenceNode
}
