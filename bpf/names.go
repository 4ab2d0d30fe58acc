// SPDX-License-Identifier: Apache-2.0

package bpf

import (
	"fmt"
	"strings"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// MaxRoles is the most bouncers of a subnet and dividers of a VPC (MAX_ROLES).
const MaxRoles = len(RowVpc{}.Dividers.Host)

// PortSlots is how many slots interface indexes fall on (MAX_PORTS): the size
// of the map ports as the C declares it.
var PortSlots = sync.OnceValue(func() uint32 { return row().Maps[RowMapPorts].MaxEntries })

// PeerSlots is how many slots underlay addresses fall on (PEER_SLOTS): the size
// of the map peer_slots as the C declares it.
var PeerSlots = sync.OnceValue(func() uint32 { return row().Maps[RowMapPeerSlots].MaxEntries })

// Sets is how many rows policy sets have (SETS): the size of the map policy_sets as
// the C declares it.
var Sets = sync.OnceValue(func() uint32 { return row().Maps[RowMapPolicySets].MaxEntries })

// VNI is the VPC's of the flow.
func (k RowFlowKey) VNI() uint32 { return k.VniProtocol >> 8 }

// Protocol is IP's number.
func (k RowFlowKey) Protocol() uint8 { return uint8(k.VniProtocol) }

// OfVPC is the key with another VNI and protocol.
func (k RowFlowKey) OfVPC(vni uint32, protocol uint8) RowFlowKey {
	k.VniProtocol = vni<<8 | uint32(protocol)
	return k
}

// String is the state as people see it: "established".
func (s RowFlowState) String() string { return name("flow_state", "FLOW_", uint64(s)) }

// String is the direction as people see it: "ingress".
func (d RowDirection) String() string { return name("direction", "DIRECTION_", uint64(d)) }

// String is the verdict as people see it: "deny".
func (v RowPolicyVerdict) String() string { return name("policy_verdict", "POLICY_", uint64(v)) }

// String is the reason as people see it: "guard_address".
func (r RowDropReason) String() string { return name("drop_reason", "DROP_", uint64(r)) }

// String is the verdict as people see it: "relay".
func (v RowVerdict) String() string { return name("verdict", "VERDICT_", uint64(v)) }

// String is the stage as people see it: "guard".
func (s RowStage) String() string { return name("stage", "STAGE_", uint64(s)) }

// String is the map as people see it: "paths".
func (t RowTable) String() string { return name("table", "TABLE_", uint64(t)) }

// KeySize is the length of the map's keys in bytes; 0 when it has no such map.
func (t RowTable) KeySize() int {
	if m := row().Maps[t.String()]; m != nil {
		return int(m.KeySize)
	}
	return 0
}

// String is the kind of access as people see it: "hit".
func (a RowAccess) String() string { return name("access", "ACCESS_", uint64(a)) }

// String is the state as people see it: "learned".
func (s RowPathState) String() string { return name("path_state", "PATH_", uint64(s)) }

// String is the program as people see it, and as its object names it: "turn".
func (p RowProgram) String() string { return name("program", "PROGRAM_", uint64(p)) }

// name looks a value of an enum up in the type information of the object, where
// the C compiler wrote it down. A value without a name is shown as its number.
func name(enum, prefix string, value uint64) string {
	if n, ok := enums()[enum][value]; ok {
		return strings.ToLower(strings.TrimPrefix(n, prefix))
	}
	return fmt.Sprintf("%s(%d)", enum, value)
}

// row is the object with all maps and types. It is part of the binary, so that
// it cannot be read is a mistake of the build.
var row = sync.OnceValue(func() *ebpf.CollectionSpec {
	spec, err := LoadRow()
	if err != nil {
		panic(fmt.Sprintf("read the embedded object: %v", err))
	}
	return spec
})

// enums has the names of all enums' values.
var enums = sync.OnceValue(func() map[string]map[uint64]string {
	all := map[string]map[uint64]string{}
	for t, err := range row().Types.All() {
		if err != nil {
			panic(fmt.Sprintf("read the types of the embedded object: %v", err))
		}
		enum, ok := t.(*btf.Enum)
		if !ok {
			continue
		}
		values := map[uint64]string{}
		for _, v := range enum.Values {
			values[v.Value] = v.Name
		}
		all[enum.Name] = values
	}
	return all
})
