// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/encode"
	"github.com/mizar-net/mizar/dataplane/kernel"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
)

// liar is a host of ours that bounces nothing.
var liar = netip.MustParseAddr("192.0.2.2")

// asker loads a host whose endpoint has asked the bouncer at peer for far4, and
// returns the token of the question.
func asker(t *testing.T) (*dataplane.Datapath, uint32) {
	t.Helper()
	d, err := dataplane.Load(dataplane.Options{Mode: dataplane.Simulated, TokenSecret: 7})
	if err != nil {
		t.Fatalf("load the programs (this needs root): %v", err)
	}
	t.Cleanup(func() { d.Close() })
	host, local := reasonsHost()
	host.Directory = nil
	host.Peers = append(host.Peers, state.Peer{Name: "h2", Addresses: []netip.Addr{liar}})
	local.NextHops[liar] = state.MAC{2, 1, 1, 1, 1, 2}
	for i := range host.Subnets {
		host.Subnets[i].Bouncer, host.Subnets[i].Bouncers = state.NoBouncer, []string{"h1"}
	}
	if _, err := d.Apply(host, local); err != nil {
		t.Fatal(err)
	}
	if err := d.SetNow(time.Minute); err != nil {
		t.Fatal(err)
	}
	out := through(t, d, portOfRed, sent(nil))
	if out.Options.Return == nil {
		t.Fatalf("the first packet asks for nothing: %s", out)
	}
	return d, out.Options.Return.Token
}

// through runs a frame and decodes what comes out.
func through(t *testing.T, d *dataplane.Datapath, port uint32, s frame.Spec) frame.Packet {
	t.Helper()
	f, err := frame.Build(s)
	if err != nil {
		t.Fatal(err)
	}
	p := d.Endpoint()
	if port == uplinkPort {
		p = d.Uplink()
	}
	r, err := (kernel.System{}).Run(p, f, kernel.RunOptions{Port: port})
	if err != nil {
		t.Fatal(err)
	}
	out, err := frame.Decode(r.Frame)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// whereIsFar is the state of the path to far4.
func whereIsFar(t *testing.T, d *dataplane.Datapath) bpf.RowPathState {
	t.Helper()
	paths, err := d.Paths()
	if err != nil {
		t.Fatal(err)
	}
	return bpf.RowPathState(paths[encode.Addr(100, far4)].State)
}

// TestOnlyTheAnswerToTheQuestionIsLearned: an answer or a packet sent back counts
// with the question's token alone, an answer only from the host that it names.
func TestOnlyTheAnswerToTheQuestionIsLearned(t *testing.T) {
	answer := func(from, names netip.Addr, flags uint8) func(uint32) frame.Spec {
		return func(token uint32) frame.Spec {
			return tunnelled(func(_ *frame.Spec, u *frame.Tunnel) {
				u.Src = from
				u.Options.Return = &frame.Return{Flags: flags, Limit: 4, Token: token, Host: names}
			})
		}
	}
	back := func(token uint32) frame.Spec {
		return tunnelled(func(s *frame.Spec, u *frame.Tunnel) {
			s.Src, s.Dst = own4, far4
			u.Options.SendBack = &frame.SendBack{Token: token, Host: liar}
		})
	}
	asked, learned := bpf.RowPathStatePATH_ASKED, bpf.RowPathStatePATH_LEARNED
	for _, c := range []struct {
		name  string
		forge func(token uint32) frame.Spec
		off   uint32 // added to the token
		want  bpf.RowPathState
	}{
		{"the answer", answer(liar, liar, frame.ReturnAnswer), 0, learned},
		{"an answer with another token", answer(liar, liar, frame.ReturnAnswer), 1, asked},
		{"an answer in the name of another host", answer(liar, peer, frame.ReturnAnswer), 0, asked},
		{"an answer that names a stranger", answer(liar, stranger, frame.ReturnAnswer), 0, asked},
		{"a claim that nobody vouches for", answer(liar, liar, 0), 0, asked},
		{"a claim that a bouncer relays", answer(peer, liar, 0), 0, learned},
		{"the packet sent back", back, 0, learned},
		{"a packet sent back with another token", back, 1, asked},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, token := asker(t)
			through(t, d, uplinkPort, c.forge(token+c.off))
			if got := whereIsFar(t, d); got != c.want {
				t.Errorf("the path is %s, want %s", got, c.want)
			}
		})
	}
}
