// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/netip"
	"slices"

	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/overlay"
	"github.com/mizar-net/mizar/sim/link"
	"github.com/mizar-net/mizar/sim/oracle/judge"
	"github.com/mizar-net/mizar/sim/wire"
)

// The drop reasons that honest packets can meet, by their names in the
// programs' enum.
const (
	multicast    = "multicast"
	ipAddress    = "ip_address"
	noEndpoint   = "no_endpoint"
	noSubnet     = "no_subnet"
	noBouncer    = "no_bouncer"
	noHost       = "no_host"
	notOurs      = "not_ours"
	sendBack     = "send_back"
	stale        = "stale"
	notHere      = "not_here"
	refusal      = "refusal"
	gateway      = "gateway"
	budget       = "budget"
	guardMAC     = "guard_mac"
	fragment     = "fragment"
	ttl          = "ttl"
	mtu          = "mtu"
	relayLimit   = "relay_limit"
	tunnelSource = "tunnel_source"
)

// packet is what an endpoint sends, as far as the rules look at it.
type packet struct {
	src, dst netip.Addr
	ttl      int
	// length is that of the IP packet, in bytes.
	length int
	// echo is an echo request; silent a packet that no ICMP error may be about:
	// a later fragment, or an error.
	echo, silent bool
	// later is set for a fragment behind the first.
	later *later
	// whole is the packet that a fragment is of; nil: it is no fragment.
	whole *departure
	// flow is what tells the conversation apart that the packet belongs to.
	flow tuple
	// outsider is who is outside and has the destination; "": nobody.
	outsider string
}

// later is where a fragment begins in its packet, in bytes, and the protocol of
// the header that the packet begins with.
type later struct {
	offset   int
	protocol uint8
}

// walk is one packet on its way.
type walk struct {
	packet
	vpc object.VPC
	// sender is the identity that the packet carries; pending says that egress of
	// its source is not judged yet.
	sender judge.Party
	// number is that of the identity.
	number  uint32
	pending bool
	// decided says that an earlier fragment of the packet has decided how they go.
	decided bool
	// frontend is what the packet was sent to that a backend gets; view is the flow as
	// its sender sees it.
	frontend netip.AddrPort
	// gate is what who is outside has sent it to; it is invalid for all others.
	gate netip.AddrPort
	// abroad says that its sender is outside, and answers.
	abroad bool
	// self says that its sender is who gets it.
	self    bool
	view    flowKey
	viewLow bool
	out     wire.Packet
}

func (w *walk) from() place { return place{w.vpc.Name, w.src} }
func (w *walk) to() place   { return place{w.vpc.Name, w.dst} }

// pair is what rendezvous hashing chooses by.
func (w *walk) pair() overlay.Pair { return overlay.Pair{VNI: w.vpc.VNI, Src: w.src, Dst: w.dst} }

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
	} else if now.MAC != e.MAC {
		w.drop(wire.OtherMAC)
		w.out.To = e.Key()
		return
	}
	w.out.Delivered, w.out.To = true, e.Key()
	if w.frontend.IsValid() {
		w.out.At = netip.AddrPortFrom(w.dst, w.flow.to)
	}
}

// deliver is put for a packet whose flow is not judged yet at this host.
func (o *Oracle) deliver(w *walk, n *node, e object.Endpoint) {
	if v := o.track(n, w, n.end(w.dst, e)); v != pass {
		w.drop(v.reason)
		return
	}
	o.keep(w, n)
	o.put(w, e)
}

// send walks a packet from its endpoint to wherever it ends.
func (o *Oracle) send(e object.Endpoint, p packet) wire.Packet {
	vpc, _ := o.real.set.VPC(o.real.vpcOf(e))
	w := &walk{packet: p, vpc: vpc, out: wire.Packet{Hosts: []string{e.Host}}}
	if why := o.silent(e.Host, e.Key()); why != "" {
		w.drop(why)
	} else {
		o.leave(w, e.Key())
	}
	w.out.Hops = len(w.out.Hosts) - 1
	return w.out
}

