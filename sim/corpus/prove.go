// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/wire/testrun"
)

// RowID is the row of ACCEPTANCE that captures are for.
const RowID = "J3"

// FolderVariable names the environment variable with the folder of foreign
// captures; without it they are looked for in ../shared/pcaps.
const FolderVariable = "MIZAR_PCAPS"

// Prove sends the captures that come with Mizar through the programs, and the
// foreign ones where their folder is there. The cells have the way for a
// protocol, and whose captures they are ("own", "foreign") for a verdict.
func Prove(ctx context.Context, own fs.FS, load testrun.Maker) []run.Evidence {
	folder, err := os.MkdirTemp("", "mizar-captures-")
	if err != nil {
		return failed("own", fmt.Errorf("make a folder for the captures: %w", err))
	}
	defer os.RemoveAll(folder) //nolint:errcheck // what is left is in the system's folder for that
	if err := os.CopyFS(folder, own); err != nil {
		return failed("own", fmt.Errorf("unpack the captures: %w", err))
	}
	evidence := prove(ctx, "own", folder, load)
	foreign := os.Getenv(FolderVariable)
	if foreign == "" {
		foreign = filepath.Join("..", "shared", "pcaps")
	}
	if _, err := os.Stat(foreign); err == nil {
		evidence = append(evidence, prove(ctx, "foreign", foreign, load)...)
	}
	return evidence
}

func prove(ctx context.Context, whose, folder string, load testrun.Maker) []run.Evidence {
	m, err := load("h3")
	if err != nil {
		return failed(whose, fmt.Errorf("load the programs (this needs root): %w", err))
	}
	report, err := Run(ctx, m, folder)
	if err = errors.Join(err, m.Close()); err != nil {
		return failed(whose, err)
	}
	return judge(whose, report)
}

// judge turns a report into evidence: a way without frames shows nothing, and
// one surprise is enough to fail it.
func judge(whose string, r Report) []run.Evidence {
	frames := map[string]int{}
	for _, row := range r.Rows {
		if row.Verdict != notRun {
			frames[row.Way] += row.Frames
		}
	}
	broken := map[string]string{}
	for _, s := range r.Found {
		if broken[s.Way] == "" {
			broken[s.Way] = s.String()
		}
	}
	var all []run.Evidence
	for _, w := range Ways() {
		if frames[w.Name] == 0 && broken[w.Name] == "" {
			continue
		}
		e := evidence(whose, w.Name)
		e.Test = fmt.Sprintf("%d %s frames: %s", frames[w.Name], whose, w.Says)
		e.Failure = broken[w.Name]
		all = append(all, e)
	}
	return all
}

func evidence(whose, way string) run.Evidence {
	return run.Evidence{Rows: []string{RowID}, Cell: run.Cell{Proto: way, Verdict: whose}}
}

// failed is evidence that the harness could give none.
func failed(whose string, err error) []run.Evidence {
	var all []run.Evidence
	for _, w := range Ways() {
		e := evidence(whose, w.Name)
		e.Test, e.Failure = whose+" captures", "the harness: "+err.Error()
		all = append(all, e)
	}
	return all
}
