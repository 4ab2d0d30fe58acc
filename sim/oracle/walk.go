// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"
	"slices"
	"time"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/overlay"
	"github.com/mizar-net/mizar/sim/link"
	"github.com/mizar-net/mizar/sim/wire"
)

// The drop reasons that honest packets can meet, by their names in the
// programs' enum.
const (
	multicast  = "multicast"
	ipAddress  = "ip_address"
	noEndpoint = "no_endpoint"
	noSubnet   = "no_subnet"
	noBouncer  = "no_bouncer"
	notOurs    = "not_ours"
	sendBack   = "send_back"
)

// fresh is how long a question stays open before it is asked anew.
const fresh = time.Second

// walk is one packet on its way.
type walk struct {
	vpc      object.VPC
	src, dst netip.Addr
	out      wire.Packet
}

func (w *walk) from() place { return place{w.vpc.Name, w.src} }
func (w *walk) to() place   { return place{w.vpc.Name, w.dst} }

// host is where the packet is.
func (w *walk) host() string { return w.out.Hosts[len(w.out.Hosts)-1] }

func (w *walk) drop(reason string) {
	w.out.Reason, w.out.Dropper = reason, w.host()
}

// put delivers to an endpoint, if it is where the host believes it to be.
func (o *Oracle) put(w *walk, e object.Endpoint) {
	if now, ok := o.real.set.Endpoint(e.Key()); !ok || now.Host != w.host() {
		w.drop(link.NoPort)
		return
	}
	w.out.Delivered, w.out.To = true, e.Key()
}

// option is what the packet says beside its identity.
type option struct {
	kind  optionKind
	token int
	// host is who asks, who answers, or where the destination is.
	host string
}

type optionKind int

const (
	none optionKind = iota
	// asks: whoever gets the packet may learn who sent it, and answers.
	asks
	// asksBack: as asks, but a bouncer sends it back with the location.
	asksBack
	// answers: quotes the token of a question.
	answers
	// located: a bouncer sent it back.
	located
)

// send walks a packet from its endpoint to wherever it ends.
func (o *Oracle) send(e object.Endpoint, src, dst netip.Addr) wire.Packet {
	vpc, _ := o.real.set.VPC(o.real.vpcOf(e))
	w := &walk{vpc: vpc, src: src, dst: dst, out: wire.Packet{Hosts: []string{e.Host}}}
	o.leave(w, e)
	w.out.Hops = len(w.out.Hosts) - 1
	return w.out
}

// leave is what the host does with a packet of an endpoint of its own.
func (o *Oracle) leave(w *walk, e object.Endpoint) {
	if why := o.silent(e); why != "" {
		w.drop(why)
		return
	}
	o.as(e.Host)
	switch {
	case isGroup(w.dst):
		w.drop(multicast)
		return
	case w.dst.IsUnspecified() || w.dst.IsLoopback() || (w.dst.Is4() && w.dst.As4()[0] == 0):
		w.drop(ipAddress)
		return
	}
	if to, ok := o.world.behind(e.Host, w.to()); ok {
		o.put(w, to)
		return
	}
	known := o.paths[e.Host][w.to()]
	if !known.learned() {
		o.ask(w, e)
		return
	}
	opt := option{}
	if known.tell {
		opt = option{kind: answers, token: known.token, host: e.Host}
		known.tell = false
		o.learn(e.Host, w.to(), known)
	}
	o.arrive(w, known.host, opt)
}

// ask sends a packet whose way is not known to a host that knows more: a
// bouncer of the own subnet, or a divider for any other. A host that has the
// role itself asks itself.
func (o *Oracle) ask(w *walk, e object.Endpoint) {
	here := e.Host
	own, _ := o.world.set.Subnet(e.Subnet)
	set := o.world.dividers[w.vpc.Name]
	target, known := own, slices.ContainsFunc(own.CIDRs, func(p netip.Prefix) bool { return p.Contains(w.dst) })
	if !known && slices.Contains(set, here) {
		if target, known = o.world.subnet(w.to()); !known {
			w.drop(noSubnet)
			return
		}
	}
	if known {
		set = o.world.bouncers[target.Name]
	}
	if known && slices.Contains(set, here) {
		o.askSelf(w, here)
		return
	}
	next := overlay.Choose(set, o.pair(w))
	if next == "" {
		w.drop(noBouncer)
		return
	}
	asked, open := o.paths[here][w.to()]
	if open && o.now-asked.since < fresh {
		o.arrive(w, next, option{kind: asksBack, token: asked.token, host: here})
		return
	}
	token := o.newToken()
	o.learn(here, w.to(), path{token: token, since: o.now})
	o.arrive(w, next, option{kind: asks, token: token, host: here})
}

