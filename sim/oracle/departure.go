// SPDX-License-Identifier: Apache-2.0

package oracle

import "github.com/mizar-net/mizar/controlplane/object"

// departure is how the fragments of one packet leave their host, all of them as the
// one did that came first. It is zero until that one has left.
type departure struct {
	next string
	opt  option
	// pending says that they are judged when they come back.
	pending bool
	// dst is what was known of the destination.
	dst end
}

// lead makes the other fragments of a packet leave as this one does.
func (w *walk) lead(d departure) {
	if w.whole == nil || w.decided {
		return
	}
	d.dst.hearsay = false // it was good enough for this one
	*w.whole = d
}

// follow sends a fragment where an earlier one of its packet went, whatever was
// learned since.
func (o *Oracle) follow(w *walk, n *node, e object.Endpoint) {
	d := *w.whole
	w.decided, w.pending = true, d.pending
	if !d.pending {
		if d.opt.question() {
			n.doubt(w)
		}
		switch v := o.track(n, w, d.dst); {
		case v.ask:
			o.ask(w, n, e)
			return
		case v != pass:
			w.drop(v.reason)
			return
		}
	}
	o.depart(w, n, e, d.next, d.opt)
}

// together says whether the fragments of the packet ask with a token.
func (w *walk) together(t token) bool {
	return w.whole != nil && w.whole.opt.question() && t.real && w.whole.opt.token == t
}
