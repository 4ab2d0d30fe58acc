// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/sim/wire"
)

// decoding makes a row's fields readable.
type decoding struct {
	names *wire.Names
	row   Row
}

func (d decoding) set(name, text string) {
	if text != "" {
		d.row[name] = text
	}
}

// field tells one field by its type and name.
func (d decoding) field(name string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Array:
		if name == "set" {
			d.sets(v.Index(0).Uint(), v.Index(1).Uint())
			return
		}
		if v.Type().Elem().Kind() != reflect.Uint8 {
			d.set(name, numbers(v))
			return
		}
		d.set(name, bytesText(v))
	case reflect.Struct:
		if v.Type() == doorType {
			d.fields(v)
			return
		}
		d.set(name, d.nested(v))
	case reflect.Int32:
		if v.Int() != 0 {
			d.set(name, strconv.FormatInt(v.Int(), 10))
		}
	default:
		d.number(name, v.Uint())
	}
}

// doorType is struct door, whose fields are told as the row's own.
var doorType = reflect.TypeFor[bpf.RowEndpoint]().Field(doorAt()).Type

func doorAt() int {
	f, ok := reflect.TypeFor[bpf.RowEndpoint]().FieldByName("Door")
	if !ok {
		panic("trace: rows of endpoints have no door")
	}
	return f.Index[0]
}

// fields tells all fields of a row, or of a struct in it.
func (d decoding) fields(v reflect.Value) {
	for i := range v.NumField() {
		if field := v.Type().Field(i); field.Name != "_" && field.Name != "Pad" {
			d.field(strings.ToLower(field.Name[:1])+field.Name[1:], v.Field(i))
		}
	}
}

// numbers are those of an array with spaces between them, up to the last that is not
// zero.
func numbers(v reflect.Value) string {
	var parts []string
	for i := range v.Len() {
		parts = append(parts, strconv.FormatUint(v.Index(i).Uint(), 10))
	}
	for len(parts) > 0 && parts[len(parts)-1] == "0" {
		parts = parts[:len(parts)-1]
	}
	return strings.Join(parts, " ")
}

// bytesText is an address, whatever its family; "" for none.
func bytesText(v reflect.Value) string {
	b := make([]byte, v.Len())
	reflect.Copy(reflect.ValueOf(b), v)
	a, ok := netip.AddrFromSlice(b)
	if !ok || a.IsUnspecified() {
		return ""
	}
	return a.Unmap().String()
}

// nested is an Ethernet address, or hosts with their count before them.
func (d decoding) nested(v reflect.Value) string {
	if octets := v.FieldByName("Octet"); octets.IsValid() {
		b := make(net.HardwareAddr, octets.Len())
		reflect.Copy(reflect.ValueOf(b), octets)
		if string(b) == string(make([]byte, len(b))) {
			return ""
		}
		return b.String()
	}
	var hosts []string
	for i := range int(v.FieldByName("Count").Uint()) {
		hosts = append(hosts, named(d.names.Hosts, uint32(v.FieldByName("Host").Index(i).Uint())))
	}
	return strings.Join(hosts, " ")
}

// number tells a number by what it counts. Zero is left out, but for hosts:
// host 0 is the host itself.
func (d decoding) number(name string, n uint64) {
	if name == "host" {
		d.set(name, named(d.names.Hosts, uint32(n)))
		return
	}
	if n == 0 {
		return
	}
	switch name {
	case "endpoint":
		d.set(name, named(d.names.Endpoints, uint32(n)))
	case "subnet":
		d.set(name, named(d.names.Subnets, uint32(n)))
	case "ifindex":
		d.set("port", named(d.names.Ports, uint32(n)))
	case "state":
		d.set(name, bpf.RowPathState(n).String())
	case "since":
		d.set(name, time.Duration(n).String())
	case "token", "seed", "checksum":
		d.set(name, fmt.Sprintf("%#x", n))
	case "tell", "bouncer", "divider", "self", "keep":
		d.set(name, "yes")
	default:
		d.set(name, fmt.Sprint(n))
	}
}
