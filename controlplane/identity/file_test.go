// SPDX-License-Identifier: Apache-2.0

package identity_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/identity"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/store"
)

// Agents that share a directory and see endpoints in different orders, at the same
// time, give every endpoint the same number.
func TestAgentsShareADirectory(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	const agents, endpoints = 6, 30
	books := make([][]identity.Book, agents)
	var wait sync.WaitGroup
	for agent := range agents {
		wait.Go(func() {
			var names []string
			for n := range endpoints {
				names = append(names, fmt.Sprintf("a/e%d app=%d", (n*7+agent*11)%endpoints, (n*7+agent*11)%endpoints))
				d := network(names...)
				d.Policies = []object.NetworkPolicy{looking("p", "pod:app")}
				set, err := object.New(d)
				if err == nil {
					var book identity.Book
					book, err = identity.File{Directory: dir}.Step(set, start)
					books[agent] = append(books[agent], book)
				}
				if err != nil {
					t.Errorf("agent %d: %v", agent, err)
				}
			}
		})
	}
	wait.Wait()
	numbers, owners := map[string]uint32{}, map[uint32]string{}
	for _, steps := range books {
		for _, book := range steps {
			for key, number := range book.Numbers {
				if numbers[key] == 0 {
					g.Expect(owners).NotTo(HaveKey(number), "the number of two endpoints")
					numbers[key], owners[number] = number, key
				}
				g.Expect(number).To(Equal(numbers[key]), key)
			}
		}
	}
	g.Expect(numbers).To(HaveLen(endpoints))
	_, err := store.Load(dir)
	g.Expect(err).NotTo(HaveOccurred(), "the file is none of the objects")
}

// An agent that does not see yet what another sees takes nothing away from it.
func TestAgentsThatSeeDifferentPoliciesAgree(t *testing.T) {
	g := NewWithT(t)
	file := identity.File{Directory: t.TempDir()}
	d := network("a/1 app=web", "a/2 app=db")
	old := valid(t, d)
	d.Policies = []object.NetworkPolicy{looking("p", "pod:app")}
	now := valid(t, d)
	_, err := file.Step(old, start)
	g.Expect(err).NotTo(HaveOccurred())
	ahead, err := file.Step(now, start)
	g.Expect(err).NotTo(HaveOccurred())
	behind, err := file.Step(old, start)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(behind.Numbers).To(Equal(ahead.Numbers))
	again, err := file.Step(now, start)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again.Numbers).To(Equal(ahead.Numbers))
}

func TestAFileThatCannotBeReadIsLeftAlone(t *testing.T) {
	for _, text := range []string{"", "{", `{"identities":[{"number":3}]}`, `{"scopes":[[]],"identities":[{"number":30},{"number":30}]}`, `{"identities":[{"number":30,"scope":1}]}`} {
		g := NewWithT(t)
		dir := t.TempDir()
		name := filepath.Join(dir, identity.FileName)
		g.Expect(os.WriteFile(name, []byte(text), 0o600)).To(Succeed())
		_, err := identity.File{Directory: dir}.Step(valid(t, network("a/1")), start)
		g.Expect(err).To(MatchError(ContainSubstring(name)), text)
		kept, err := os.ReadFile(name)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(kept)).To(Equal(text))
	}
	_, err := identity.File{Directory: filepath.Join(t.TempDir(), "nowhere")}.Step(object.Set{}, start)
	NewWithT(t).Expect(errors.Is(err, os.ErrNotExist)).To(BeTrue())
}
