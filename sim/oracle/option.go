// SPDX-License-Identifier: Apache-2.0

package oracle

import "github.com/mizar-net/mizar/sim/oracle/judge"

// option is what the packet says beside the identity of its sender.
type option struct {
	kind optionKind
	// generation is the destination's, as the sender knows it; 0: not known.
	generation uint8
	token      token
	// judge says that a question is to come back whoever knows the answer, and party
	// who that is.
	judge  bool
	party  *judge.Party
	number uint32
	// host is who asks, who answers, or where the destination is; source is the
	// generation of who sent the packet.
	host   string
	source uint8
	// limit is how often the question may still be relayed.
	limit int
	// reason and mtu are a refusal's.
	reason string
	mtu    int
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
	// gone: the endpoint is not where it was sent.
	gone
	// refused: it goes nowhere.
	refused
)

func (opt option) question() bool { return opt.kind == asks || opt.kind == asksBack }
