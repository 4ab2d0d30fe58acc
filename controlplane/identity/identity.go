// SPDX-License-Identifier: Apache-2.0

// Package identity gives endpoints the numbers that policy matches peers by.
//
//	(ledger, objects, now) ──Step──► book: a number for each endpoint, and what
//	                                 every number stands for; next ledger
//
// A number stands for a VPC, a namespace and the [Attribute]s that any policy looks
// at; endpoints that are the same to all policies share it. What a number says
// stays true for as long as anybody may carry it: it may come to say more when all
// who carry it agree, and otherwise others are given, and the old one keeps its
// rows for [Linger], in which all hosts hear of the new one. So no host meets a
// number that it has no rows for, nor one that means something else to another.
//
// It is pure: it is told the time. [File] keeps a ledger in a directory that
// several agents share.
package identity

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
)

const (
	// Linger is how long a number that nobody has any more keeps its rows: until
	// every host has the states that no longer use it. Endpoints of a host whose
	// agent is away for longer are denied where policy asks who they are.
	Linger = 10 * time.Minute
	// Rest is how long such a number, or an attribute that no policy looks at any
	// more, is remembered: as long as hosts use what they learned, and time for
	// states to arrive and old rows to be swept.
	Rest = time.Hour + 10*time.Minute
	// Last is the greatest number: they have 24 bits.
	Last = 1<<24 - 1

	first = state.LastReservedIdentity + 1
)

// Attribute is something in an endpoint that a policy may look at: a label of its
// own, a label of its namespace, or a named port.
type Attribute string

// The kinds of attributes are told apart by what is before their name.
const (
	ofEndpoint  = "pod:"
	ofNamespace = "ns:"
	ofPort      = "port:"
)

// Label is the attribute of an endpoint's label.
func Label(key string) Attribute { return Attribute(ofEndpoint + key) }

// NamespaceLabel is the attribute of a label of the endpoint's namespace.
func NamespaceLabel(key string) Attribute { return Attribute(ofNamespace + key) }

// Port is the attribute of a named port. Its value is made by [Ports].
func Port(name string) Attribute { return Attribute(ofPort + name) }

// namespaceName is in every identity already.
var namespaceName = NamespaceLabel(corev1.LabelMetadataName)

// Identity is what a number stands for. It is a value that nobody writes to.
type Identity struct {
	// Number is 24 bits long and greater than [state.LastReservedIdentity].
	Number         uint32
	VPC, Namespace string
	// Attributes has those that its endpoints have.
	Attributes map[Attribute]string
	// known are all attributes of which it is said whether they have them,
	// sorted.
	known []Attribute
}

// Value is what the identity has of an attribute. known is false when it does not
// say: then nothing may be concluded.
func (i Identity) Value(a Attribute) (value string, has, known bool) {
	if a == namespaceName {
		return i.Namespace, true, true
	}
	if value, has = i.Attributes[a]; has {
		return value, true, true
	}
	_, known = slices.BinarySearch(i.known, a)
	return "", false, known
}

// Equal says that both stand for the same.
func (i Identity) Equal(other Identity) bool {
	return i.Number == other.Number && i.VPC == other.VPC && i.Namespace == other.Namespace &&
		maps.Equal(i.Attributes, other.Attributes) && slices.Equal(i.known, other.known)
}

// key is what the identity stands for, as one text.
func (i Identity) key() string {
	var b strings.Builder
	b.WriteString(strconv.Quote(i.VPC))
	b.WriteString(strconv.Quote(i.Namespace))
	for _, a := range slices.Sorted(maps.Keys(i.Attributes)) {
		b.WriteString(string(a))
		b.WriteByte('=')
		b.WriteString(strconv.Quote(i.Attributes[a]))
	}
	return b.String()
}

// String is the identity as people are told of it.
func (i Identity) String() string {
	words := []string{i.VPC, i.Namespace}
	for _, a := range slices.Sorted(maps.Keys(i.Attributes)) {
		words = append(words, string(a)+"="+i.Attributes[a])
	}
	return strings.Join(words, " ")
}

// described is what an endpoint is to policies that look at some attributes. The
// labels are those of its namespace.
func described(vpc string, e *object.Endpoint, labels map[string]string, looked []Attribute) Identity {
	i := Identity{VPC: vpc, Namespace: e.Namespace, known: looked}
	for _, a := range looked {
		value, has := valueOf(e, labels, a)
		if !has {
			continue
		}
		if i.Attributes == nil {
			i.Attributes = map[Attribute]string{}
		}
		i.Attributes[a] = value
	}
	return i
}

func valueOf(e *object.Endpoint, labels map[string]string, a Attribute) (value string, has bool) {
	name := string(a)
	switch {
	case strings.HasPrefix(name, ofEndpoint):
		value, has = e.Labels[name[len(ofEndpoint):]]
	case strings.HasPrefix(name, ofNamespace):
		value, has = labels[name[len(ofNamespace):]]
	case strings.HasPrefix(name, ofPort):
		value = Ports(e.Ports, name[len(ofPort):])
		has = value != ""
	}
	return value, has
}

// Ports are the numbers of all ports of one name, as the value of an attribute:
// "SCTP/7 TCP/80"; "" when there are none.
func Ports(ports []object.Port, name string) string {
	var all []string
	for _, p := range ports {
		if p.Name == name {
			all = append(all, string(p.Protocol)+"/"+strconv.Itoa(int(p.Number)))
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// PortOf is the number that a value made by [Ports] has in a protocol; 0: none.
func PortOf(value string, protocol corev1.Protocol) uint16 {
	for one := range strings.SplitSeq(value, " ") {
		if number, ok := strings.CutPrefix(one, string(protocol)+"/"); ok {
			n, _ := strconv.ParseUint(number, 10, 16)
			return uint16(n)
		}
	}
	return 0
}

// Book says who has which number, and what the numbers stand for.
type Book struct {
	// Numbers are those of endpoints, by [object.Meta.Key]. An endpoint that is
	// missing matches nobody's rules.
	Numbers map[string]uint32
	// Identities are all that a host may meet, in order of numbers: those of
	// endpoints, and those that endpoints had until a short while ago.
	Identities []Identity
}

// Fresh is the book of a set that no ledger was kept of.
func Fresh(set object.Set) *Book {
	book, _, _ := Ledger{}.Step(set, time.Time{})
	return &book
}

// Give returns the set with the numbers of the book.
func (b *Book) Give(set object.Set) object.Set {
	set.Endpoints = slices.Clone(set.Endpoints)
	for i := range set.Endpoints {
		set.Endpoints[i].Identity = b.Numbers[set.Endpoints[i].Key()]
	}
	return set
}

func byNumber(a, b Identity) int { return cmp.Compare(a.Number, b.Number) }
