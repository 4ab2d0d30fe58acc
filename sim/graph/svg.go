// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"fmt"
	"net"
	"strings"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/topology"
)

// Distances in the picture.
const (
	margin = 20
	gap    = 24
	inner  = 10
	// uplinkLength is the room for uplinks between hosts and the underlay.
	uplinkLength = 30
	// rowWidth is how wide a row of hosts gets before the next begins.
	rowWidth = 1300
)

// colour of a VPC: of lines and roles, and of endpoints' boxes.
type colour struct{ strong, pale string }

// colours tell VPCs apart; they repeat when there are more.
var colours = []colour{
	{"#2b6cb0", "#ebf4fb"}, {"#c53030", "#fdf0ef"}, {"#2f855a", "#edf8f1"}, {"#975a16", "#fdf6e7"},
	{"#6b46c1", "#f4f0fc"}, {"#0b7285", "#e8f6f8"}, {"#b83280", "#fcf0f6"}, {"#4a5568", "#f1f3f6"},
}

// picture is a network that is being drawn.
type picture struct {
	canvas
	set     object.Set
	hosts   []state.Host
	colours map[string]colour // by VPC
	vpcs    map[string]string // by subnet
}

// SVG is a network as one self-contained SVG picture: VPCs with their subnets,
// hosts with their uplinks, endpoints and roles in the VPCs' colours, and the
// underlay.
func SVG(title string, set object.Set) string { return SVGOver(title, topology.Underlay{}, set) }

// SVGOver is [SVG] with a line for each segment of the underlay below.
func SVGOver(title string, u topology.Underlay, set object.Set) string {
	p := picture{set: set, hosts: compile.Hosts(set), colours: map[string]colour{}, vpcs: map[string]string{}}
	for i, v := range set.VPCs {
		p.colours[v.Name] = colours[i%len(colours)]
	}
	for _, s := range set.Subnets {
		p.vpcs[s.Name] = s.VPC
	}
	p.text(margin, margin+16, "title", title)
	y := p.legend(margin + 16 + gap)
	for _, row := range p.rows() {
		y = p.row(row, y)
	}
	for text := range strings.Lines(Underlay(u, set)) {
		p.text(margin, y, "faint", strings.TrimSuffix(text, "\n"))
		y += line
	}
	return p.svg(title)
}

// legend draws a line for each VPC and its subnets, and returns where the next
// thing goes.
func (p *picture) legend(y int) int {
	for _, v := range p.set.VPCs {
		p.rect(margin, y, 14, 14, "vpc", p.colours[v.Name].strong, "none")
		p.text(margin+22, y+12, "name", fmt.Sprintf("VPC %s, VNI %d", v.Name, v.VNI))
		y += line
		for _, s := range p.set.Subnets {
			if s.VPC == v.Name {
				p.text(margin+22, y+12, "faint", "subnet "+s.Name+": "+join(s.CIDRs, ", ")+"; gateway "+join(s.Gateways, ", "))
				y += line
			}
		}
		y += 5
	}
	return y + gap/2
}

// join is a list of what has a name.
func join[T fmt.Stringer](all []T, between string) string {
	texts := make([]string, len(all))
	for i, a := range all {
		texts[i] = a.String()
	}
	return strings.Join(texts, between)
}

// rows are the hosts, as many beside each other as there is room for.
func (p *picture) rows() [][]state.Host {
	var rows [][]state.Host
	width := rowWidth + 1
	for _, h := range p.hosts {
		w := p.hostWidth(h) + gap
		if width+w > rowWidth {
			rows, width = append(rows, nil), 0
		}
		last := len(rows) - 1
		rows[last], width = append(rows[last], h), width+w
	}
	return rows
}

// row draws hosts beside each other and the underlay below them, and returns
// where the next thing goes.
func (p *picture) row(hosts []state.Host, y int) int {
	height := 0
	for _, h := range hosts {
		height = max(height, p.hostHeight(h))
	}
	bottom := y + height + uplinkLength
	x := margin
	for _, h := range hosts {
		w := p.hostWidth(h)
		p.host(h, x, y, w, height)
		p.line(x+w/2, y+height, x+w/2, bottom, "#52606d")
		x += w + gap
	}
	label := fmt.Sprintf("underlay: Geneve, MTU %d", p.set.Hosts[0].MTU)
	if vlan := p.set.Hosts[0].VLAN; vlan != 0 {
		label += fmt.Sprintf(", VLAN %d", vlan)
	}
	p.rect(margin, bottom, max(x-gap-margin, wide(label)+2*inner), 24, "underlay", "#52606d", "none")
	p.text(margin+inner, bottom+16, "light", label)
	return bottom + 24 + gap
}

// roles are a host's, each with its VPC.
func (p *picture) roles(h state.Host) (texts, vpcs []string) {
	for _, s := range h.Subnets {
		if s.Bouncer != state.NoBouncer {
			texts, vpcs = append(texts, "bouncer of "+s.Name), append(vpcs, p.vpcs[s.Name])
		}
	}
	for _, v := range h.VPCs {
		if v.Divider {
			texts, vpcs = append(texts, "divider of "+v.Name), append(vpcs, v.Name)
		}
	}
	return texts, vpcs
}

// lines are what stands in an endpoint's box.
func lines(e state.Endpoint) []string {
	all := []string{scenario.Short(e.Name) + " in " + e.Subnet}
	for _, a := range e.Addresses {
		all = append(all, a.String())
	}
	return all
}

func (p *picture) hostWidth(h state.Host) int {
	widest := wide(h.Name)
	for _, a := range h.Addresses {
		widest = max(widest, wide(a.String()))
	}
	roles, _ := p.roles(h)
	for _, text := range roles {
		widest = max(widest, wide(text)+2*inner)
	}
	for _, e := range h.Endpoints {
		for _, l := range lines(e) {
			widest = max(widest, wide(l)+2*inner)
		}
	}
	return widest + 2*inner
}

func (p *picture) hostHeight(h state.Host) int {
	height := inner + (1+len(h.Addresses))*line + inner
	for _, e := range h.Endpoints {
		height += len(lines(e))*line + inner + 8
	}
	roles, _ := p.roles(h)
	return height + len(roles)*(line+10)
}

// host draws a box with what is on a host.
func (p *picture) host(h state.Host, x, y, w, height int) {
	p.rect(x, y, w, height, "host", "#f8fafc", "#52606d")
	at := y + inner + 12
	p.text(x+inner, at, "name", h.Name)
	for _, a := range h.Addresses {
		at += line
		p.text(x+inner, at, "faint", a.String())
	}
	at += inner
	for _, e := range h.Endpoints {
		at = p.endpoint(e, x+inner, at, w-2*inner)
	}
	roles, vpcs := p.roles(h)
	for i, role := range roles {
		p.rect(x+inner, at, w-2*inner, line+4, "role", p.colours[vpcs[i]].strong, "none")
		p.text(x+2*inner, at+14, "light", role)
		at += line + 10
	}
}

// endpoint draws an endpoint's box and returns where the next thing goes.
func (p *picture) endpoint(e state.Endpoint, x, y, w int) int {
	c := p.colours[p.vpcs[e.Subnet]]
	all := lines(e)
	p.group(fmt.Sprintf("%s, MAC %s, MTU %d", e.Name, net.HardwareAddr(e.MAC[:]), e.MTU))
	height := len(all)*line + inner
	p.rect(x, y, w, height, "endpoint", c.pale, c.strong)
	class := "name"
	for i, l := range all {
		p.text(x+inner, y+16+i*line, class, l)
		class = "faint"
	}
	p.end()
	return y + height + 8
}
