// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"fmt"
	"html"
	"strings"
)

// canvas collects the elements of an SVG picture. Lengths are in pixels.
type canvas struct {
	b             strings.Builder
	width, height int
}

// The size of text, and what a line and a letter of it take.
const (
	textSize = 12
	line     = 17
	// letter is how wide a letter of the monospaced font is, in tenths of a
	// pixel, with room to spare for fonts that are wider than most.
	letter = 75
)

// wide is how many pixels a text takes.
func wide(text string) int { return (len([]rune(text))*letter + 9) / 10 }

// rect draws a box with round corners.
func (c *canvas) rect(x, y, w, h int, class, fill, stroke string) {
	fmt.Fprintf(&c.b, `<rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="5" fill="%s" stroke="%s"/>`+"\n",
		class, x, y, w, h, fill, stroke)
	c.grow(x+w, y+h)
}

// text writes a line; y is its base line.
func (c *canvas) text(x, y int, class, text string) {
	fmt.Fprintf(&c.b, `<text class="%s" x="%d" y="%d">%s</text>`+"\n", class, x, y, html.EscapeString(text))
	c.grow(x+wide(text), y)
}

// line draws a straight line.
func (c *canvas) line(x1, y1, x2, y2 int, stroke string) {
	fmt.Fprintf(&c.b, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="%s" stroke-width="2"/>`+"\n", x1, y1, x2, y2, stroke)
	c.grow(max(x1, x2), max(y1, y2))
}

// group begins a group with a tooltip; end ends it.
func (c *canvas) group(tooltip string) {
	fmt.Fprintf(&c.b, "<g><title>%s</title>\n", html.EscapeString(tooltip))
}

func (c *canvas) end() { c.b.WriteString("</g>\n") }

func (c *canvas) grow(x, y int) { c.width, c.height = max(c.width, x), max(c.height, y) }

// svg is the whole picture: one element that refers to nothing outside.
func (c *canvas) svg(title string) string {
	w, h := c.width+margin, c.height+margin
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">
<title>%s</title>
<style>
text { font: %dpx "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #1f2933; }
.title { font-size: 16px; font-weight: bold; }
.name { font-weight: bold; }
.faint { fill: #52606d; }
.light { fill: #ffffff; }
</style>
<rect width="100%%" height="100%%" fill="#ffffff"/>
%s</svg>
`, w, h, w, h, html.EscapeString(title), textSize, c.b.String())
}
