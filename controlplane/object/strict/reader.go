// SPDX-License-Identifier: Apache-2.0

// Package strict reads YAML that people wrote and forgives nothing: an unknown
// or repeated field, a wrong type or a value out of range becomes an [Error]
// with file, line, field, what stands there and what was expected. All errors
// of a file are collected, so that they can be mended in one go.
//
// A [Value] is read by a function that knows what it wants. A value that is
// wrong or absent reads as zero, and the error is in [Reader.Err].
package strict

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Reader collects the errors of one file.
type Reader struct {
	file string
	errs []error
	// shape, when set, is told what is asked.
	shape *Shape
}

// NewReader returns a reader whose errors name the file.
func NewReader(file string) *Reader { return &Reader{file: file} }

// File is the name that errors are told with.
func (r *Reader) File() string { return r.file }

// Err returns all errors so far, joined, or nil.
func (r *Reader) Err() error { return errors.Join(r.errs...) }

// Documents splits data into its YAML documents; empty ones are left out.
func (r *Reader) Documents(data []byte) []Value {
	var docs []Value
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		node := new(yaml.Node)
		err := dec.Decode(node)
		if errors.Is(err, io.EOF) {
			return docs
		}
		if err != nil {
			r.syntax(err)
			return docs
		}
		if v := r.Value(node, ""); !v.null() {
			v.shape = r.shape
			docs = append(docs, v)
		}
	}
}

// Value gives access to a node that path leads to.
func (r *Reader) Value(node *yaml.Node, path string) Value {
	if node != nil && node.Kind == yaml.DocumentNode && len(node.Content) == 1 {
		node = node.Content[0]
	}
	line := 0
	if node != nil {
		line = node.Line
		if node.Kind == yaml.AliasNode {
			node = node.Alias
		}
	}
	return Value{reader: r, node: node, path: path, line: line}
}

var (
	syntaxLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(.*)$`)
	// The YAML package counts the lines of these errors from 0, of all others
	// from 1.
	fromZero = regexp.MustCompile(`^did not find expected (<document start>|node content|'-' indicator|key$|',' or)`)
)

func (r *Reader) syntax(err error) {
	text := strings.ReplaceAll(err.Error(), "\n", " ")
	match := syntaxLine.FindStringSubmatch(text)
	line, _ := strconv.Atoi(match[1])
	if fromZero.MatchString(match[2]) {
		line++
	}
	r.errs = append(r.errs, &Error{
		File: r.file, Line: max(line, 1),
		Got: fmt.Sprintf("a syntax error (%s)", match[2]), Want: "YAML",
	})
}
