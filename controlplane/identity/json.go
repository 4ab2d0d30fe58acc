// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// page is a ledger as it is stored.
type page struct {
	Last       uint32   `json:"last"`
	Looked     []looked `json:"looked"`
	Identities []line   `json:"identities"`
	// Scopes are lists of attributes that identities know, by their place.
	Scopes [][]Attribute `json:"scopes"`
}

type looked struct {
	Attribute Attribute `json:"attribute"`
	// Until is when the last policy looked; nil: one does.
	Until *time.Time `json:"until,omitempty"`
}

type line struct {
	Number     uint32               `json:"number"`
	VPC        string               `json:"vpc"`
	Namespace  string               `json:"namespace"`
	Attributes map[Attribute]string `json:"attributes,omitempty"`
	Scope      int                  `json:"scope"`
	// Until is when the last endpoint went; nil: it has some.
	Until   *time.Time `json:"until,omitempty"`
	Current bool       `json:"current,omitempty"`
}

// MarshalJSON writes the ledger, in order of numbers, so that equal ledgers are
// equal texts.
func (l Ledger) MarshalJSON() ([]byte, error) {
	p := page{Last: l.last, Looked: []looked{}, Identities: []line{}, Scopes: [][]Attribute{}}
	for _, a := range slices.Sorted(maps.Keys(l.looked)) {
		p.Looked = append(p.Looked, looked{a, stored(l.looked[a])})
	}
	scopes := map[string]int{}
	for _, e := range l.entries {
		text := scopeText(e.known)
		scope, ok := scopes[text]
		if !ok {
			scope = len(p.Scopes)
			scopes[text] = scope
			p.Scopes = append(p.Scopes, slices.Concat([]Attribute{}, e.known))
		}
		p.Identities = append(p.Identities, line{
			Number: e.Number, VPC: e.VPC, Namespace: e.Namespace, Attributes: e.Attributes,
			Scope: scope, Until: stored(e.until), Current: e.current,
		})
	}
	return json.Marshal(p)
}

func scopeText(known []Attribute) string {
	var b strings.Builder
	for _, a := range known {
		fmt.Fprintf(&b, "%q", a)
	}
	return b.String()
}

func stored(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func read(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (l *Ledger) UnmarshalJSON(data []byte) error {
	var p page
	if err := json.Unmarshal(data, &p); err != nil {
		return fmt.Errorf("read a ledger of identities: %w", err)
	}
	out := Ledger{last: p.Last, looked: map[Attribute]time.Time{}}
	for _, a := range p.Looked {
		out.looked[a.Attribute] = read(a.Until)
	}
	before := uint32(first - 1)
	for _, i := range p.Identities {
		if i.Number <= before || i.Number > Last || i.Scope < 0 || i.Scope >= len(p.Scopes) {
			return fmt.Errorf("read a ledger of identities: number %d of scope %d: want each number from %d to %d once, in order, and a scope that is there", i.Number, i.Scope, first, Last)
		}
		before = i.Number
		out.entries = append(out.entries, entry{
			Identity: Identity{Number: i.Number, VPC: i.VPC, Namespace: i.Namespace, Attributes: i.Attributes, known: p.Scopes[i.Scope]},
			until:    read(i.Until), current: i.Current,
		})
	}
	*l = out
	return nil
}
