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
	for i := range row.NumField() {
		f := row.Field(i).Name
		names = append(names, strings.ToLower(f[:1])+f[1:])
	}
	if name == "paths" {
		names = append(names, "endpoint")
	}
	return names
}
