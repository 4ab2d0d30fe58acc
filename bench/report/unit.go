// SPDX-License-Identifier: Apache-2.0

package report

import "fmt"

// Unit is what the values of a figure are in.
type Unit string

// The units. The zero value is nanoseconds per packet.
const (
	PerPacket    Unit = ""
	Gigabits     Unit = "Gbit/s"
	Microseconds Unit = "µs"
	Transactions Unit = "transactions/s"
)

// MoreIsBetter says which way a figure improves: what takes time gets better
// with less of it, what is done in a time with more.
func (u Unit) MoreIsBetter() bool { return u == Gigabits || u == Transactions }

// String is the unit as people read it.
func (u Unit) String() string {
	if u == PerPacket {
		return "ns"
	}
	return string(u)
}

// format is a value without its unit, with as many digits as mean something.
func (u Unit) format(v float64) string {
	switch u {
	case Gigabits:
		return fmt.Sprintf("%.2f", v)
	case Microseconds:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// better is the direction, for machines.
func (u Unit) better() string {
	if u.MoreIsBetter() {
		return "more"
	}
	return "less"
}

// benchfmt is the unit as Go's benchmark format has it: no spaces, ASCII.
func (u Unit) benchfmt() string {
	switch u {
	case PerPacket:
		return "ns/packet"
	case Microseconds:
		return "us"
	}
	return string(u)
}
