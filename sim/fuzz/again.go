// SPDX-License-Identifier: Apache-2.0

package fuzz

import (
	"net/netip"

	"github.com/mizar-net/mizar/bpf"
)

// again is a packet that came back on its way to another host, if it fits.
func (o oracle) again(h heard, to netip.Addr, l label, out outcome) outcome {
	if h.inner.length > most(to) {
		out.verdict, out.reason = bpf.RowVerdictVERDICT_DROP, bpf.RowDropReasonDROP_MTU
		return o.givenUp(h, out, uint16(most(to)))
	}
	bounced := h.bounced(to, l, out.verdict)
	bounced.learned, bounced.token = out.learned, out.token
	return bounced
}

// givenUp tells the endpoint of a packet that came back and does not go on.
func (o oracle) givenUp(h heard, out outcome, mtu uint16) outcome {
	out.port, out.frame, out.token = 0, nil, out.token && out.learned != nil
	if !final(out.reason) {
		return out
	}
	from := living(h.vni, h.inner.src)
	if b, ok := o.complaint(from, h.inner, out.reason, mtu); ok {
		out.verdict, out.port, out.frame = bpf.RowVerdictVERDICT_REFUSE, from.port, b
	}
	return out
}

// final are reasons that no other host knows better.
func final(reason bpf.RowDropReason) bool {
	return reason == bpf.RowDropReasonDROP_MTU || reason == bpf.RowDropReasonDROP_NO_ENDPOINT || reason == bpf.RowDropReasonDROP_NO_SUBNET
}
