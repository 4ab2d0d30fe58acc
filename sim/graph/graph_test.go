// SPDX-License-Identifier: Apache-2.0

package graph_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/sim/graph"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/scenarios"
)

func tourScenario(t *testing.T) *scenario.Scenario {
	t.Helper()
	s, err := scenarios.Load(scenarios.Tour)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return s
}

func tour(t *testing.T) object.Set { return tourScenario(t).Objects }

// many has more hosts than fit beside each other.
func many(t *testing.T) object.Set {
	t.Helper()
	var b strings.Builder
	b.WriteString("title: many\ntopology:\n  vpcs: {v: {vni: 7}}\n  subnets: {s: {vpc: v, cidrs: [10.0.0.0/16]}}\n  hosts:\n")
	for i := range 30 {
		fmt.Fprintf(&b, "    h%d: {addresses: [192.0.2.%d]}\n", i, i+1)
	}
	b.WriteString("  endpoints:\n")
	for i := range 30 {
		fmt.Fprintf(&b, "    e%d: {subnet: s, host: h%d, addresses: [10.0.1.%d]}\n", i, i, i+1)
	}
	b.WriteString("steps: [{forget: true}]\n")
	s, err := scenario.Decode(nil, "many.yaml", []byte(b.String()))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return s.Objects
}

// names are all that a picture must name.
func names(set object.Set) []string {
	var all []string
	for _, h := range set.Hosts {
		all = append(all, h.Name, h.Addresses[0].String())
	}
	for _, s := range set.Subnets {
		all = append(all, s.Name, s.CIDRs[0].String(), "bouncer of")
	}
	for _, v := range set.VPCs {
		all = append(all, v.Name, fmt.Sprint(v.VNI), "divider of")
	}
	for _, e := range set.Endpoints {
		all = append(all, e.Name, e.Addresses[0].String())
	}
	return append(all, "MTU 1500")
}

func TestPicturesNameEverything(t *testing.T) {
	for _, set := range []object.Set{tour(t), many(t)} {
		text, svg := graph.Text(set), graph.SVG("a <title> & more", set)
		for _, name := range names(set) {
			NewWithT(t).Expect(text).To(ContainSubstring(name))
			NewWithT(t).Expect(svg).To(ContainSubstring(name))
		}
	}
}

func TestPicturesNameSegmentsAndRouters(t *testing.T) {
	g := NewWithT(t)
	s, err := scenarios.Load("routed")
	g.Expect(err).NotTo(HaveOccurred())
	text, svg := graph.Underlay(s.Underlay, s.Objects), graph.SVGOver(s.Title, s.Underlay, s.Objects)
	g.Expect(text).To(ContainSubstring("segment left"))
	g.Expect(text).To(MatchRegexp(`segment right .*: h2 h3 r2\(192\.0\.2\.190/26`))
	for line := range strings.Lines(text) {
		g.Expect(svg).To(ContainSubstring(strings.TrimSpace(line)))
	}
	g.Expect(graph.Underlay(tourScenario(t).Underlay, tour(t))).To(BeEmpty(), "one segment needs no lines")
}

func TestRowsOfTextFitTheScreen(t *testing.T) {
	for l := range strings.Lines(graph.Text(many(t))) {
		NewWithT(t).Expect(utf8.RuneCountInString(l)).To(BeNumerically("<=", 161), l)
	}
}

// The picture is well-formed, refers to nothing outside, and every box and line
// of text lies inside of it.
func TestSVGStandsAlone(t *testing.T) {
	for _, set := range []object.Set{tour(t), many(t)} {
		g := NewWithT(t)
		svg := graph.SVG("a <title> & more", set)
		g.Expect(svg).NotTo(Or(ContainSubstring("href"), ContainSubstring("url("), ContainSubstring("<script"), ContainSubstring("@import")))
		d := xml.NewDecoder(strings.NewReader(svg))
		width, height := 0, 0
		endpoints := 0
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			g.Expect(err).NotTo(HaveOccurred())
			e, ok := token.(xml.StartElement)
			if !ok {
				continue
			}
			at := map[string]int{}
			for _, a := range e.Attr {
				at[a.Name.Local], _ = strconv.Atoi(a.Value)
				if a.Name.Local == "class" && a.Value == "endpoint" {
					endpoints++
				}
			}
			if e.Name.Local == "svg" {
				width, height = at["width"], at["height"]
			}
			g.Expect(at["x"] + at["width"]).To(BeNumerically("<=", width))
			g.Expect(at["y"] + at["height"]).To(BeNumerically("<=", height))
		}
		g.Expect(endpoints).To(Equal(len(set.Endpoints)))
		g.Expect(width).To(BeNumerically("<", 1500))
	}
}
