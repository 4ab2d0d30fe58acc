// SPDX-License-Identifier: Apache-2.0

// Package ledger gives endpoints generations that tell successive users of an
// address apart.
//
//	(ledger, objects, now) ──Step──► objects with generations, next ledger
//
// A user keeps its generation while it moves between hosts. Whoever is the next
// user of an address (another name or MAC, the same one deleted and made anew, or
// relabelled) gets one that nobody had at this address within [Rest], so hosts
// that still know a former user's never take one for the other.
//
// It is pure: it is told the time, and a step returns a new ledger.
package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/mizar-net/mizar/controlplane/object"
)

// Rest is how long a generation of an address is not given again after its last
// use: as long as hosts use what they learned (an hour), and time for states to
// reach all of them and for old rows to be swept.
const Rest = time.Hour + 10*time.Minute

// last is the greatest generation; the first is 1, as 0 means "not known".
const last = 255

// Ledger remembers who had which generation. It is a value; the zero value
// remembers nobody.
type Ledger struct {
	pages map[address]page
}

// address is an address inside of a VPC.
type address struct {
	vni  uint32
	addr netip.Addr
}

// page is what is remembered of one address. Its slice is never written to.
type page struct {
	// user is the digest of who has the address now; "" when nobody has.
	user string
	// wish is the generation that the user's object asked for, given the one it
	// has. Both are of no meaning without a user.
	wish, given uint8
	// past are the generations of the last Rest, oldest first, without given.
	past []use
}

// use is a generation, and when it was last in use.
type use struct {
	generation uint8
	until      time.Time
}

// Step returns set with generations, and the ledger to be given to the next step.
// The generation in set is a wish: by default it is derived from the user, or it
// was written; it is fulfilled when it is free. To wish for what one has been given
// changes nothing, so a set that a step returned may come back. Errors name addresses that have
// to rest: then the ledger is as before.
func (l Ledger) Step(set object.Set, now time.Time) (object.Set, Ledger, error) {
	s := step{set: set, now: now, next: Ledger{pages: make(map[address]page, len(l.pages))}, before: l}
	s.retire()
	endpoints := slices.Clone(set.Endpoints)
	var failed error
	for i := range endpoints {
		var err error
		endpoints[i].Generation, err = s.generation(endpoints[i])
		failed = errors.Join(failed, err)
	}
	if failed != nil {
		return object.Set{}, l, failed
	}
	set.Endpoints = endpoints
	return set, s.next, nil
}

// step is one step of a ledger on its way.
type step struct {
	set    object.Set
	now    time.Time
	before Ledger
	next   Ledger
}

// retire writes down which addresses have lost their user, and forgets what has
// rested.
func (s *step) retire() {
	users := map[address]string{}
	for _, e := range s.set.Endpoints {
		for _, a := range s.addresses(e) {
			users[a] = digest(e)
		}
	}
	for a, p := range s.before.pages {
		if p.user != "" && users[a] != p.user {
			p = p.left(s.now)
		}
		p = p.rested(s.now)
		if p.user != "" || len(p.past) > 0 {
			s.next.pages[a] = p
		}
	}
}

// left is the page after its user went.
func (p page) left(now time.Time) page {
	return page{past: append(slices.Clone(p.past), use{p.given, now})}
}

// rested is the page without what has rested.
func (p page) rested(now time.Time) page {
	if slices.ContainsFunc(p.past, func(u use) bool { return now.Sub(u.until) > Rest }) {
		p.past = slices.DeleteFunc(slices.Clone(p.past), func(u use) bool { return now.Sub(u.until) > Rest })
	}
	return p
}

// generation is the one that an endpoint keeps or gets.
func (s *step) generation(e object.Endpoint) (uint8, error) {
	addresses, user := s.addresses(e), digest(e)
	generation, kept := s.kept(e, addresses, user)
	if !kept {
		var err error
		if generation, err = s.free(e, addresses); err != nil {
			return 0, err
		}
	}
	for _, a := range addresses {
		p := s.next.pages[a]
		if p.user != "" && p.given != generation {
			p = p.left(s.now)
		}
		echo := p.user == user && p.given == generation && e.Generation == generation
		if p.user, p.given = user, generation; !echo {
			p.wish = e.Generation
		}
		s.next.pages[a] = p
	}
	return generation, nil
}

// kept is the generation that the user has at any of its addresses already, if it
// still wishes for the same and the other addresses are free of it.
func (s *step) kept(e object.Endpoint, addresses []address, user string) (uint8, bool) {
	for _, a := range addresses {
		p := s.next.pages[a]
		if p.user == user && (e.Generation == p.wish || e.Generation == p.given) {
			return p.given, !slices.ContainsFunc(addresses, func(other address) bool { return s.next.pages[other].had(p.given) })
		}
	}
	return 0, false
}

// had says whether somebody else had a generation, not long ago.
func (p page) had(generation uint8) bool {
	return slices.ContainsFunc(p.past, func(u use) bool { return u.generation == generation })
}

// free is the first generation, from the wished one on, that none of the
// addresses has had.
func (s *step) free(e object.Endpoint, addresses []address) (uint8, error) {
	taken := func(generation uint8) bool {
		return slices.ContainsFunc(addresses, func(a address) bool {
			p := s.next.pages[a]
			return p.had(generation) || p.user != "" && p.given == generation
		})
	}
	generation := max(e.Generation, 1)
	for range last {
		if !taken(generation) {
			return generation, nil
		}
		generation = generation%last + 1
	}
	return 0, s.restless(e, addresses)
}

// restless is the error of an address that has had too many users.
func (s *step) restless(e object.Endpoint, addresses []address) error {
	var soonest time.Time
	for _, a := range addresses {
		for _, u := range s.next.pages[a].past {
			if at := u.until.Add(Rest); soonest.IsZero() || at.Before(soonest) {
				soonest = at
			}
		}
	}
	return fmt.Errorf("give endpoint %s a generation: all %d were used at %v within the last %v: these addresses must rest until %s, or take others",
		e.Key(), last, e.Addresses, Rest, soonest.UTC().Format(time.RFC3339))
}

// addresses are those of an endpoint, in the VPC that its subnet is in.
func (s *step) addresses(e object.Endpoint) []address {
	subnet, _ := s.set.Subnet(e.Subnet)
	vpc, _ := s.set.VPC(subnet.VPC)
	all := make([]address, len(e.Addresses))
	for i, addr := range e.Addresses {
		all[i] = address{vpc.VNI, addr}
	}
	return all
}

// digest stands for a user in 128 bits. Whoever is given another identity is
// another user, so that hosts that learned the old one are told.
func digest(e object.Endpoint) string {
	user := e.User()
	if e.Identity != 0 {
		user += fmt.Sprintf(" identity %d", e.Identity)
	}
	sum := sha256.Sum256([]byte(user))
	return hex.EncodeToString(sum[:16])
}

// Addresses is how many addresses the ledger remembers.
func (l Ledger) Addresses() int { return len(slices.Collect(maps.Keys(l.pages))) }
