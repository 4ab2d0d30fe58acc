// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"reflect"
	"strings"
)

// BriefFields are the fields that one line shows, by map.
func BriefFields() map[string][]string {
	all := map[string][]string{}
	for name, t := range tables {
		all[name] = t.first
	}
	return all
}

// FieldNames are the names of a map's fields as a trace tells them; a path has
// an endpoint in the place of a host when it is local.
func FieldNames(name string) []string {
	names := []string{}
	row := reflect.TypeOf(tables[name].row()).Elem()
	add := func(t reflect.Type) {
		for i := range t.NumField() {
			f := t.Field(i).Name
			names = append(names, strings.ToLower(f[:1])+f[1:])
		}
	}
	add(row)
	if door, ok := row.FieldByName("Door"); ok {
		add(door.Type)
	}
	if name == "paths" {
		names = append(names, "endpoint")
	}
	return names
}
