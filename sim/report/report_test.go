// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/sim/report"
	"github.com/mizar-net/mizar/sim/run"
)

func TestReportsAreReadByOthers(t *testing.T) {
	evidence := report.Prove(report.Real())
	NewWithT(t).Expect(evidence).To(HaveLen(9))
	for _, e := range evidence {
		NewWithT(t).Expect(e.Failure).To(BeEmpty(), e.Test)
	}
}

// Each part of an output that lies is found out.
func TestLiesAreFound(t *testing.T) {
	empty := func(w io.Writer, _ []run.Result) error { return report.JUnit(w, nil) }
	for name, change := range map[string]func(*report.Output){
		"json": func(o *report.Output) {
			o.JSON = func(w io.Writer, _ []run.Result) error { return report.JSON(w, nil) }
		},
		"junit": func(o *report.Output) { o.JUnit = empty },
		"broken": func(o *report.Output) {
			o.JUnit = func(io.Writer, []run.Result) error { return errors.New("disk full") }
		},
		"exit-code": func(o *report.Output) { o.Code = func([]run.Result) int { return 0 } },
	} {
		o := report.Real()
		change(&o)
		var failed []string
		for _, e := range report.Prove(o) {
			if e.Failure != "" {
				failed = append(failed, e.Test)
			}
		}
		NewWithT(t).Expect(failed).NotTo(BeEmpty(), name)
	}
}

// The elements and attributes are those that readers of JUnit know, in their
// places.
func TestJUnitHasTheCommonShape(t *testing.T) {
	g := NewWithT(t)
	children := map[string][]string{
		"": {"testsuites"}, "testsuites": {"testsuite"}, "testsuite": {"properties", "testcase"},
		"properties": {"property"}, "testcase": {"failure", "error", "system-out"},
	}
	attributes := map[string][]string{
		"testsuites": {"name", "tests", "failures", "errors", "time"},
		"testsuite":  {"name", "tests", "failures", "errors", "skipped", "time"},
		"property":   {"name", "value"},
		"testcase":   {"name", "classname", "file", "line", "time"},
		"failure":    {"message", "type"}, "error": {"message", "type"},
	}
	var b bytes.Buffer
	step := run.Step{Name: "one", Kind: "probe", Status: run.Fail, Line: 3, Checks: []run.Check{{
		Name: "icmp", Wire: "veth", Status: run.Fail, Failures: []run.Failure{{Field: "verdict", Got: "lost"}},
	}}}
	result := run.Result{Scenario: "s", File: "s.yaml", Status: run.Error, Error: "no room", Runs: []run.Variant{{Steps: []run.Step{step}}}}
	g.Expect(report.JUnit(&b, []run.Result{result})).To(Succeed())
	g.Expect(b.String()).To(And(ContainSubstring(`<failure message="icmp on veth: verdict:`), ContainSubstring(`<error message="no room"`)))
	d := xml.NewDecoder(&b)
	seen := map[string]bool{}
	path := []string{""}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		g.Expect(err).NotTo(HaveOccurred())
		switch e := token.(type) {
		case xml.StartElement:
			g.Expect(children[path[len(path)-1]]).To(ContainElement(e.Name.Local))
			for _, a := range e.Attr {
				g.Expect(attributes[e.Name.Local]).To(ContainElement(a.Name.Local), e.Name.Local)
			}
			path, seen[e.Name.Local] = append(path, e.Name.Local), true
		case xml.EndElement:
			path = path[:len(path)-1]
		}
	}
	g.Expect(seen).To(HaveLen(8), "all elements were there")
}

func TestFilesAreWrittenByTheirEnding(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	for name, want := range map[string]string{"r.xml": "<testsuites", "r.json": `"scenario"`} {
		file := filepath.Join(dir, name)
		g.Expect(report.WriteFile(file, []run.Result{{Scenario: "s", Status: run.Pass}})).To(Succeed())
		b, err := os.ReadFile(file)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(b)).To(ContainSubstring(want))
	}
	g.Expect(report.WriteFile(filepath.Join(dir, "r.txt"), nil)).To(MatchError(ContainSubstring("want a name that ends in .xml")))
	g.Expect(report.WriteFile(filepath.Join(dir, "none", "r.xml"), nil)).To(MatchError(ContainSubstring("write the report")))
}
