// SPDX-License-Identifier: Apache-2.0

package property

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Minimal leaves everything out of the text of a case that fails without which it still
// fails: objects and steps, and what they say. Nothing more can be left out of what it
// returns.
func (r *Trial) Minimal(ctx context.Context, text string) string {
	fails := func(text string) bool { return ctx.Err() == nil && r.fails(ctx, text) }
	for shorter := true; shorter; {
		shorter = false
		for _, without := range []func(lines []string, at, n int) ([]string, bool){withoutLine, withoutPart} {
			lines := strings.Split(text, "\n")
			for at := len(lines) - 1; at >= 0; at-- {
				for n := 0; strings.HasPrefix(lines[at], item); {
					less, more := without(lines, at, n)
					if !more {
						break
					}
					if !fails(strings.Join(less, "\n")) {
						n++
						continue
					}
					if shorter = true; len(less) < len(lines) {
						lines = less
						break
					}
					lines = less
				}
			}
			text = strings.Join(lines, "\n")
		}
	}
	return text
}

// item is what the line of an object or of a step begins with.
const item = "- "

// withoutLine leaves a line out; there is but one way to do so.
func withoutLine(lines []string, at, n int) ([]string, bool) {
	return slices.Delete(slices.Clone(lines), at, at+1), n == 0
}

// withoutPart leaves the n-th part of a line out; false: there are no more.
func withoutPart(lines []string, at, n int) ([]string, bool) {
	var whole any
	if err := yaml.Unmarshal([]byte(lines[at][len(item):]), &whole); err != nil {
		return nil, false
	}
	less, left := cut(whole, n)
	if left >= 0 {
		return nil, false
	}
	b, err := json.Marshal(less)
	if err != nil {
		return nil, false
	}
	lines = slices.Clone(lines)
	lines[at] = item + string(b)
	return lines, true
}

// cut leaves the n-th part out of a value, counted from outside, and returns how many
// more parts there would have to be, -1 when it is out.
func cut(value any, n int) (any, int) {
	switch v := value.(type) {
	case map[string]any:
		keys := slices.Sorted(maps.Keys(v))
		if n < len(keys) {
			delete(v, keys[n])
			return v, -1
		}
		n -= len(keys)
		for _, key := range keys {
			if v[key], n = cut(v[key], n); n < 0 {
				return v, n
			}
		}
	case []any:
		if n < len(v) {
			return slices.Delete(v, n, n+1), -1
		}
		n -= len(v)
		for i := range v {
			if v[i], n = cut(v[i], n); n < 0 {
				return v, n
			}
		}
	}
	return value, n
}
