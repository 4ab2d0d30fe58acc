// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mizar-net/mizar/sim/run"
)

// The elements of JUnit XML as the common readers have them (Jenkins' and
// Maven Surefire's): a suite is one run of a scenario, a case is one step of it.
type (
	suites struct {
		XMLName  xml.Name `xml:"testsuites"`
		Name     string   `xml:"name,attr"`
		Tests    int      `xml:"tests,attr"`
		Failures int      `xml:"failures,attr"`
		Errors   int      `xml:"errors,attr"`
		Time     string   `xml:"time,attr"`
		Suites   []suite  `xml:"testsuite"`
	}
	suite struct {
		Name       string     `xml:"name,attr"`
		Tests      int        `xml:"tests,attr"`
		Failures   int        `xml:"failures,attr"`
		Errors     int        `xml:"errors,attr"`
		Skipped    int        `xml:"skipped,attr"`
		Time       string     `xml:"time,attr"`
		Properties []property `xml:"properties>property"`
		Cases      []testcase `xml:"testcase"`
	}
	property struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	testcase struct {
		Name      string   `xml:"name,attr"`
		ClassName string   `xml:"classname,attr"`
		File      string   `xml:"file,attr,omitempty"`
		Line      int      `xml:"line,attr,omitempty"`
		Time      string   `xml:"time,attr"`
		Failure   *problem `xml:"failure,omitempty"`
		Error     *problem `xml:"error,omitempty"`
		SystemOut *text    `xml:"system-out,omitempty"`
	}
	problem struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",cdata"`
	}
	text struct {
		Text string `xml:",cdata"`
	}
)

// JUnit writes results as JUnit XML. Each run of a scenario is a suite; each step
// is a case, with what every check saw as its output.
func JUnit(w io.Writer, results []run.Result) error {
	all := suites{Name: "mizar", Suites: []suite{}}
	var elapsed time.Duration
	for _, r := range results {
		for _, s := range suitesOf(r) {
			all.Tests, all.Failures, all.Errors = all.Tests+s.Tests, all.Failures+s.Failures, all.Errors+s.Errors
			all.Suites = append(all.Suites, s)
		}
		elapsed += r.Elapsed
	}
	all.Time = seconds(elapsed)
	b, err := xml.MarshalIndent(all, "", "  ")
	if err == nil {
		_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, b)
	}
	if err != nil {
		return fmt.Errorf("write the result as JUnit XML: %w", err)
	}
	return nil
}

// suitesOf are the runs of one scenario. What the harness could not do is a case
// of its own in the last.
func suitesOf(r run.Result) []suite {
	var all []suite
	for _, v := range r.Runs {
		all = append(all, suiteOf(r, v))
	}
	if r.Error == "" {
		return all
	}
	if len(all) == 0 {
		all = append(all, suiteOf(r, run.Variant{}))
	}
	last := &all[len(all)-1]
	last.Tests, last.Errors = last.Tests+1, last.Errors+1
	last.Cases = append(last.Cases, testcase{
		Name: "the harness", ClassName: last.Name, File: clean(r.File), Time: seconds(0),
		Error: &problem{Message: clean(firstLine(r.Error)), Type: "harness", Text: clean(r.Error)},
	})
	return all
}

func suiteOf(r run.Result, v run.Variant) suite {
	s := suite{Name: clean(r.Name(v)), Tests: len(v.Steps), Properties: []property{
		{"title", clean(r.Title)}, {"wires", strings.Join(r.Wires, " ")},
	}}
	var elapsed time.Duration
	for _, step := range v.Steps {
		c := caseOf(step)
		c.ClassName, c.File = s.Name, clean(r.File)
		if c.Failure != nil {
			s.Failures++
		}
		s.Cases = append(s.Cases, c)
		elapsed += step.Elapsed
	}
	s.Time = seconds(elapsed)
	return s
}

func caseOf(s run.Step) testcase {
	c := testcase{Name: clean(s.Name), Line: s.Line, Time: seconds(s.Elapsed)}
	var out, failures []string
	for _, check := range s.Checks {
		out = append(out, fmt.Sprintf("%s %s on %s: %s", check.Status, check.Name, check.Wire, check.Seen))
		for _, f := range check.Failures {
			failures = append(failures, fmt.Sprintf("%s on %s: %s", check.Name, check.Wire, f))
		}
	}
	if len(s.Rows) > 0 {
		out = append([]string{"rows " + strings.Join(s.Rows, " ")}, out...)
	}
	if len(out) > 0 {
		c.SystemOut = &text{clean(strings.Join(out, "\n"))}
	}
	if s.Status == run.Fail {
		all := strings.Join(failures, "\n")
		c.Failure = &problem{Message: clean(firstLine(all)), Type: s.Kind, Text: clean(all)}
	}
	return c
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

// clean takes out what XML 1.0 cannot hold.
func clean(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' && c != '\n' && c != '\t' || c == utf8.RuneError || c == 0xfffe || c == 0xffff {
			return '?'
		}
		return c
	}, s)
}