// leave is what the host does with a packet of an endpoint of its own.
func (o *Oracle) leave(w *walk, endpoint string) {
	n := o.nodes[w.host()]
	e, _ := n.set.Endpoint(endpoint)
	own, _ := n.set.Subnet(e.Subnet)
	sender, _ := o.real.set.Endpoint(endpoint)
	switch {
	case sender.MAC != e.MAC:
		w.drop(guardMAC) // the host knows an earlier endpoint of that name
		return
	case w.later != nil && w.later.reaches(w.dst.Is6()):
		w.drop(fragment)
		return
	case isGroup(w.dst):
		w.drop(multicast)
		return
	case w.dst.IsUnspecified() || w.dst.IsLoopback() || (w.dst.Is4() && w.dst.As4()[0] == 0):
		w.drop(ipAddress)
		return
	case slices.Contains(own.Gateways, w.dst):
		o.knock(w, n, e)
		return
	}
	switch reason := o.serve(w, n); {
	case reason == noService && w.echo && w.later == nil:
		w.out.Answered, w.out.To = true, e.Key()
		return
	case reason != "":
		o.refuse(w, n, e, reason, 0)
		return
	}
	// A frontend lies in no subnet, wherever its backend does.
	if routed := w.frontend.IsValid() || !holds(own, w.dst); w.ttl <= 1 && routed {
		o.refuse(w, n, e, ttl, 0)
		return
	}
	w.sender, w.number = n.party(e), e.Identity
	if w.self {
		o.deliver(w, n, e)
		return
	}
	if o.answersOutside(w, n) {
		o.goOut(w, n)
		return
	}
	if to, ok := n.behind(n.name, w.to()); ok {
		n.paths[w.to()] = path{state: local}
		o.deliver(w, n, to)
		return
	}
	if w.whole != nil && w.whole.next != "" {
		o.follow(w, n, e)
		return
	}
	if o.isOutside(w, n) {
		o.goAbroad(w, n, false)
		return
	}
	known := n.paths[w.to()]
	w.out.Outdated = w.out.Outdated || known.vain
	if known.state == learned && known.vain {
		known.vain = false // all hosts have learned the same after this packet
		n.paths[w.to()] = known
	}
	if known.state != learned {
		o.ask(w, n, e)
		return
	}
	if now, ok := o.real.endpoints[w.to()]; ok {
		w.out.Outdated = w.out.Outdated || generation(now) != known.generation
	}
	dst := end{addr: w.dst, party: known.party, number: known.number, known: true, hearsay: o.now(n.name)-known.since >= hearsay}
	if is := o.means(w, known.number); is != nil {
		dst.party = is
	}
	v := o.track(n, w, dst)
	w.out.Aged = v.ask || v.reason == policyEgress || v.reason == policyIngress
	switch {
	case v.ask:
		o.ask(w, n, e)
		return
	case v != pass:
		w.drop(v.reason)
		return
	}
	opt := option{generation: known.generation}
	if known.tell {
		opt = option{kind: answers, generation: known.generation, token: known.token, host: n.name, source: generation(e)}
		known.tell = false
		n.paths[w.to()] = known
	}
	w.lead(departure{next: known.host, opt: option{generation: known.generation}, dst: dst})
	o.depart(w, n, e, known.host, opt)
}

// knock is a packet to the gateway, which answers echoes and nothing else.
func (o *Oracle) knock(w *walk, n *node, e object.Endpoint) {
	if w.echo && w.later == nil {
		w.out.Answered, w.out.To = true, e.Key()
		return
	}
	o.refuse(w, n, e, gateway, 0)
}

// depart sends an endpoint's packet to another host, or tells the endpoint that
// it is too big.
func (o *Oracle) depart(w *walk, n *node, e object.Endpoint, next string, opt option) {
	if !n.knows(next) {
		w.drop(noHost)
		return
	}
	if most, ok := o.fits(n, next, w.length); !ok {
		o.refuse(w, n, e, mtu, most)
		return
	}
	o.keep(w, n)
	o.arrive(w, next, opt)
}

