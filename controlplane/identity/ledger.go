// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mizar-net/mizar/controlplane/object"
)

// Ledger remembers numbers. It is a value; the zero value remembers none.
type Ledger struct {
	// looked are the attributes that numbers are given by, and since when no
	// policy looks at them; the zero time: one does.
	looked map[Attribute]time.Time
	// entries are in order of numbers.
	entries []entry
	// last is the number that was given last.
	last uint32
}

// entry is a number that is remembered.
type entry struct {
	Identity
	// until is when its last endpoint went; the zero time: it has some.
	until time.Time
	// current says that endpoints like it are given this number: it says of every
	// attribute that is looked at, and of no other, what they have.
	current bool
}

// NoneLeft is the error of a step that had no number for some endpoints.
type NoneLeft struct {
	// Endpoints are their keys.
	Endpoints []string
}

// Error says what happens to them.
func (e *NoneLeft) Error() string {
	return fmt.Sprintf("give endpoints identities: all %d numbers are in use or were within the last %v: %d endpoints such as %s match no policy's peers; delete endpoints with labels of their own, or policies that select by them",
		Last, Rest, len(e.Endpoints), e.Endpoints[0])
}

// Step gives all endpoints of a set their numbers, as of now, and returns the
// ledger to be given to the next step. Who had a number keeps it as long as it is
// the same to all policies. An error is a [*NoneLeft]; book and ledger are good
// even so.
func (l Ledger) Step(set object.Set, now time.Time) (Book, Ledger, error) {
	s := newStep(l, set, now)
	if !slices.Equal(s.lookedBefore, s.looked) {
		s.relabel()
	}
	s.give()
	return s.book(), s.next(), s.err()
}

// step is one step of a ledger on its way.
type step struct {
	now          time.Time
	last         uint32
	limit        uint32 // the greatest number
	lookedSince  map[Attribute]time.Time
	lookedBefore []Attribute
	looked       []Attribute

	entries []*entry
	// current are the entries that numbers are given by, by keys.
	current map[string]*entry
	users   []user
	// numbers that are remembered.
	taken map[uint32]bool
	// without are the keys of endpoints that there was no number for.
	without []string
}

// user is an endpoint that is to have a number.
type user struct {
	endpoint *object.Endpoint
	vpc      string
	// labels are its namespace's.
	labels map[string]string
	entry  *entry
}

func (u user) described(looked []Attribute) Identity {
	return described(u.vpc, u.endpoint, u.labels, looked)
}

func newStep(l Ledger, set object.Set, now time.Time) *step {
	s := &step{
		now: now, last: l.last, limit: Last, lookedSince: map[Attribute]time.Time{},
		lookedBefore: slices.Sorted(maps.Keys(l.looked)),
		current:      map[string]*entry{}, taken: map[uint32]bool{},
	}
	for a, since := range l.looked {
		if since.IsZero() {
			since = now
		}
		if now.Sub(since) <= Rest {
			s.lookedSince[a] = since
		}
	}
	for _, a := range Looked(set.Policies) {
		s.lookedSince[a] = time.Time{}
	}
	s.looked = slices.Sorted(maps.Keys(s.lookedSince))
	s.remember(l)
	s.users = users(set)
	return s
}

// remember takes over what has not rested.
func (s *step) remember(l Ledger) {
	for _, e := range l.entries {
		if !e.until.IsZero() && s.now.Sub(e.until) > Rest {
			continue
		}
		s.entries = append(s.entries, &e)
		s.taken[e.Number] = true
		if e.current {
			s.current[e.key()] = &e
		}
	}
}

// users are the endpoints of a set that policies can select: hosts are none.
func users(set object.Set) []user {
	vpcs, labels := map[string]string{}, map[string]map[string]string{}
	for _, s := range set.Subnets {
		vpcs[s.Name] = s.VPC
	}
	var all []user
	for i := range set.Endpoints {
		e := &set.Endpoints[i]
		if e.Self {
			continue
		}
		if _, ok := labels[e.Namespace]; !ok {
			labels[e.Namespace] = set.Namespace(e.Namespace).Labels
		}
		all = append(all, user{endpoint: e, vpc: vpcs[e.Subnet], labels: labels[e.Namespace]})
	}
	return all
}

