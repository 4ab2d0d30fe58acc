// SPDX-License-Identifier: Apache-2.0

package object

import (
	"fmt"
	"strings"
)

// Condition is something that cannot be done as it was written, and what is done
// instead.
type Condition struct {
	// Object names what it is about: "NetworkPolicy/default/web".
	Object string
	// At is where it was written.
	At Position
	// Field is the path that leads to what is wrong: "spec.ingress[0].ports[1]";
	// "": the object as a whole.
	Field string
	// Problem says what is wrong, and what follows from it.
	Problem string
}

// String is the condition as one line: place, object, field, problem.
func (c Condition) String() string {
	var b strings.Builder
	if c.At.File != "" {
		fmt.Fprintf(&b, "%s:%d: ", c.At.File, c.At.Line)
	}
	b.WriteString(c.Object + ": ")
	if c.Field != "" {
		b.WriteString(c.Field + ": ")
	}
	return b.String() + c.Problem
}
