// SPDX-License-Identifier: Apache-2.0

package corpus_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/mizar-net/mizar/sim/corpus"
)

func command(args ...string) (string, error) {
	var out bytes.Buffer
	c := corpus.Command()
	c.SetArgs(args)
	c.SetOut(&out)
	c.SilenceErrors, c.SilenceUsage = true, true
	err := c.Execute()
	return out.String(), err
}

func TestCommandPrintsTextAndJSON(t *testing.T) {
	folder := write(t, odd(t))
	text, err := command(folder)
	if err != nil || !strings.Contains(text, "\nask: an endpoint sends it") {
		t.Errorf("text: %v\n%s", err, text)
	}
	raw, err := command("-o", "json", folder)
	if err != nil {
		t.Fatal(err)
	}
	var report corpus.Report
	if err := json.Unmarshal([]byte(raw), &report); err != nil {
		t.Fatal(err)
	}
	total := map[string]int{}
	for _, row := range report.Rows {
		total[row.Way] += row.Frames
	}
	for _, way := range corpus.Ways() {
		if total[way.Name] != report.Frames {
			t.Errorf("way %s has %d of %d frames: each must end somewhere", way.Name, total[way.Name], report.Frames)
		}
	}
}

func TestCommandRefuses(t *testing.T) {
	for want, args := range map[string][]string{
		`--output: got "xml", want text or json`: {"-o", "xml", t.TempDir()},
		"has no .pcap, .cap or .pcapng file":     {t.TempDir()},
		"no such file":                           {t.TempDir() + "/none"},
		"requires at least 1 arg":                {},
	} {
		if _, err := command(args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: want %q, got %v", args, want, err)
		}
	}
}