// askSelf looks in the host's own directory, and goes there at once.
func (o *Oracle) askSelf(w *walk, here string) {
	location, ok := o.world.directory(here, w.to())
	if !ok {
		w.drop(noEndpoint)
		return
	}
	token := o.newToken()
	o.learn(here, w.to(), path{host: location, token: token, since: o.now})
	o.arrive(w, location, option{kind: asks, token: token, host: here})
}

// arrive is what a host does with a packet from another.
func (o *Oracle) arrive(w *walk, here string, opt option) {
	previous := w.host()
	w.out.Hosts = append(w.out.Hosts, here)
	if broken := o.broken(previous, here); broken != "" {
		w.out.Reason, w.out.Dropper = link.Down, broken
		return
	}
	o.as(here)
	if opt.kind == located {
		o.resend(w, here, opt)
		return
	}
	if to, ok := o.world.behind(here, w.to()); ok {
		o.hear(w, here, previous, to, opt)
		o.put(w, to)
		return
	}
	o.relay(w, here, opt)
}

// resend goes where a bouncer says, if it answers an open question.
func (o *Oracle) resend(w *walk, here string, opt option) {
	asked, ok := o.paths[here][w.to()]
	if !ok || asked.learned() || asked.token != opt.token {
		w.drop(sendBack)
		return
	}
	o.learn(here, w.to(), path{host: opt.host, since: o.now})
	o.arrive(w, opt.host, option{})
}

// hear learns from a packet that is delivered here where its sender is.
func (o *Oracle) hear(w *walk, here, previous string, to object.Endpoint, opt option) {
	known, ok := o.paths[here][w.from()]
	switch opt.kind {
	case answers:
		if ok && !known.learned() && known.token == opt.token && opt.host == previous {
			o.learn(here, w.from(), path{host: opt.host, since: o.now})
		}
	case asks, asksBack:
		unchanged := known.host == opt.host && known.token == opt.token
		if !unchanged && o.vouches(w, here, previous, to, opt.host) {
			o.learn(here, w.from(), path{host: opt.host, token: opt.token, tell: true, since: o.now})
		}
	}
}

// vouches says whether a host may be believed about where a sender is: it
// bounces the receiver's subnet, it divides the VPC, or the receiving host
// knows it anyway.
func (o *Oracle) vouches(w *walk, here, previous string, to object.Endpoint, claimed string) bool {
	location, ok := o.world.directory(here, w.from())
	return o.world.bounces(previous, to.Subnet) ||
		o.world.divides(previous, w.vpc.Name) ||
		(ok && location == claimed)
}

// relay is what a bouncer or divider does. With one set of objects everywhere
// no packet is relayed more than twice, so the relay limit is not walked.
func (o *Oracle) relay(w *walk, here string, opt option) {
	if opt.kind != asks && opt.kind != asksBack {
		w.drop(notOurs)
		return
	}
	if location, ok := o.world.directory(here, w.to()); ok {
		if opt.kind == asksBack {
			o.arrive(w, opt.host, option{kind: located, token: opt.token, host: location})
		} else {
			o.arrive(w, location, opt)
		}
		return
	}
	if !o.world.divides(here, w.vpc.Name) {
		w.drop(noEndpoint)
		return
	}
	target, ok := o.world.subnet(w.to())
	if !ok {
		w.drop(noSubnet)
		return
	}
	if o.world.bounces(here, target.Name) {
		w.drop(noEndpoint)
		return
	}
	next := overlay.Choose(o.world.bouncers[target.Name], o.pair(w))
	if next == "" {
		w.drop(noBouncer)
		return
	}
	o.arrive(w, next, opt)
}

func (o *Oracle) pair(w *walk) overlay.Pair {
	return overlay.Pair{VNI: w.vpc.VNI, Src: w.src, Dst: w.dst}
}

func (o *Oracle) learn(host string, at place, p path) {
	if o.paths[host] == nil {
		o.paths[host] = map[place]path{}
	}
	o.paths[host][at] = p
}

func (o *Oracle) newToken() int {
	o.token++
	return o.token
}

// isGroup says that an address is for many: multicast, or in IPv4 any from
// 224.0.0.0 on, broadcast included.
func isGroup(addr netip.Addr) bool {
	if addr.Is4() {
		return addr.As4()[0] >= 224
	}
	return addr.IsMulticast()
}
