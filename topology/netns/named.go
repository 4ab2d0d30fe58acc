// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/vishvananda/netns"
)

// Named machine rooms have one file for each namespace:
//
//	/run/netns/mizar-NAME-fabric
//	/run/netns/mizar-NAME-router:r1
//	/run/netns/mizar-NAME-host:h1
//	/run/netns/mizar-NAME-endpoint:default.a1
//
// and a folder of pins, see [Net.Pins]:
//
//	/run/mizar/rooms/NAME/h1
const filePrefix = "mizar-"

// Kind is what a namespace is.
type Kind string

// The kinds of namespaces.
const (
	Fabric   Kind = "fabric"
	Router   Kind = "router"
	Host     Kind = "host"
	Endpoint Kind = "endpoint"
)

var (
	nameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$`)
	fileForm = regexp.MustCompile(`^mizar-([a-z0-9.-]+)-(?:(fabric)|(router|host|endpoint):(.+))$`)
)

// State is what has become of a named machine room.
type State string

// The states of a named machine room.
const (
	// Up is complete, and stays.
	Up State = "up"
	// Building is being built or removed by a process that lives.
	Building State = "building"
	// Half is what a killed process has left; [Down] removes it.
	Half State = "half-built"
)

// Named is a machine room under /run/netns.
type Named struct {
	Name  string
	State State
	// Routers, Hosts and Endpoints are their names, sorted.
	Routers, Hosts, Endpoints []string
}

// checkName says what is wrong with a machine room's name.
func checkName(name string) error {
	if !nameForm.MatchString(name) {
		return fmt.Errorf("%q can't name a machine room: use up to 63 of a-z, 0-9, '.' and '-', neither '.' nor '-' at an end", name)
	}
	return nil
}

// fileOf is where a namespace of a named machine room is; "" if it has no name.
func fileOf(name string, kind Kind, who string) string {
	if name == "" {
		return ""
	}
	file := filePrefix + name + "-" + string(kind)
	if who != "" {
		// A namespace of Kubernetes has no dot, so the first one stands for
		// the slash.
		file += ":" + strings.Replace(who, "/", ".", 1)
	}
	return filepath.Join(runDir, file)
}

// List finds all named machine rooms of this machine, sorted, also what is left
// of one whose builder was killed.
func List() ([]Named, error) {
	files, err := os.ReadDir(runDir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list named namespaces: %w", err)
	}
	rooms := map[string]*Named{}
	for _, f := range files {
		m := fileForm.FindStringSubmatch(f.Name())
		if m == nil {
			continue
		}
		room, ok := rooms[m[1]]
		if !ok {
			room = &Named{Name: m[1]}
			rooms[m[1]] = room
		}
		switch Kind(m[3]) {
		case Router:
			room.Routers = append(room.Routers, m[4])
		case Host:
			room.Hosts = append(room.Hosts, m[4])
		case Endpoint:
			room.Endpoints = append(room.Endpoints, strings.Replace(m[4], ".", "/", 1))
		}
	}
	var all []Named
	for _, r := range rooms {
		if r.State, err = stateOf(r.Name); err != nil {
			return nil, err
		}
		slices.Sort(r.Routers)
		slices.Sort(r.Hosts)
		slices.Sort(r.Endpoints)
		all = append(all, *r)
	}
	slices.SortFunc(all, func(a, b Named) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// find returns the named machine room.
func find(name string) (Named, error) {
	all, err := List()
	if err != nil {
		return Named{}, err
	}
	var have []string
	for _, r := range all {
		if r.Name == name {
			return r, nil
		}
		have = append(have, r.Name)
	}
	return Named{}, fmt.Errorf("machine room %q is not up; up are %v", name, have)
}

// Down removes a named machine room, whatever is left of it. The kernel keeps
// a namespace for as long as processes are inside. A Down that is killed leaves
// something half-built, for the next.
func Down(name string) error {
	room, err := find(name)
	if err != nil {
		return err
	}
	c, err := takeClaim(name)
	if err != nil {
		return fmt.Errorf("take machine room %s down: %w", name, err)
	}
	var errs []error
	for _, e := range room.Endpoints {
		errs = append(errs, unpin(fileOf(name, Endpoint, e)))
	}
	for _, h := range room.Hosts {
		errs = append(errs, unpin(fileOf(name, Host, h)))
	}
	for _, r := range room.Routers {
		errs = append(errs, unpin(fileOf(name, Router, r)))
	}
	if err := errors.Join(append(errs, unpin(pinsOf(name)), c.end())...); err != nil {
		return fmt.Errorf("take machine room %s down: %w", name, err)
	}
	return nil
}

// Enter runs f on a thread inside a namespace of a named machine room. who is a
// host, a router, an endpoint ("default/" may be left out), or "fabric"; of a name
// that several have, the first of these. A host's own endpoint is the host.
func Enter(name, who string, f func() error) error {
	room, err := find(name)
	if err != nil {
		return err
	}
	if room.State != Up {
		return fmt.Errorf("machine room %s is %s and not up; only one that is up can be entered", name, room.State)
	}
	file, err := room.file(who)
	if err != nil {
		return err
	}
	ns, err := netns.GetFromPath(file)
	if err != nil {
		return fmt.Errorf("open namespace %s: %w", file, err)
	}
	defer ns.Close()
	return in(ns, f)
}

// file is where somebody's namespace is.
func (r Named) file(who string) (string, error) {
	switch {
	case who == string(Fabric):
		return fileOf(r.Name, Fabric, ""), nil
	case slices.Contains(r.Hosts, who):
		return fileOf(r.Name, Host, who), nil
	case slices.Contains(r.Routers, who):
		return fileOf(r.Name, Router, who), nil
	case slices.Contains(r.Endpoints, who):
		return fileOf(r.Name, Endpoint, who), nil
	case slices.Contains(r.Endpoints, "default/"+who):
		return fileOf(r.Name, Endpoint, "default/"+who), nil
	}
	return "", fmt.Errorf("machine room %s has no %q; it has hosts %v, routers %v and endpoints %v", r.Name, who, r.Hosts, r.Routers, r.Endpoints)
}
