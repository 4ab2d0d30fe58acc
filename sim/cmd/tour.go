// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mizar-net/mizar/sim/graph"
	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/scenario"
	"github.com/mizar-net/mizar/sim/trace"
)

// column is how wide the tour's text is.
const column = 96

// tour runs a scenario and explains it: the network as a picture, what each
// step showed on each wire, one packet stage by stage, and a summary.
func (p *printer) tour(ctx context.Context, s *scenario.Scenario, c run.Config) (run.Result, error) {
	p.printf("%s\n\n%s\n", s.Title, graph.Text(s.Objects))
	p.printf("%s\n\n", wrap("Every packet below really went through Mizar's XDP programs, once in memory (testrun) "+
		"and once through namespaces and veth pairs with real sockets (veth). "+
		"Numbers are hops on the underlay, packet by packet; an oracle that knows only the objects must agree.", ""))
	if len(s.Families) > 0 {
		p.first = fmt.Sprintf("v%d", s.Families[0])
	}
	c.Notify = p.tourEvent
	r, err := run.Run(ctx, s, c)
	p.erase()
	if err != nil {
		return r, err
	}
	if err := p.packet(ctx, s); err != nil {
		return r, err
	}
	p.printf("\n")
	p.summary(r)
	p.printf("next: mizar sim list; mizar sim trace tour --from red-1 --to red-4 --udp 53; mizar sim up tour\n")
	return r, nil
}

// tourEvent explains the first run, and tells of the others in a line.
func (p *printer) tourEvent(e run.Event) {
	first := e.Underlay == p.first
	switch e.Kind {
	case run.Opening:
		p.doing("building %s …", strings.Join(e.Wires, " and "))
	case run.Opened:
		p.broken = nil
		if p.verbose {
			p.opened(e)
		}
	case run.StepStarted:
		p.doing("%2d/%d …", e.Index+1, e.Total)
	case run.StepDone:
		if e.Done.Status == run.Fail {
			p.broken = append(p.broken, e.Index+1)
		}
		if first || e.Done.Status == run.Fail {
			p.explain(e.Index+1, *e.Done)
		}
	case run.Closed:
		if !first && p.broken == nil {
			p.printf(" ✓ All %d steps once more over an IP%s underlay: the same.\n", e.Total, e.Underlay)
		}
	}
}

// explain prints a step's sentence and what was seen, a line for each check.
func (p *printer) explain(number int, s run.Step) {
	mark := "✓"
	if s.Status == run.Fail {
		mark = "✗"
	}
	p.printf(" %s %s\n", mark, wrap(fmt.Sprintf("%d. %s", number, s.Name), "   "))
	var names []string
	width := 0
	for _, c := range s.Checks {
		if !slices.Contains(names, c.Name) {
			names = append(names, c.Name)
			width = max(width, utf8.RuneCountInString(c.Name))
		}
	}
	for _, name := range names {
		p.printf("     %-*s  %s\n", width, name, seenOn(s.Checks, name))
	}
	for _, c := range s.Checks {
		if c.Status == run.Fail || p.verbose {
			p.check(c)
		}
	}
}

// seenOn is what each wire saw in one line; once where both saw the same.
func seenOn(checks []run.Check, name string) string {
	var wires, seen []string
	for _, c := range checks {
		if c.Name == name && c.Wire != run.BothWires {
			wires, seen = append(wires, c.Wire), append(seen, c.Seen)
		}
	}
	if len(slices.Compact(slices.Clone(seen))) == 1 {
		return fmt.Sprintf("%s: %s", strings.Join(wires, " = "), seen[0])
	}
	parts := make([]string, len(wires))
	for i := range wires {
		parts[i] = wires[i] + ": " + seen[i]
	}
	return strings.Join(parts, "; ")
}

// packet traces the first packet that the scenario sends, in a network that has
// learned nothing.
func (p *printer) packet(ctx context.Context, s *scenario.Scenario) error {
	i := slices.IndexFunc(s.Steps, func(s scenario.Step) bool { return s.Probe != nil && s.Probe.To.Endpoint != "" })
	if i < 0 {
		return nil
	}
	from, to := scenario.Short(s.Steps[i].Probe.From), scenario.Short(s.Steps[i].Probe.To.Endpoint)
	probe, err := traceOptions{from: from, to: to, tcp: 80, count: 1}.probe(s.Objects)
	if err != nil {
		return err
	}
	p.doing("tracing a packet …")
	outcome, err := walk(ctx, s, probe)
	if err != nil {
		return err
	}
	p.printf("\nThe first packet of %s to %s, as the programs recorded it (stage, map, key, what was found there):\n", from, to)
	return trace.WriteText(p.w, trace.Of(outcome)[:1])
}

// wrap breaks text into lines; all but the first begin with the indent.
func wrap(text, indent string) string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > column {
			lines = append(lines, line)
			line = indent
		}
		if strings.TrimSpace(line) == "" {
			line += word
		} else {
			line += " " + word
		}
	}
	return strings.Join(append(lines, line), "\n")
}
