// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

const module = "github.com/mizar-net/mizar"

// rule says what the packages of one pattern may import beyond the standard
// library: patterns of this module's packages (relative to its root), and
// modules of others by prefix.
type rule struct {
	// packages is a path relative to the root ("bpf"), or a tree ("sim/...").
	packages string
	ours     []string
	others   []string
	why      string
}

// rules are met from the top; the first whose pattern matches a package holds.
// A package that none matches is an error: think where it belongs, then list it.
var rules = []rule{
	{".", []string{"dataplane/...", "controlplane/...", "topology/...", "sim/cmd", "bench/cmd"},
		[]string{"github.com/spf13/cobra"},
		"main.go only puts the commands of the rooms together"},
	{"bpf", nil, []string{"github.com/cilium/ebpf"},
		"the objects and generated types are the lowest layer"},
	{"dataplane/state", nil, nil,
		"a state is plain values: it is the border between the control plane and the dataplane"},
	{"dataplane/...", []string{"dataplane/...", "bpf"},
		[]string{"github.com/cilium/ebpf", "github.com/vishvananda/netlink", "golang.org/x/sys", "github.com/spf13/cobra"},
		"a host holds the state it is told; it knows neither objects nor the simulator"},
	{"controlplane/...", []string{"controlplane/...", "dataplane/state"},
		[]string{"go.yaml.in/yaml/v3", "k8s.io/api", "k8s.io/apimachinery", "github.com/spf13/cobra"},
		"what hosts must hold is decided from objects alone, without maps or devices, so that the simulator runs the same code"},
	{"topology/netns", []string{"topology", "dataplane/state"},
		[]string{"github.com/cilium/ebpf", "github.com/vishvananda/netlink", "github.com/vishvananda/netns", "github.com/safchain/ethtool", "golang.org/x/sys"},
		"it builds devices and namespaces and attaches the programs that it is handed, whatever they are"},
	{"topology", []string{"dataplane/state"}, nil,
		"a topology is plain values"},
	{"sim/...", []string{"sim/...", "controlplane/...", "dataplane/...", "topology/...", "bpf"},
		[]string{"github.com/cilium/ebpf", "github.com/google/gopacket", "github.com/gopacket/gopacket", "github.com/google/go-cmp", "github.com/spf13/cobra",
			"github.com/vishvananda/netlink", "github.com/vishvananda/netns", "go.yaml.in/yaml/v3", "golang.org/x/sys", "golang.org/x/term",
			"k8s.io/api", "k8s.io/apimachinery"},
		"the simulator stands on all rooms; nothing but its commands is seen from outside"},
	{"bench/...", []string{"bench/...", "sim/...", "controlplane/...", "dataplane/...", "topology/...", "bpf"},
		[]string{"github.com/cilium/ebpf", "github.com/spf13/cobra", "github.com/vishvananda/netlink", "github.com/safchain/ethtool", "golang.org/x/sys", "golang.org/x/term"},
		"measurements may use every room"},
	{"e2e", []string{"..."}, []string{"github.com/cilium/ebpf"},
		"the specs may use every room; nothing imports them"},
	{"e2e/...", []string{"..."}, []string{"github.com/cilium/ebpf", "github.com/vishvananda/netlink", "golang.org/x/sys"},
		"what the specs are helped by, and a program that they run in a virtual machine, which makes devices there"},
}

// testers may be imported by every test.
var testers = []string{
	"github.com/onsi/gomega", "github.com/onsi/ginkgo/v2", "github.com/google/go-cmp",
	"pgregory.net/rapid", "github.com/google/gopacket", "golang.org/x/sys",
	"github.com/cilium/ebpf",                   // programs of a few instructions
	"github.com/vishvananda/netns",             // a place for their devices
	"github.com/vishvananda/netlink",           // and what the kernel says of those
	"github.com/santhosh-tekuri/jsonschema/v6", // editors' reading of the scenario schema
}

func TestImportsOnlyGoDown(t *testing.T) {
	g := NewWithT(t)
	found, err := importsUnder("..")
	g.Expect(err).NotTo(HaveOccurred())
	_, walked := found["main.go"]
	g.Expect(walked).To(BeTrue(), "the walk starts at the root of the module and finds main.go")

	for _, file := range slices.Sorted(maps.Keys(found)) {
		for _, imported := range found[file] {
			if complaint := judge(file, imported); complaint != "" {
				t.Errorf("%s imports %s: %s", file, imported, complaint)
			}
		}
	}
}

