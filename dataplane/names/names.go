// SPDX-License-Identifier: Apache-2.0

// Package names keeps what the numbers in a host's rows stand for where others
// find it: rows have numbers, and the maps outlive the process that gave them.
//
//	Datapath.Names ──► Write ──► /run/mizar/names/ID.json ──► Read ──► mizar get
//	                             /run/mizar/names/NETWORK/ID.json of a simulated one
//
// A file belongs to the datapath whose map of flows has the ID in the kernel. IDs
// are not given twice while a machine runs, and /run is empty after it was
// started, so a file never speaks of another datapath's rows.
package names

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/dataplane/state"
)

// Dir is where files are on a machine.
const Dir = "/run/mizar/names"

// Names say what the numbers in one host's rows stand for. Numbers that are not in
// them are nobody's, or have become somebody's since.
type Names struct {
	// Network is that of a simulated network with a name; "" on a machine that is
	// a host itself.
	Network string `json:"network,omitempty"`
	// Host is the name of the host.
	Host string `json:"host"`
	// VPCs are named by their VNI.
	VPCs map[uint32]string `json:"vpcs,omitempty"`
	// Hosts and Endpoints are numbered by the host itself, which is host 0.
	Hosts     map[uint32]string `json:"hosts,omitempty"`
	Endpoints map[uint32]string `json:"endpoints,omitempty"`
	// Sets and Rules are those of policy, as the host's state names them.
	Sets  map[uint32]string `json:"sets,omitempty"`
	Rules map[uint32]string `json:"rules,omitempty"`
}

// Of returns the names of the rows that a state was encoded to.
func Of(s state.Host, i encode.Index) Names {
	n := Names{
		Host: s.Name, VPCs: map[uint32]string{}, Hosts: turned(i.Hosts), Endpoints: turned(i.Endpoints),
		Sets: map[uint32]string{}, Rules: turned(i.Rules),
	}
	n.Hosts[0] = s.Name
	for _, v := range s.VPCs {
		n.VPCs[v.VNI] = v.Name
	}
	for key, number := range i.Sets {
		n.Sets[number] = encode.SetName(key)
	}
	return n
}

// turned is a map turned around.
func turned(numbers map[string]uint32) map[uint32]string {
	by := make(map[uint32]string, len(numbers))
	for name, number := range numbers {
		by[number] = name
	}
	return by
}

// Write leaves names for a datapath, by the ID of its map of flows. Whoever reads
// meanwhile finds those of before, or these.
func Write(dir string, id uint32, n Names) error {
	if err := write(filepath.Join(dir, n.Network), id, n); err != nil {
		return fmt.Errorf("leave the names of host %s in %s: %w", n.Host, dir, err)
	}
	return nil
}

func write(dir string, id uint32, n Names) error {
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	draft := filepath.Join(dir, fmt.Sprintf(".%d.draft", id))
	if err := os.WriteFile(draft, text, 0o644); err != nil {
		return err
	}
	return os.Rename(draft, filepath.Join(dir, file(id)))
}

func file(id uint32) string { return fmt.Sprintf("%d.json", id) }

// Read returns the names that were left for a datapath, none where nobody left any.
func Read(dir string, id uint32) (Names, error) {
	networks, err := Networks(dir)
	if err != nil {
		return Names{}, err
	}
	for _, network := range append(networks, "") {
		n, err := read(filepath.Join(dir, network, file(id)))
		if !errors.Is(err, fs.ErrNotExist) {
			return n, err
		}
	}
	return Names{}, nil
}

func read(path string) (Names, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Names{}, fmt.Errorf("read names: %w", err)
	}
	var n Names
	if err := json.Unmarshal(text, &n); err != nil {
		return Names{}, fmt.Errorf("read names: %s is not what Mizar wrote: %w; remove it", path, err)
	}
	return n, nil
}

// Remove takes away what was left for a datapath of a host that is a machine.
func Remove(dir string, id uint32) error {
	err := os.Remove(filepath.Join(dir, file(id)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove names: %w", err)
	}
	return nil
}

// Networks returns the simulated networks that names were left for, sorted.
func Networks(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list the networks that have names: %w", err)
	}
	var all []string
	for _, e := range entries {
		if e.IsDir() {
			all = append(all, e.Name())
		}
	}
	return all, nil
}

// RemoveNetwork takes away what was left for the hosts of a simulated network.
func RemoveNetwork(dir, network string) error {
	if network == "" {
		return errors.New("remove the names of a network: which one?")
	}
	if err := os.RemoveAll(filepath.Join(dir, network)); err != nil {
		return fmt.Errorf("remove the names of network %s: %w", network, err)
	}
	return nil
}