// ask sends a packet whose way is not known to a host that knows more: a
// bouncer of the own subnet, or a divider for any other. A host that has the
// role itself asks itself.
func (o *Oracle) ask(w *walk, n *node, e object.Endpoint) {
	n.doubt(w)
	v := o.track(n, w, end{addr: w.dst})
	if v.reason != "" {
		w.drop(v.reason)
		return
	}
	next, to, reason := n.first(w, e)
	switch reason {
	case "":
	case noEndpoint, noSubnet:
		if reason == noSubnet && len(w.out.Hosts) == 1 && n.mayLeave(w) {
			if now := o.now(n.name); spend(n.questions, e.Key(), now, questionEvery, questionAhead) {
				n.paths[w.to()] = path{state: beyond, since: now}
			}
			o.goAbroad(w, n, !v.ask)
			return
		}
		o.refuse(w, n, e, reason, 0)
		return
	default:
		w.drop(reason)
		return
	}
	located := next == to.Host
	dst := end{addr: w.dst}
	if located {
		dst = n.end(w.dst, to)
	}
	if located && v.ask {
		if v = o.track(n, w, dst); v.reason != "" {
			w.drop(v.reason)
			return
		}
	}
	w.pending = v.ask
	opt := option{kind: asks, host: n.name, source: generation(e), limit: relayed}
	if located {
		opt.generation = generation(to)
	}
	row, now := n.paths[w.to()], o.now(n.name)
	switch {
	case row.state == asked && next != to.Host && now-row.since < fresh:
		opt.kind, opt.token = asksBack, row.token
		if w.decided {
			opt.kind = asks // as the one before it did
		}
	case !n.knows(next):
		w.drop(noHost)
		return
	case spend(n.questions, e.Key(), now, questionEvery, questionAhead):
		opt.token = token{w.pair(), now, true}
		row = path{state: asked, token: opt.token, since: now, vain: w.out.Vain || w.out.Outdated}
		if next == to.Host {
			row.state, row.host, row.generation, row.party = learned, to.Host, generation(to), dst.party
			row.number = dst.number
		}
		n.paths[w.to()] = row
	}
	if w.pending {
		opt.kind, opt.judge = asksBack, true
	}
	if located {
		w.lead(departure{next: next, opt: option{generation: opt.generation}, dst: dst})
	} else {
		w.lead(departure{next: next, opt: opt, pending: w.pending, dst: dst})
	}
	o.depart(w, n, e, next, opt)
}

// first is whom an endpoint's host asks; the endpoint, if it is located. A host
// that bounces the destination's subnet reads its own directory, whichever subnet
// the endpoint is in.
func (n *node) first(w *walk, e object.Endpoint) (next string, to object.Endpoint, reason string) {
	target, _ := n.set.Subnet(e.Subnet)
	if holds(target, w.dst) {
		return n.whom(target, w)
	}
	target, known := n.subnet(w.to())
	divides := n.divides(n.name, w.vpc.Name)
	switch {
	case known && (divides || n.bounces(n.name, target.Name)):
		return n.whom(target, w)
	case divides:
		return "", to, noSubnet
	}
	if next = n.choose(n.dividers[w.vpc.Name], w.pair()); next == "" {
		reason = noBouncer
	}
	return next, to, reason
}

// reaches says whether a later fragment begins inside its transport header, or
// could begin inside extension headers.
func (l later) reaches(six bool) bool {
	const tcp, sctp = 6, 132
	extensions := []uint8{0, 43, 44, 51, 60}
	switch {
	case l.protocol == tcp:
		return l.offset < 20
	case l.protocol == sctp:
		return l.offset < 12
	case six && slices.Contains(extensions, l.protocol):
		return l.offset < 128
	}
	return l.offset < 8
}

// isGroup says that an address is for many: multicast, or in IPv4 any from
// 224.0.0.0 on, broadcast included.
func isGroup(addr netip.Addr) bool {
	if addr.Is4() {
		return addr.As4()[0] >= 224
	}
	return addr.IsMulticast()
}
