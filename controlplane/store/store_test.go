// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/store"
)

const (
	host = "apiVersion: mizar.dev/v1alpha1\nkind: Host\nmetadata: {name: h1}\nspec: {addresses: [192.0.2.1]}\n"
	vpc  = "apiVersion: mizar.dev/v1alpha1\nkind: VPC\nmetadata: {name: red}\nspec: {vni: 7}\n"
)

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestADirectoryIsReadAsOneSet(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"vpcs.yml": vpc, "hosts.yaml": host,
		".hidden.yaml": "not: objects", "README.md": "not: objects",
	})
	g.Expect(os.Mkdir(filepath.Join(dir, "below.yaml"), 0o700)).To(Succeed())
	set, err := store.Directory{Path: dir}.Objects(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(set.Hosts).To(HaveLen(1))
	g.Expect(set.VPCs).To(HaveLen(1))
	g.Expect(set.VPCs[0].At).To(Equal(object.Position{File: filepath.Join(dir, "vpcs.yml"), Line: 1}))
}

func TestErrorsOfAllFilesAreToldWithTheirPlaces(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"a.yaml": strings.Replace(host, "192.0.2.1", "192.0.2.300", 1),
		"b.yaml": strings.Replace(vpc, "7", "seven", 1),
	})
	_, err := store.Load(dir, filepath.Join(dir, "missing"))
	g.Expect(err).To(MatchError(And(
		ContainSubstring(dir+`/a.yaml:4: spec.addresses[0]: got "192.0.2.300"`),
		ContainSubstring(dir+`/b.yaml:4: spec.vni: got "seven"`),
		ContainSubstring("missing: no such file or directory"),
	)))
}

func TestDuplicatesAcrossFilesAreFound(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.yaml": vpc, "b.yaml": vpc})
	_, err := store.Load(dir)
	g.Expect(err).To(MatchError(ContainSubstring(dir + "/b.yaml:3: VPC/red: metadata.name: got a name that is taken (at " + dir + "/a.yaml:1)")))
}

// held is a source that holds what it was given last.
type held struct{ atomic.Pointer[store.Update] }

func (h *held) Objects(context.Context) (object.Set, error) {
	now := h.Load()
	return now.Objects, now.Err
}

func TestWatchTellsOnlyWhatIsNew(t *testing.T) {
	g := NewWithT(t)
	source, bad := &held{}, errors.New("not valid")
	one := object.Set{Hosts: []object.Host{{Meta: object.Meta{Name: "h1"}}}}
	source.Store(&store.Update{Objects: one})
	ticks, told, ended := make(chan time.Time), make(chan store.Update, 10), make(chan error, 1)
	go func() {
		ended <- store.Watch(t.Context(), source, ticks, func(u store.Update) { told <- u })
	}()
	// A tick is taken only when the one before it has been worked off.
	tick := func() { ticks <- time.Time{}; ticks <- time.Time{} }

	g.Expect((<-told).Objects).To(Equal(one))
	tick()
	g.Expect(told).To(BeEmpty(), "nothing has changed")

	source.Store(&store.Update{})
	tick()
	g.Expect(<-told).To(Equal(store.Update{}))

	source.Store(&store.Update{Err: bad})
	tick()
	g.Expect((<-told).Err).To(MatchError(bad))
	g.Expect(told).To(BeEmpty(), "the same error is told once")

	close(ticks)
	g.Expect(<-ended).NotTo(HaveOccurred())
}

func TestWatchEndsWithItsContext(t *testing.T) {
	g := NewWithT(t)
	stop := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	err := store.Watch(ctx, store.Directory{Path: t.TempDir()}, nil, func(store.Update) { t.Error("told something") })
	g.Expect(err).To(MatchError(stop))
}
