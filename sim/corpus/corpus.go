// SPDX-License-Identifier: Apache-2.0

// Package corpus sends foreign captures through both programs of a host and
// holds what comes out to what went in.
//
// Each frame goes several ways ([Ways]): as what an endpoint sends, as what a
// tunnel carries, as what strangers say on the underlay. On every way the
// verdict must agree with the action, a drop must have a reason and be counted
// once, and a packet that goes on must be the one that came, but for the fields
// that the network may change. [Table] counts what became of the frames; a
// [Surprise] is a frame that broke a promise.
package corpus

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// ErrSurprise says that a program broke a promise: exit code 1, where anything
// else that went wrong is 2.
var ErrSurprise = errors.New("the programs did something that they must not do")

// Table counts what became of a corpus.
type Table struct {
	// Files were found, Frames read from them.
	Files  int `json:"files"`
	Frames int `json:"frames"`
	// Read counts what is odd about the captures, by cause: frames and
	// files that could not be read, frames that were cut.
	Read []Count `json:"read"`
	// Rows count frames by way and what became of them, sorted.
	Rows []Row `json:"rows"`
	// Notes count by way what the checks met, sorted: bad checksums that
	// stayed bad, addresses that only force could replace.
	Notes []Note `json:"notes"`
	// Surprises is how many frames broke a promise.
	Surprises int `json:"surprises"`
}

// Count is a number of frames or files.
type Count struct {
	Cause string `json:"cause"`
	Count int    `json:"count"`
}

// Row is a number of frames of one way that met one end.
type Row struct {
	Way string `json:"way"`
	// Verdict is a program's, or "not run".
	Verdict string `json:"verdict"`
	// Reason is the drop reason, or why the program was not run; "" when
	// the packet went on.
	Reason string `json:"reason"`
	Frames int    `json:"frames"`
}

// Note is a number of frames of one way.
type Note struct {
	Way    string `json:"way"`
	Note   string `json:"note"`
	Frames int    `json:"frames"`
}

// notRun is the verdict on frames that no program was given.
const notRun = "not run"

// Surprise is a frame that a program did something wrong with.
type Surprise struct {
	// File and Number say where the frame stands, Way how it went.
	File   string `json:"file"`
	Number int    `json:"number"`
	Way    string `json:"way"`
	// Frame is what the program was given, Out what it left.
	Frame Hex `json:"frame"`
	Out   Hex `json:"out,omitempty"`
	// Broken is the promise, with want and got.
	Broken string `json:"broken"`
}

// Hex is bytes that are written in hexadecimal.
type Hex []byte

// MarshalText writes them: "0a0b".
func (h Hex) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h), nil }

// UnmarshalText reads them.
func (h *Hex) UnmarshalText(text []byte) (err error) {
	*h, err = hex.AppendDecode(nil, text)
	return err
}

// String is the surprise with the frame in hexadecimal.
func (s Surprise) String() string {
	text := fmt.Sprintf("%s: packet %d: %s: %s\n  in  %x", s.File, s.Number, s.Way, s.Broken, s.Frame)
	if len(s.Out) > 0 {
		text += fmt.Sprintf("\n  out %x", s.Out)
	}
	return text
}

// tally is a table in the making.
type tally struct {
	files, frames int
	read          map[string]int
	rows          map[Row]int
	notes         map[Note]int
}

func newTally() tally {
	return tally{read: map[string]int{}, rows: map[Row]int{}, notes: map[Note]int{}}
}

// table sorts what was counted.
func (t tally) table(surprises int) Table {
	out := Table{Files: t.files, Frames: t.frames, Surprises: surprises}
	for cause, n := range t.read {
		out.Read = append(out.Read, Count{cause, n})
	}
	for row, n := range t.rows {
		row.Frames = n
		out.Rows = append(out.Rows, row)
	}
	for note, n := range t.notes {
		note.Frames = n
		out.Notes = append(out.Notes, note)
	}
	order := map[string]int{}
	for i, w := range Ways() {
		order[w.Name] = i
	}
	slices.SortFunc(out.Read, func(a, b Count) int { return cmp.Compare(a.Cause, b.Cause) })
	slices.SortFunc(out.Rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(order[a.Way], order[b.Way]), cmp.Compare(a.Verdict, b.Verdict), cmp.Compare(a.Reason, b.Reason))
	})
	slices.SortFunc(out.Notes, func(a, b Note) int {
		return cmp.Or(cmp.Compare(order[a.Way], order[b.Way]), cmp.Compare(a.Note, b.Note))
	})
	return out
}
