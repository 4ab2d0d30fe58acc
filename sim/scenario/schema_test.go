// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/mizar-net/mizar/sim/scenario"
)

// schema is the schema as its text and compiled.
func schema(t *testing.T) (map[string]any, *jsonschema.Schema) {
	t.Helper()
	g := NewWithT(t)
	b, err := scenario.Schema()
	g.Expect(err).NotTo(HaveOccurred())
	var text map[string]any
	g.Expect(json.Unmarshal(b, &text)).To(Succeed())
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	g.Expect(err).NotTo(HaveOccurred())
	c := jsonschema.NewCompiler()
	g.Expect(c.AddResource("scenario.json", document)).To(Succeed())
	compiled, err := c.Compile("scenario.json")
	g.Expect(err).NotTo(HaveOccurred())
	return text, compiled
}

// instance is a YAML file as a schema sees it.
func instance(t *testing.T, file string) (any, error) {
	t.Helper()
	b, err := os.ReadFile(file)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	var v any
	if err := yaml.Unmarshal(b, &v); err != nil {
		return nil, err
	}
	if b, err = json.Marshal(v); err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(b))
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	all, err := filepath.Glob(pattern)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(all).NotTo(BeEmpty())
	return all
}

func TestGoodScenariosAreValid(t *testing.T) {
	_, compiled := schema(t)
	for _, file := range append(files(t, "testdata/good/*.yaml"), files(t, "../scenarios/*.yaml")...) {
		if _, err := scenario.LoadFile(file); err != nil {
			continue // objects that scenarios name
		}
		v, err := instance(t, file)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		NewWithT(t).Expect(compiled.Validate(v)).To(Succeed(), file)
	}
}

// What the decoder refuses for its form, the schema refuses too.
func TestSchemaRefusesWrongForms(t *testing.T) {
	_, compiled := schema(t)
	form := []string{"an unknown field", "want a whole number", "want a list", "want a mapping", "want a duration", "got nothing; want", "nothing to do"}
	for _, file := range files(t, "testdata/bad/*.yaml") {
		told, err := os.ReadFile(strings.TrimSuffix(file, ".yaml") + ".txt")
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		if !slices.ContainsFunc(form, func(s string) bool { return strings.Contains(string(told), s) }) {
			continue
		}
		v, err := instance(t, file)
		if err != nil {
			continue // no YAML
		}
		NewWithT(t).Expect(compiled.Validate(v)).NotTo(Succeed(), file)
	}
}

// Every key that the decoder knows says what may stand there: the specimens reach
// all of it.
func TestSpecimensReachEveryKey(t *testing.T) {
	text, _ := schema(t)
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if any, ok := v["anyOf"].([]any); ok && len(any) == 0 {
				t.Errorf("%s: nothing is known of it", path)
			}
			for key, value := range v {
				walk(path+"."+key, value)
			}
		case []any:
			for i, value := range v {
				walk(fmt.Sprintf("%s[%d]", path, i), value)
			}
		}
	}
	walk("", text)
}

// The keys of the schema and those of the decoder are the same: a mapping with
// every key of the schema has none that the decoder does not know, and one more
// is unknown to both.
func TestDecoderKnowsTheKeysOfTheSchema(t *testing.T) {
	text, _ := schema(t)
	top := text["properties"].(map[string]any)
	step := top["steps"].(map[string]any)["items"].(map[string]any)["properties"].(map[string]any)
	places := map[string]map[string]any{"": top, "topology": object(top["topology"]), "steps": step}
	for kind := range step {
		if keys := object(step[kind]); keys != nil {
			places[kind] = keys
		}
	}
	NewWithT(t).Expect(places).To(HaveLen(23))
	for place, keys := range places {
		names := []string{}
		for name := range keys {
			names = append(names, name+": 0")
		}
		mapping := "{" + strings.Join(append(names, "surely-unknown: 0"), ", ") + "}"
		yaml := map[string]string{"": mapping, "topology": "topology: " + mapping}[place]
		if yaml == "" {
			item := "{" + place + ": " + mapping + "}"
			switch place {
			case "steps":
				item = mapping
			case "expect":
				item = "{probe: {proto: icmp, from: a, to: a}, expect: " + mapping + "}"
			case "send":
				item = "{send: " + mapping + ", expect: {verdict: drop}}"
			}
			yaml = "title: t\ntopology: {hosts: {h: {addresses: [192.0.2.1]}}, vpcs: {v: {vni: 1}}, subnets: {s: {vpc: v, cidrs: [10.0.0.0/24]}}," +
				"\n  endpoints: {a: {subnet: s, host: h, addresses: [10.0.0.2]}}}\nsteps: [" + item + "]\n"
		}
		_, err := scenario.Decode(os.DirFS("."), "x.yaml", []byte(yaml))
		NewWithT(t).Expect(err).To(HaveOccurred())
		NewWithT(t).Expect(strings.Count(err.Error(), "an unknown field")).To(Equal(1), "%s: %v", place, err)
		NewWithT(t).Expect(err.Error()).To(ContainSubstring("surely-unknown"))
	}
}

// object are the properties of a schema, whichever alternative has them.
func object(s any) map[string]any {
	m, _ := s.(map[string]any)
	if p, ok := m["properties"].(map[string]any); ok {
		return p
	}
	return nil
}
