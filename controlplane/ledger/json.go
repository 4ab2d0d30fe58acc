// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// entry is a page as it is stored.
type entry struct {
	VNI     uint32     `json:"vni"`
	Address netip.Addr `json:"address"`
	User    string     `json:"user,omitempty"`
	Wish    uint8      `json:"wish,omitempty"`
	Given   uint8      `json:"generation,omitempty"`
	Past    []pastUse  `json:"past,omitempty"`
}

type pastUse struct {
	Generation uint8     `json:"generation"`
	Until      time.Time `json:"until"`
}

// MarshalJSON writes the ledger, in order of addresses, so that equal ledgers are
// equal texts.
func (l Ledger) MarshalJSON() ([]byte, error) {
	entries := make([]entry, 0, len(l.pages))
	for a, p := range l.pages {
		e := entry{VNI: a.vni, Address: a.addr, User: p.user}
		if p.user != "" {
			e.Wish, e.Given = p.wish, p.given
		}
		for _, u := range p.past {
			e.Past = append(e.Past, pastUse{u.generation, u.until.UTC()})
		}
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.VNI, b.VNI), a.Address.Compare(b.Address))
	})
	return json.Marshal(entries)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (l *Ledger) UnmarshalJSON(data []byte) error {
	var entries []entry
	if err := json.Unmarshal(data, &entries); err != nil {
		return fmt.Errorf("read a ledger of generations: %w", err)
	}
	pages := make(map[address]page, len(entries))
	for _, e := range entries {
		a := address{e.VNI, e.Address}
		if _, twice := pages[a]; twice || !e.Address.IsValid() || (e.User == "") != (e.Given == 0) {
			return fmt.Errorf("read a ledger of generations: address %s in VNI %d: want each address once, and a generation for each user", e.Address, e.VNI)
		}
		p := page{user: e.User, wish: e.Wish, given: e.Given}
		for _, u := range e.Past {
			p.past = append(p.past, use{u.Generation, u.Until})
		}
		pages[a] = p
	}
	l.pages = pages
	return nil
}
