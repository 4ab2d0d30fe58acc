// SPDX-License-Identifier: Apache-2.0

package golden

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Rules say how a comparison is less strict than equality. The zero value
// compares everything.
type Rules struct {
	// Ignore names fields that are not compared; "outer.*" is all below.
	Ignore []string
	// Mask has the bits of a field that are compared, by its name: numbers
	// ("0xfc"), MACs ("ff:ff:ff:00:00:00"), addresses ("255.255.255.0"),
	// bytes ("ffff00") and TCP flags ("SYN|ACK").
	Mask map[string]string
	// Relations say what a field must be in any frame that has it, instead
	// of what it is in the golden one: [Entropy], [Echoed], or the name of
	// another field that it must equal.
	Relations map[string]string
	// Unordered are groups of frames that may come in any order.
	Unordered []Group
}

// Group is some of the golden frames of one port.
type Group struct {
	// Port, or "" for each of them.
	Port string
	// Packets are their numbers in the golden capture; none: all at the
	// port.
	Packets []int
}

// The relations that are no name of a field.
const (
	// Entropy: outer.sport is that of the inner five fields (of three for
	// fragments).
	Entropy = "entropy"
	// Echoed: a token that answers, or is relayed, is one that was asked
	// before, for the same two addresses.
	Echoed = "echoed"
)

// tokens are the fields that can be echoed.
var tokens = []string{"geneve.return.token", "geneve.send-back.token", "geneve.refusal.token"}

// exact says that nothing is left out, so that even bytes must be equal.
func (r Rules) exact() bool { return len(r.Ignore)+len(r.Mask)+len(r.Relations) == 0 }

func (r Rules) ignored(name string) bool {
	return slices.ContainsFunc(r.Ignore, func(pattern string) bool { return matches(pattern, name) })
}

// check returns all that is wrong with the rules.
func (r Rules) check() error {
	var errs []error
	for _, name := range r.Ignore {
		errs = append(errs, CheckIgnore(name))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Mask)) {
		errs = append(errs, CheckMask(name, r.Mask[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Relations)) {
		errs = append(errs, CheckRelation(name, r.Relations[name]))
	}
	return errors.Join(errs...)
}

// CheckIgnore refuses a name, or a pattern, that no field has.
func CheckIgnore(pattern string) error {
	if slices.ContainsFunc(Fields(), func(f string) bool { return matches(pattern, f) }) {
		return nil
	}
	return fmt.Errorf("ignored field %q: want one of %s", pattern, strings.Join(Fields(), ", "))
}

// CheckMask refuses fields that have no bits, and bits that are not of the
// field's kind.
func CheckMask(name, bits string) error {
	if err := checkField("masked", name); err != nil {
		return err
	}
	k := kindOf(name)
	if k == kindNone {
		return fmt.Errorf("masked field %q, which has no bits: want it ignored, not masked", name)
	}
	if _, ok := k.parse(bits); !ok {
		return fmt.Errorf("mask %q of field %q: want %s", bits, name, kindNames[k])
	}
	return nil
}

// CheckRelation refuses relations that a field cannot have.
func CheckRelation(name, relation string) error {
	if err := checkField("related", name); err != nil {
		return err
	}
	switch {
	case relation == Entropy && name != "outer.sport":
		return fmt.Errorf("relation %s of field %q: want it only of outer.sport", Entropy, name)
	case relation == Echoed && !slices.Contains(tokens, name):
		return fmt.Errorf("relation %s of field %q: want it only of tokens: %s", Echoed, name, strings.Join(tokens, ", "))
	case relation == Entropy, relation == Echoed:
		return nil
	case relation == name:
		return fmt.Errorf("relation of field %q to itself: want another field, %s or %s", name, Entropy, Echoed)
	}
	if lookup(relation) == nil {
		return fmt.Errorf("relation %q of field %q: want %s, %s or the name of another field", relation, name, Entropy, Echoed)
	}
	return nil
}

func checkField(what, name string) error {
	if lookup(name) != nil {
		return nil
	}
	return fmt.Errorf("%s field %q: want one of %s", what, name, strings.Join(packetFields(), ", "))
}

// lookup is the field of a packet with the name; nil for none.
func lookup(name string) *field {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i]
		}
	}
	return nil
}

func matches(pattern, name string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(name, prefix)
	}
	return pattern == name
}
