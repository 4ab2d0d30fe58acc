// SPDX-License-Identifier: Apache-2.0

package table

import "fmt"

// Room is what a table has room for.
type Room struct {
	// Rows is the most rows; 0 means no limit.
	Rows int
	// Indexed says that keys are 32-bit numbers below Rows, as in an array.
	Indexed bool
}

// index is the place of a key in an array.
func index[K comparable](key K) int {
	i, _ := any(key).(uint32)
	return int(i)
}

// TooSmall is the error of a Sync whose rows do not fit into a table. Nothing was
// written to any.
type TooSmall struct {
	// Map is the table's name.
	Map string
	// Needs is how many rows it must have room for, Room how many it has.
	Needs, Room int
	// Going are those of Needs that would have been deleted in the end: new
	// rows are written before old ones go, so that nothing is missing in
	// between.
	Going int
}

// Error names the map and both numbers.
func (e *TooSmall) Error() string {
	going := ""
	if e.Going > 0 && e.Needs > e.Going {
		going = fmt.Sprintf(" (%d of them until the others are written)", e.Going)
	}
	return fmt.Sprintf("map %s has room for %d rows and needs %d%s; nothing was written", e.Map, e.Room, e.Needs, going)
}
