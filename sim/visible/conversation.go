// SPDX-License-Identifier: Apache-2.0

package visible

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/mizar-net/mizar/dataplane/cmd"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
)

// firstPort is the client's in the first conversation, port the server's in all.
const firstPort, port = 4000, 80

// turns is how often the longest conversation changes sides.
const turns = 4

// conversation is what a client and a server say, and what must be shown of it.
type conversation struct {
	family int
	proto  uint8
	// port is the client's own, of an echo its identifier.
	port uint16
	// said is what is said turn by turn, the client's first; more is what the
	// client says later.
	said [][]frame.Spec
	more frame.Spec
	// atClient and atServer are the states at both hosts.
	atClient, atServer string
	// rule accepted it at the server's; "": its name is not known any more.
	rule string
}

func (c conversation) turn(n int) []frame.Spec {
	if n >= len(c.said) {
		return nil
	}
	return c.said[n]
}

// conversations are all that are had, in both families.
func conversations() []conversation {
	var all []conversation
	for _, family := range []int{4, 6} {
		for _, c := range []conversation{
			shake("opening", 1), shake("replied", 2), shake("established", 3), shake("closing", 3, frame.FIN|frame.ACK),
			shake("closed", 3, frame.FIN|frame.ACK, frame.FIN|frame.ACK), shake("closed", 3, frame.RST),
			speak(frame.ProtoUDP, "opening"), speak(frame.ProtoUDP, "established"),
			speak(frame.ProtoICMP, "opening"), speak(frame.ProtoICMP, "established"),
		} {
			c.family, c.port = family, uint16(firstPort+len(all))
			c.rule = rule
			c.number()
			all = append(all, c)
		}
	}
	return all
}

// split parts the conversations from all others by which hosts learn the ways.
func split(all []conversation) (first, others []conversation) {
	for _, c := range all {
		if c.proto == frame.ProtoUDP && c.atServer == "established" {
			first = append(first, c)
		} else {
			others = append(others, c)
		}
	}
	return first, others
}

// shake is a TCP connection with so many segments of its handshake, and what follows
// in turn, the client's first.
func shake(becomes string, segments int, flags ...frame.TCPFlags) conversation {
	c := conversation{proto: frame.ProtoTCP, atClient: becomes, atServer: becomes}
	segment := func(f frame.TCPFlags) frame.Spec { return frame.Spec{Kind: frame.TCP, TCPFlags: f} }
	handshake := []frame.TCPFlags{frame.SYN, frame.SYN | frame.ACK, frame.ACK}
	for _, f := range handshake[:segments] {
		c.said = append(c.said, []frame.Spec{segment(f)})
	}
	for i, f := range flags {
		if turn := 2 + i; turn < len(c.said) {
			c.said[turn] = append(c.said[turn], segment(f))
		} else {
			c.said = append(c.said, []frame.Spec{segment(f)})
		}
	}
	c.more = segment(frame.ACK)
	return c
}

// speak is a datagram or an echo, which is answered if that is what it becomes.
func speak(proto uint8, becomes string) conversation {
	c := conversation{proto: proto, atClient: becomes, atServer: becomes}
	there, back := frame.Spec{Kind: frame.UDP}, frame.Spec{Kind: frame.UDP}
	if proto == frame.ProtoICMP {
		there.Kind, back.Kind = frame.Echo, frame.EchoReply
	}
	c.said, c.more = [][]frame.Spec{{there}}, there
	if becomes == "established" {
		c.said = append(c.said, []frame.Spec{back})
	}
	return c
}

// number gives the packets their ports.
func (c *conversation) number() {
	for turn := range c.said {
		for i := range c.said[turn] {
			s := &c.said[turn][i]
			s.SrcPort, s.DstPort, s.ID = c.port, port, c.port
			if turn%2 == 1 {
				s.SrcPort, s.DstPort = port, c.port
			}
		}
	}
	c.more.SrcPort, c.more.DstPort, c.more.ID = c.port, port, c.port
}

func (c conversation) familyName() string { return fmt.Sprintf("v%d", c.family) }

// protoName is the protocol's in cells, which ICMP has one of in both families.
func (c conversation) protoName() string {
	return map[uint8]string{frame.ProtoTCP: "tcp", frame.ProtoUDP: "udp", frame.ProtoICMP: "icmp"}[c.proto]
}

// is says whether a flow is this conversation.
func (c conversation) is(f cmd.Flow) bool {
	proto := c.protoName()
	if c.proto == frame.ProtoICMP && c.family == 6 {
		proto = "icmpv6"
	}
	return f.Protocol == proto && f.From.Port == c.port && f.From.Address.Is4() == (c.family == 4)
}

// judge wants a host to show what it must.
func (c conversation) judge(f cmd.Flow) error {
	var wrong []error
	want := func(what string, got, want any) {
		if got != want {
			wrong = append(wrong, fmt.Errorf("host %s: %s: want %v, got %v", f.Host, what, want, got))
		}
	}
	want("VPC", fmt.Sprintf("%s %d", f.VPC, f.VNI), "red 100")
	want("address of who opened it", f.From.Address, address4or6(c.family, 2))
	want("address of the other", f.To.Address, address4or6(c.family, 3))
	if c.proto != frame.ProtoICMP {
		want("port of the other", f.To.Port, uint16(port))
	}
	if f.From.Identity == 0 || f.To.Identity == 0 || f.From.Identity == f.To.Identity {
		wrong = append(wrong, fmt.Errorf("host %s: identities: want two, got %d and %d", f.Host, f.From.Identity, f.To.Identity))
	}
	if f.SeenSeconds > 60 || f.LeftSeconds == 0 {
		wrong = append(wrong, fmt.Errorf("host %s: it was seen just now, got %d s ago and %d s left", f.Host, f.SeenSeconds, f.LeftSeconds))
	}
	state, here, away := c.atClient, f.From, f.To
	names := [2]string{client, "h2"}
	if f.Host == "h2" {
		state, here, away = c.atServer, f.To, f.From
		names = [2]string{server, "h1"}
		if state == "opening" {
			names[1] = "" // who has not answered had no need to know
		}
		if c.rule != "" {
			want("what accepted it", text(f.Ingress), c.rule)
		}
	} else {
		want("what accepted it", text(f.Egress)+text(f.Ingress), "--")
	}
	want("state", f.State, state)
	want("table", f.Table, map[bool]string{true: "openings", false: "flows"}[state == "opening" || state == "replied"])
	want("endpoint behind the host", named(here.Endpoint), names[0])
	want("endpoint of the other", named(away.Endpoint), "")
	want("host of the other", named(away.Host), names[1])
	return errors.Join(wrong...)
}

func text(j *cmd.Judged) string { return j.String() }

// named is the name of a number, "" for none.
func named(n *cmd.Named) string {
	if n == nil {
		return ""
	}
	return n.String()
}

// address4or6 is the n-th address of the subnet.
func address4or6(family int, n byte) netip.Addr {
	if family == 4 {
		return netip.AddrFrom4([4]byte{10, 0, 0, n})
	}
	return netip.AddrFrom16([16]byte{0: 0xfd, 15: n})
}

// address is an endpoint's own of a family.
func address(e state.Endpoint, family int) netip.Addr {
	for _, a := range e.Addresses {
		if a.Is4() == (family == 4) {
			return a
		}
	}
	panic("no address of that family") // the objects have both
}
