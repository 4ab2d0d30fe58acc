// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/mizar-net/mizar/sim/run"
)

// Row is the row of ACCEPTANCE that reports are for.
const Row = "J10"

// Output is how results leave for machines.
type Output struct {
	JSON, JUnit Writer
	Code        func([]run.Result) int
}

// Real is the output of the commands.
func Real() Output { return Output{JSON: JSON, JUnit: JUnit, Code: Code} }

// Prove writes results of each kind and reads them back as other tools do. The
// cells have the format for a protocol, and the results' status for a verdict.
func Prove(o Output) []run.Evidence {
	var all []run.Evidence
	for _, r := range samples() {
		for _, of := range []struct {
			format string
			prove  func() error
		}{
			{"json", func() error { return proveJSON(o.JSON, r) }},
			{"junit", func() error { return proveJUnit(o.JUnit, r) }},
			{"exit-code", func() error { return proveCode(o.Code, r) }},
		} {
			e := run.Evidence{
				Test: fmt.Sprintf("%s of a run that ends in %s", of.format, r.Status), Rows: []string{Row},
				Cell: run.Cell{Proto: of.format, Verdict: string(r.Status)},
			}
			if err := of.prove(); err != nil {
				e.Failure = err.Error()
			}
			all = append(all, e)
		}
	}
	return all
}

// samples are results of each status, with texts that no format likes.
func samples() []run.Result {
	const odd = `"<&>' ]]> → ` + "\x1b[1m\x00"
	step := func(status run.Status) run.Step {
		s := run.Step{Name: "step " + odd, Kind: "probe", Rows: []string{"A1"}, Line: 7, Status: status, Elapsed: time.Millisecond}
		c := run.Check{Name: "icmp a → b v4", Wire: "testrun", Rows: s.Rows, Cell: run.Cell{Proto: "icmp"}, Status: status, Seen: odd, Hops: []int{2, 1}}
		if status == run.Fail {
			c.Failures = []run.Failure{{Field: "verdict", Who: "testrun", Got: odd, Against: "the oracle", Want: "delivered"}}
		}
		s.Checks = []run.Check{c}
		return s
	}
	result := func(status run.Status, steps ...run.Step) run.Result {
		r := run.Result{Scenario: "sample", Title: odd, File: "sample.yaml", Wires: []string{"testrun"}, Status: status, Elapsed: time.Second}
		r.Runs = []run.Variant{{Underlay: "v4", Status: status, Steps: steps}}
		return r
	}
	broken := result(run.Error, step(run.Pass))
	broken.Error = "load program: " + odd
	return []run.Result{
		result(run.Pass, step(run.Pass), step(run.Pass)),
		result(run.Fail, step(run.Pass), step(run.Fail)),
		broken,
	}
}

func proveJSON(write Writer, r run.Result) error {
	var b bytes.Buffer
	if err := write(&b, []run.Result{r, r}); err != nil {
		return err
	}
	var read struct{ Scenarios []run.Result }
	d := json.NewDecoder(&b)
	d.DisallowUnknownFields()
	if err := d.Decode(&read); err != nil {
		return fmt.Errorf("read it back: %w", err)
	}
	if len(read.Scenarios) != 2 || !reflect.DeepEqual(read.Scenarios[0], r) {
		return fmt.Errorf("what is read back is not what was written: %+v", read.Scenarios)
	}
	return nil
}

// proveJUnit reads the file with types that have nothing in common with those
// that write it, and counts.
func proveJUnit(write Writer, r run.Result) error {
	var b bytes.Buffer
	if err := write(&b, []run.Result{r}); err != nil {
		return err
	}
	var read struct {
		XMLName xml.Name `xml:"testsuites"`
		tally
		Suites []struct {
			tally
			Name  string `xml:"name,attr"`
			Cases []struct {
				Name      string    `xml:"name,attr"`
				ClassName string    `xml:"classname,attr"`
				Time      float64   `xml:"time,attr"`
				Failure   *struct{} `xml:"failure"`
				Error     *struct{} `xml:"error"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(b.Bytes(), &read); err != nil {
		return fmt.Errorf("read it back: %w", err)
	}
	var sum tally
	for _, s := range read.Suites {
		var own tally
		for _, c := range s.Cases {
			if c.Name == "" || c.ClassName != s.Name {
				return fmt.Errorf("case %q of class %q in suite %q", c.Name, c.ClassName, s.Name)
			}
			own.add(c.Failure != nil, c.Error != nil)
		}
		if own != s.tally {
			return fmt.Errorf("suite %s counts %+v, and has %+v", s.Name, s.tally, own)
		}
		sum = tally{sum.Tests + own.Tests, sum.Failures + own.Failures, sum.Errors + own.Errors}
	}
	want := map[run.Status]tally{run.Pass: {2, 0, 0}, run.Fail: {2, 1, 0}, run.Error: {2, 0, 1}}[r.Status]
	if sum != want || read.tally != want {
		return fmt.Errorf("cases are %+v, the whole counts %+v, want %+v", sum, read.tally, want)
	}
	return nil
}

// tally is what suites count.
type tally struct {
	Tests    int `xml:"tests,attr"`
	Failures int `xml:"failures,attr"`
	Errors   int `xml:"errors,attr"`
}

func (t *tally) add(failure, broken bool) {
	t.Tests++
	if failure {
		t.Failures++
	}
	if broken {
		t.Errors++
	}
}

func proveCode(code func([]run.Result) int, r run.Result) error {
	all := samples()
	want := map[run.Status]int{run.Pass: 0, run.Fail: 1, run.Error: 2}[r.Status]
	if got := code([]run.Result{all[0], r, all[0]}); got != want {
		return fmt.Errorf("exit code %d, want %d", got, want)
	}
	if code(all) != 2 {
		return errors.New("a failure hides that the harness broke: want exit code 2")
	}
	return nil
}
