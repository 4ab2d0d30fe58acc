// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"net/netip"
	"time"

	"github.com/mizar-net/mizar/bpf"
)

// Other is the key of the other row of a flow that is translated: of that with the
// backend for the view of who opened it, and of its face outside for a flow that leaves;
// and the other way round.
func Other(key bpf.RowFlowKey, row bpf.RowFlow) bpf.RowFlowKey {
	vni, stays := key.VNI(), row.Opener&1
	switch bpf.RowTranslation(row.Translation) {
	case bpf.RowTranslationTRANSLATION_SOURCE:
		vni, stays = 0, stays^1
	case bpf.RowTranslationTRANSLATION_FACE:
		vni, stays = row.Set[0], stays^1
	}
	ends, in := Ends(key), PutIn(row)
	who := ends[stays]
	if stays == row.Opener&1 && who.Addr == in.Addr { // he asks himself, and takes himself for the frontend
		who.Addr = ends[stays^1].Addr
	}
	other, _ := Key(vni, key.Protocol(), who, in)
	return other
}

// PutIn is what the translation of a row puts in: the backend in a view, the frontend
// in a flow with a backend, the host's address and port in a flow that leaves, who opened
// it in the face of one.
func PutIn(row bpf.RowFlow) End {
	return End{Addr: netip.AddrFrom16(row.Addr).Unmap(), Port: network(row.Port)}
}

// idleView is how long a view, or a face, may be silent before its flow is looked for.
const idleView = ClosedTCP

// over says whether a flow's time is up, in both views if it is translated: neither row
// goes while the other has packets, and a view, or a face, goes with its flow.
func (t Tables) over(key bpf.RowFlowKey, row bpf.RowFlow, now time.Duration) (bool, error) {
	kind, state := bpf.RowTranslation(row.Translation), bpf.RowFlowState(row.State)
	follows := kind == bpf.RowTranslationTRANSLATION_TO || kind == bpf.RowTranslationTRANSLATION_FACE
	view := follows && state != bpf.RowFlowStateFLOW_CHOSEN
	silent := now - time.Duration(row.Seen)*time.Second
	if kind == bpf.RowTranslationTRANSLATION_NONE || state == bpf.RowFlowStateFLOW_CHOSEN || view && silent <= idleView || !view && !Due(key, row, now) {
		return Due(key, row, now), nil
	}
	other, there, err := t.pair(key, row)
	switch {
	case err != nil:
		return false, err
	case !there:
		return view || Due(key, row, now), nil
	case view:
		row.State = other.State
	}
	row.Seen = max(row.Seen, other.Seen)
	return Due(key, row, now), nil
}

// pair is the other row of a translated flow, if it is there and says the same.
func (t Tables) pair(key bpf.RowFlowKey, row bpf.RowFlow) (bpf.RowFlow, bool, error) {
	at := Other(key, row)
	for _, from := range t.both() {
		other, there, err := from.Lookup(at)
		if err != nil {
			return other, false, readError(from, err)
		}
		chosen := bpf.RowFlowState(other.State) == bpf.RowFlowStateFLOW_CHOSEN // and nothing else
		if there && !chosen && other.Translation != 0 && other.Translation != row.Translation && Other(at, other) == key {
			return other, true, nil
		}
	}
	return bpf.RowFlow{}, false, nil
}
