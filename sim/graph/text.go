// SPDX-License-Identifier: Apache-2.0

// Package graph draws the network of a scenario: hosts with their uplinks,
// endpoints and roles, VPCs and subnets; as text and as SVG.
package graph

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/topology"
)

// Text is a network as a picture: a line for each VPC, a box for each host with
// its endpoints and roles, and the underlay below.
func Text(set object.Set) string { return tenants(set) + draw(set) }

// Underlay is the network between hosts as lines: segments with who is on them,
// and the routers between them. Empty for one segment.
func Underlay(u topology.Underlay, set object.Set) string {
	var b strings.Builder
	for _, s := range u.Segments {
		fmt.Fprintf(&b, "segment %-7s %s MTU %d:", s.Name, prefixes(s.CIDRs), s.MTU)
		for _, h := range set.Hosts {
			if on, _, ok := u.Of(h.Addresses[0]); ok && on.Name == s.Name {
				b.WriteString(" " + h.Name)
			}
		}
		for _, r := range u.Routers {
			for _, p := range r.Ports {
				if p.Segment == s.Name {
					fmt.Fprintf(&b, " %s(%s)", r.Name, prefixes(p.Addresses))
				}
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func prefixes(all []netip.Prefix) string {
	texts := make([]string, len(all))
	for i, p := range all {
		texts[i] = p.String()
	}
	return strings.Join(texts, " ")
}

// columns is how wide a row of boxes gets before the next begins.
const columns = 160

// draw is the boxes, as many beside each other as there is room for.
func draw(set object.Set) string {
	var b strings.Builder
	var boxes [][]string
	var names []string
	width := 0
	for i, h := range compile.Hosts(set) {
		lines := inside(h)
		wide := utf8.RuneCountInString(h.Name) + 2
		for _, l := range lines {
			wide = max(wide, utf8.RuneCountInString(l))
		}
		if i > 0 && width+wide+5 > columns {
			b.WriteString(drawRow(boxes, names, set.Hosts[0].MTU))
			boxes, names, width = nil, nil, 0
		}
		boxes, names, width = append(boxes, lines), append(names, h.Name), width+wide+5
	}
	return b.String() + drawRow(boxes, names, set.Hosts[0].MTU)
}

// drawRow is boxes beside each other, and the underlay below.
func drawRow(boxes [][]string, names []string, mtu int) string {
	height := 0
	for _, b := range boxes {
		height = max(height, len(b))
	}
	rows := make([]string, height+2)
	for i, b := range boxes {
		box(rows, b, names[i])
	}
	width := utf8.RuneCountInString(rows[0])
	label := fmt.Sprintf(" underlay: Geneve, MTU %d ", mtu)
	left := max((width-len(label))/2, 0)
	rows = append(rows, strings.Repeat("═", left)+label+strings.Repeat("═", max(width-left-len(label), 0)))
	return strings.Join(rows, "\n") + "\n"
}

// inside is what stands in a host's box.
func inside(h state.Host) []string {
	lines := []string{addresses(h.Addresses)}
	for _, e := range h.Endpoints {
		lines = append(lines, fmt.Sprintf("%-7s %s", scenario.Short(e.Name), addresses(e.Addresses)))
	}
	var bounces, divides []string
	for _, s := range h.Subnets {
		if s.Bouncer != state.NoBouncer {
			bounces = append(bounces, s.Name)
		}
	}
	for _, v := range h.VPCs {
		if v.Divider {
			divides = append(divides, v.Name)
		}
	}
	if len(bounces) > 0 {
		lines = append(lines, "bouncer of "+strings.Join(bounces, " "))
	}
	if len(divides) > 0 {
		lines = append(lines, "divider of "+strings.Join(divides, " "))
	}
	return lines
}

func addresses(all []netip.Addr) string {
	texts := make([]string, len(all))
	for i, a := range all {
		texts[i] = a.String()
	}
	return strings.Join(texts, " ")
}

// box puts a host's box to the right of what is in rows: a top, the lines, and
// a bottom that stands on the underlay.
func box(rows, lines []string, name string) {
	width := utf8.RuneCountInString(name) + 2
	for _, l := range lines {
		width = max(width, utf8.RuneCountInString(l))
	}
	gap := ""
	if rows[0] != "" {
		gap = " "
	}
	last := len(rows) - 1
	rows[0] += gap + "┌ " + name + " " + strings.Repeat("─", width-utf8.RuneCountInString(name)) + "┐"
	for i := 1; i < last; i++ {
		line := ""
		if i <= len(lines) {
			line = lines[i-1]
		}
		rows[i] += gap + "│ " + line + strings.Repeat(" ", width-utf8.RuneCountInString(line)) + " │"
	}
	half := (width + 2) / 2
	rows[last] += gap + "└" + strings.Repeat("─", half) + "┬" + strings.Repeat("─", width+1-half) + "┘"
}

// tenants is a line for each VPC: its number and subnets.
func tenants(set object.Set) string {
	var b strings.Builder
	for _, v := range set.VPCs {
		fmt.Fprintf(&b, "VPC %-5s VNI %-5d", v.Name, v.VNI)
		for _, s := range set.Subnets {
			if s.VPC != v.Name {
				continue
			}
			texts := make([]string, len(s.CIDRs))
			for i, c := range s.CIDRs {
				texts[i] = c.String()
			}
			slices.Sort(texts)
			fmt.Fprintf(&b, " %s %s", s.Name, strings.Join(texts, " "))
		}
		b.WriteByte('\n')
	}
	return b.String()
}
