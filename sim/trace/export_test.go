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

// FieldNames are the names of a map's fields as a trace tells them, which for some
// maps says more than the row's own fields do.
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
	switch name {
	case "paths":
		names = append(names, "endpoint")
	case "flows", "openings":
		names = append(names, "from", "to", "backend", "frontend", "egress", "ingress")
	case "policy_peers", "policy_prefixes", "policy_ports":
		names = append(names, "verdict", "rule", "class")
	}
	return names
}
