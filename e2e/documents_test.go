// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// documents are those whose commands a reader may type.
var documents = []string{"README.md", "CONTRIBUTING.md", "deploy/README.md", "bench/README.md"}

// Commands in documents are real: mizar's parse with all their flags, make's are
// targets, go's name packages that are there.
func TestDocumentsShowCommandsThatExist(t *testing.T) {
	seen := 0
	for _, document := range documents {
		text, err := os.ReadFile(filepath.Join("..", document))
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		for number, command := range commands(string(text)) {
			seen++
			if err := checkCommand(command); err != nil {
				t.Errorf("%s, command %d, %q: %v", document, number+1, command, err)
			}
		}
	}
	NewWithT(t).Expect(seen).To(BeNumerically(">", 10))
}

// TestDocumentsCanFail plants commands that are not real.
func TestDocumentsCanFail(t *testing.T) {
	for _, planted := range []string{
		"mizar sim walk tour", "mizar conformance --row A1", "make tests", "go test ./nowhere", "rm -rf out", "mizar sim run tour --wires both",
	} {
		NewWithT(t).Expect(checkCommand(planted)).NotTo(Succeed(), planted)
	}
}

func TestDocumentsLinkToFilesThatExist(t *testing.T) {
	links := regexp.MustCompile(`\]\(([^)#:]+)\)`)
	for _, document := range documents {
		text, err := os.ReadFile(filepath.Join("..", document))
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		for _, link := range links.FindAllStringSubmatch(string(text), -1) {
			NewWithT(t).Expect(filepath.Join("..", filepath.Dir(document), link[1])).To(
				Or(BeARegularFile(), BeADirectory()), "%s links to %s", document, link[1])
		}
	}
}

// TestDecisionRecordsAreListed keeps the index of CONTRIBUTING complete.
func TestDecisionRecordsAreListed(t *testing.T) {
	g := NewWithT(t)
	index, err := os.ReadFile("../CONTRIBUTING.md")
	g.Expect(err).NotTo(HaveOccurred())
	records, err := filepath.Glob("../*/adr/*.md")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(records).NotTo(BeEmpty())
	for _, record := range records {
		if name := strings.TrimPrefix(record, "../"); !strings.Contains(string(index), "("+name+")") {
			t.Errorf("the index of decision records in CONTRIBUTING.md lacks %s", name)
		}
	}
}

// commands are the lines of all blocks of a document that are marked sh, without
// comments.
func commands(document string) []string {
	var found []string
	inside := false
	for line := range strings.Lines(document) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```sh"
		case inside:
			line, _, _ = strings.Cut(line+" ", " # ")
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				found = append(found, line)
			}
		}
	}
	return found
}

func checkCommand(command string) error {
	words := strings.Fields(strings.TrimPrefix(command, "sudo -E env PATH=$PATH "))
	switch words[0] {
	case "mizar":
		return checkMizar(words[1:])
	case "make":
		return checkMake(words[1:])
	case "go":
		return checkGo(words[1:])
	}
	return fmt.Errorf("documents show mizar, make and go; got %s", words[0])
}

// checkMizar lets the program read the words, and asks for help instead of the
// deed. A command without the arguments that it needs says so in its usage.
func checkMizar(words []string) error {
	at := slices.Index(words, "--")
	if at < 0 {
		at = len(words)
	}
	said, err := exec.Command(mizar(), slices.Insert(slices.Clone(words), at, "--help")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, said)
	}
	if at > 1 && !strings.Contains(string(said), "mizar "+words[0]) {
		return fmt.Errorf("mizar has no command %s", words[0])
	}
	if words[0] == "sim" && !strings.Contains(string(said), "mizar sim "+words[1]) {
		return fmt.Errorf("mizar sim has no command %s", words[1])
	}
	return nil
}

func checkMake(words []string) error {
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		return err
	}
	for _, word := range words {
		if strings.Contains(word, "=") {
			continue
		}
		if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(word) + `:.*## `).Match(makefile) {
			return fmt.Errorf("the Makefile has no target %s with a line of help", word)
		}
	}
	return nil
}

func checkGo(words []string) error {
	for _, word := range words {
		if !strings.HasPrefix(word, "./") {
			continue
		}
		if _, err := os.Stat(filepath.Join("..", strings.TrimSuffix(word, "/..."))); err != nil {
			return fmt.Errorf("no such package: %w", err)
		}
	}
	return nil
}
