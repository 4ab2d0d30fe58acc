// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/sim/link"
)

// arrive is what a host does with a packet from another.
func (o *Oracle) arrive(w *walk, here string, opt option) {
	previous := w.host()
	n := o.nodes[here]
	if n == nil {
		return // nobody has that address: the underlay lost it
	}
	w.out.Hosts = append(w.out.Hosts, here)
	if broken := o.broken(previous, here); broken != "" {
		w.out.Reason, w.out.Dropper = link.Down, broken
		return
	}
	if !n.knows(previous) {
		w.drop(tunnelSource)
		return
	}
	switch opt.kind {
	case located:
		o.resend(w, n, opt)
	case gone:
		o.goAgain(w, n, previous)
	case refused:
		o.complain(w, n, opt)
	default:
		o.receive(w, n, previous, opt)
	}
}

// receive is what a host does with an endpoint's packet for another endpoint.
func (o *Oracle) receive(w *walk, n *node, previous string, opt option) {
	to, here := n.behind(n.name, w.to())
	switch {
	case here && opt.judge && n.knows(opt.host):
		o.pass(w, n, opt.host, n.answer(w, opt, to))
	case here && (opt.generation == generation(to) || (opt.generation == 0 && opt.question())):
		if v := o.track(n, w, n.end(w.dst, to)); v != pass {
			w.drop(v.reason)
			return
		}
		o.hear(w, n, previous, to, opt)
		o.put(w, to)
	case here && opt.question():
		w.drop(stale)
	case opt.question():
		o.relay(w, n, opt)
	default:
		o.pass(w, n, previous, option{kind: gone})
	}
}

// pass sends a packet on that is not of an endpoint here.
func (o *Oracle) pass(w *walk, n *node, next string, opt option) {
	if !n.knows(next) {
		w.drop(noHost)
		return
	}
	most, ok := o.fits(n, next, w.length)
	switch {
	case ok:
		o.arrive(w, next, opt)
	case opt.question():
		o.turnDown(w, n, opt, mtu, most)
	default:
		w.drop(mtu)
	}
}

// again sends a packet of an endpoint here that came back to another host.
func (o *Oracle) again(w *walk, n *node, next string, generation uint8) {
	e, lives := n.behind(n.name, w.from())
	if !lives {
		w.drop(notHere)
		return
	}
	o.depart(w, n, e, next, option{generation: generation})
}

// resend goes where a bouncer says, if it answers an open question.
func (o *Oracle) resend(w *walk, n *node, opt option) {
	row := n.paths[w.to()]
	open := row.state == asked && row.token == opt.token
	late := row.state == learned && !row.tell && opt.token.real && row.token == opt.token // after another that asked
	switch {
	case !open && !late && !w.together(opt.token):
		w.drop(sendBack)
	case !n.knows(opt.host):
		w.drop(noHost)
	default:
		if open {
			n.paths[w.to()] = path{state: learned, token: opt.token, host: opt.host, generation: opt.generation, party: opt.party, number: opt.number, since: o.now(n.name)}
		}
		if w.pending {
			w.pending = false
			if v := o.track(n, w, end{addr: w.dst, party: opt.party, number: opt.number, known: true}); v != pass {
				w.drop(v.reason)
				return
			}
		}
		o.again(w, n, opt.host, opt.generation)
	}
}

// goAgain is what a host does with its own packet that found no endpoint.
func (o *Oracle) goAgain(w *walk, n *node, previous string) {
	e, lives := n.behind(n.name, w.from())
	to, here := n.behind(n.name, w.to())
	row := n.paths[w.to()]
	believed := row.state == asked || (row.state == learned && row.host == previous)
	switch {
	case lives && here && (believed || row.state == local):
		n.paths[w.to()] = path{state: local}
		o.deliver(w, n, to)
	case lives && believed:
		w.decided = true
		o.ask(w, n, e)
	case lives && row.state == learned && o.now(n.name)-row.since < fresh:
		o.again(w, n, row.host, row.generation)
	default:
		w.drop(notHere)
	}
}

// hear learns from a packet that is delivered here where its sender is.
func (o *Oracle) hear(w *walk, n *node, previous string, to object.Endpoint, opt option) {
	if _, here := n.behind(n.name, w.from()); here || opt.kind == none || !n.knows(opt.host) {
		return
	}
	known := n.paths[w.from()]
	fresh := path{state: learned, host: opt.host, generation: opt.source, party: &w.sender, number: w.number, since: o.now(n.name), vain: w.out.Outdated}
	if opt.kind == answers {
		if known.state == asked && known.token == opt.token && opt.host == previous {
			fresh.token = opt.token
			n.paths[w.from()] = fresh
		}
		return
	}
	unchanged := known.state == learned && known.host == opt.host &&
		known.token == opt.token && known.generation == opt.source
	if !unchanged && n.vouches(w, previous, to, opt.host) {
		fresh.token, fresh.tell = opt.token, true
		n.paths[w.from()] = fresh
	}
}

// vouches says whether a host may be believed about where a sender is: it
// bounces the receiver's subnet, it divides the VPC, or the receiving host
// knows it anyway.
func (n *node) vouches(w *walk, previous string, to object.Endpoint, claimed string) bool {
	location, ok := n.directory(w.from())
	return n.bounces(previous, to.Subnet) || n.divides(previous, w.vpc.Name) || (ok && location.Host == claimed)
}

// relay is what a bouncer or divider does with a question.
func (o *Oracle) relay(w *walk, n *node, opt option) {
	next := opt
	next.limit--
	s, ok := n.subnet(w.to())
	divides := n.divides(n.name, w.vpc.Name)
	switch {
	case ok && (divides || n.bounces(n.name, s.Name)):
	case divides:
		o.turnDown(w, n, opt, noSubnet, 0)
		return
	default:
		w.drop(notOurs)
		return
	}
	host, to, reason := n.whom(s, w)
	switch {
	case reason == noEndpoint:
		o.turnDown(w, n, opt, noEndpoint, 0)
	case reason != "":
		w.drop(reason)
	case host == to.Host && opt.kind == asksBack && o.fitsBack(w, n, opt.host):
		o.pass(w, n, opt.host, n.answer(w, opt, to))
	case opt.limit == 0:
		w.drop(relayLimit)
	default:
		if host == to.Host {
			next.generation = generation(to)
		}
		o.pass(w, n, host, next)
	}
}

// fitsBack says whether a question can go back to its host, if that is known: else
// it is relayed.
func (o *Oracle) fitsBack(w *walk, n *node, host string) bool {
	if !n.knows(host) {
		return true // and dropped there
	}
	_, ok := o.fits(n, host, w.length)
	return ok
}

// answer sends a question back with the location of the endpoint that it is about.
func (n *node) answer(w *walk, opt option, to object.Endpoint) option {
	party := n.party(to)
	return option{kind: located, generation: generation(to), token: opt.token, host: to.Host, party: &party, number: to.Identity}
}
