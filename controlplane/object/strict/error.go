// SPDX-License-Identifier: Apache-2.0

package strict

import (
	"fmt"
	"strings"
)

// Error is one thing wrong with one field of what people wrote.
type Error struct {
	// File and Line say where; Line counts from 1, and is 0 when the object
	// was not read from a file.
	File string
	Line int
	// Object is "Kind/name" where the error is about a known object.
	Object string
	// Field is the path that leads there: "spec.cidrs[1]". Empty: the whole
	// document.
	Field string
	// Got is what stands there, Want what was expected.
	Got, Want string
}

// Error is one line: place, object, field, got, want.
func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File)
		if e.Line > 0 {
			fmt.Fprintf(&b, ":%d", e.Line)
		}
		b.WriteString(": ")
	}
	for _, part := range []string{e.Object, e.Field} {
		if part != "" {
			b.WriteString(part + ": ")
		}
	}
	if e.Got != "" {
		b.WriteString("got " + e.Got + "; ")
	}
	b.WriteString("want " + e.Want)
	return b.String()
}

// Quote shows a text in an error; what is too long to read is cut.
func Quote(text string) string {
	const longest = 60
	if r := []rune(text); len(r) > longest {
		text = string(r[:longest]) + "…"
	}
	return fmt.Sprintf("%q", text)
}