// relabel makes entries say what policies look at now. One that has to say more
// keeps its number if all of its endpoints agree, and one that has to say less if
// no other comes to say the same.
func (s *step) relabel() {
	become, from := map[*entry]map[string]Identity{}, map[string]map[*entry]bool{}
	for _, u := range s.users {
		old := s.current[u.described(s.lookedBefore).key()]
		if old == nil {
			continue
		}
		now := u.described(s.looked)
		key := now.key()
		if become[old] == nil {
			become[old] = map[string]Identity{}
		}
		become[old][key] = now
		if from[key] == nil {
			from[key] = map[*entry]bool{}
		}
		from[key][old] = true
	}
	s.current = map[string]*entry{}
	for _, e := range s.entries {
		e.current = false
		if len(become[e]) != 1 {
			continue
		}
		for key, now := range become[e] {
			if len(from[key]) == 1 {
				e.Attributes, e.known, e.current = now.Attributes, now.known, true
				s.current[key] = e
			}
		}
	}
}

// give finds or makes the entry of every user, in order of what they are, so that
// equal sets are given equal numbers.
func (s *step) give() {
	wanted := map[string][]int{}
	what := map[string]Identity{}
	for i := range s.users {
		is := s.users[i].described(s.looked)
		key := is.key()
		wanted[key] = append(wanted[key], i)
		what[key] = is
	}
	for _, e := range s.entries {
		if e.until.IsZero() {
			e.until = s.now
		}
	}
	for _, key := range slices.Sorted(maps.Keys(wanted)) {
		e := s.current[key]
		if e == nil {
			if e = s.make(what[key]); e == nil {
				for _, i := range wanted[key] {
					s.without = append(s.without, s.users[i].endpoint.Key())
				}
				continue
			}
			s.current[key] = e
		}
		e.until = time.Time{}
		for _, i := range wanted[key] {
			s.users[i].entry = e
		}
	}
}

// make gives the next number that nobody remembers to an identity; nil when there
// is none.
func (s *step) make(is Identity) *entry {
	number, ok := next(s.last, s.limit, s.taken)
	if !ok {
		return nil
	}
	s.last, s.taken[number] = number, true
	is.Number = number
	e := &entry{Identity: is, current: true}
	s.entries = append(s.entries, e)
	return e
}

// next is the number after last, round the end at limit, that is not taken.
func next(last, limit uint32, taken map[uint32]bool) (uint32, bool) {
	if len(taken) >= int(limit-first+1) {
		return 0, false
	}
	for number := last + 1; ; number++ {
		if number > limit || number < first {
			number = first
		}
		if !taken[number] {
			return number, true
		}
	}
}

func (s *step) book() Book {
	b := Book{Numbers: make(map[string]uint32, len(s.users))}
	for _, u := range s.users {
		if u.entry != nil {
			b.Numbers[u.endpoint.Key()] = u.entry.Number
		}
	}
	for _, e := range s.entries {
		if e.until.IsZero() || s.now.Sub(e.until) <= Linger {
			b.Identities = append(b.Identities, e.Identity)
		}
	}
	slices.SortFunc(b.Identities, byNumber)
	return b
}

func (s *step) next() Ledger {
	l := Ledger{looked: s.lookedSince, last: s.last}
	for _, e := range s.entries {
		l.entries = append(l.entries, *e)
	}
	slices.SortFunc(l.entries, func(a, b entry) int { return byNumber(a.Identity, b.Identity) })
	return l
}

func (s *step) err() error {
	if len(s.without) == 0 {
		return nil
	}
	slices.Sort(s.without)
	return &NoneLeft{Endpoints: s.without}
}