// TestImportsAreRefused proves that the rules can fail: each import here breaks one.
func TestImportsAreRefused(t *testing.T) {
	for _, planted := range []struct{ file, imported string }{
		{"controlplane/compile/compile.go", module + "/bpf"},
		{"controlplane/compile/compile.go", module + "/dataplane/encode"},
		{"controlplane/compile/compile.go", "github.com/vishvananda/netlink"},
		{"controlplane/compile/compile_test.go", module + "/bpf"},
		{"dataplane/state/state.go", "github.com/google/go-cmp/cmp"},
		{"dataplane/encode/encode.go", module + "/sim/wire"},
		{"dataplane/encode/encode.go", module + "/controlplane/object"},
		{"topology/netns/build.go", module + "/sim/frame"},
		{"sim/run/run.go", module + "/e2e"},
		{"sim/run/run.go", module + "/e2e/build"},
		{"bpf/gen.go", module + "/dataplane/state"},
		{"main.go", module + "/sim/run"},
		{"util/util.go", module + "/bpf"},
		{"sim/run/run.go", "example.org/unlisted"},
	} {
		NewWithT(t).Expect(judge(planted.file, planted.imported)).NotTo(BeEmpty(),
			"%s may not import %s", planted.file, planted.imported)
	}
	NewWithT(t).Expect(judge("controlplane/compile/compile.go", module+"/dataplane/state")).To(BeEmpty())
	NewWithT(t).Expect(judge("dataplane/table/plan_test.go", "pgregory.net/rapid")).To(BeEmpty())
}

// judge says why file may not import a package, or nothing when it may.
func judge(file, imported string) string {
	if !strings.Contains(strings.Split(imported, "/")[0], ".") {
		return "" // the standard library
	}
	from := path.Dir(file)
	at := slices.IndexFunc(rules, func(r rule) bool { return matches(r.packages, from) })
	if at < 0 {
		return fmt.Sprintf("no rule for package %s in e2e/imports_test.go; say there what it may import, and why", from)
	}
	if ours, ok := strings.CutPrefix(imported, module+"/"); ok {
		return rules[at].judgeOurs(from, ours, strings.HasSuffix(file, "_test.go"))
	}
	allowed := rules[at].others
	if strings.HasSuffix(file, "_test.go") {
		allowed = slices.Concat(allowed, testers)
	}
	if slices.ContainsFunc(allowed, func(m string) bool { return imported == m || strings.HasPrefix(imported, m+"/") }) {
		return ""
	}
	return fmt.Sprintf("the rule for %s does not list that module; %s", rules[at].packages, rules[at].why)
}

func (r rule) judgeOurs(from, imported string, test bool) string {
	switch {
	case matches("e2e/...", imported) && !matches("e2e/...", from):
		return "nothing but the specs imports what is theirs"
	case test && imported == from: // an external test of the package itself
		return ""
	case test && imported == "sim/frame" && !matches("controlplane/...", from):
		return "" // frames by their fields are of use in any test of packets
	case slices.ContainsFunc(r.ours, func(p string) bool { return matches(p, imported) }):
		return ""
	}
	return fmt.Sprintf("the rule for %s allows %v; %s", r.packages, r.ours, r.why)
}

// matches says whether pattern ("a/b", or "a/..." for a and all below) covers a package.
func matches(pattern, pkg string) bool {
	tree, ok := strings.CutSuffix(pattern, "...")
	if !ok {
		return pattern == pkg
	}
	return pkg+"/" == tree || strings.HasPrefix(pkg, tree)
}

// importsUnder reads the imports of all Go files below a folder, tests included, by file.
func importsUnder(root string) (map[string][]string, error) {
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && name != root && (entry.Name() == "testdata" || strings.HasPrefix(entry.Name(), ".")) {
			return filepath.SkipDir
		}
		if entry.IsDir() || filepath.Ext(name) != ".go" {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return fmt.Errorf("read imports: %w", err)
		}
		relative, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		found[filepath.ToSlash(relative)] = []string{}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			found[filepath.ToSlash(relative)] = append(found[filepath.ToSlash(relative)], imported)
		}
		return nil
	})
	return found, err
}
