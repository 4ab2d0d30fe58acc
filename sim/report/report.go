// SPDX-License-Identifier: Apache-2.0

// Package report writes results of runs for machines: JSON, and the JUnit XML
// that CI systems read.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/mizar-net/mizar/sim/run"
)

// Writer writes results of runs.
type Writer func(w io.Writer, results []run.Result) error

// ForFile returns the writer for a file by its ending: .xml or .json.
func ForFile(file string) (Writer, error) {
	switch filepath.Ext(file) {
	case ".xml":
		return JUnit, nil
	case ".json":
		return JSON, nil
	}
	return nil, fmt.Errorf("report %q: want a name that ends in .xml (JUnit) or .json", file)
}

// WriteFile writes the report of results to a file, by its ending.
func WriteFile(file string, results []run.Result) (err error) {
	write, err := ForFile(file)
	if err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	err = write(f, results)
	if closed := f.Close(); err == nil && closed != nil {
		err = fmt.Errorf("write the report: %w", closed)
	}
	return err
}

// JSON writes one result as it is, and several as an object with the key
// "scenarios".
func JSON(w io.Writer, results []run.Result) error {
	var value any = map[string][]run.Result{"scenarios": results}
	if len(results) == 1 {
		value = results[0]
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(value); err != nil {
		return fmt.Errorf("write the result as JSON: %w", err)
	}
	return nil
}

// Code is the exit code that results come to: 0 when all passed, 1 when something
// was not as expected, 2 when the harness could not do its work.
func Code(results []run.Result) int {
	code := 0
	for _, r := range results {
		switch r.Status {
		case run.Pass:
		case run.Fail:
			code = max(code, 1)
		default:
			code = 2
		}
	}
	return code
}
