// SPDX-License-Identifier: Apache-2.0

package wire

// Names say what the numbers in one host's rows stand for.
type Names struct {
	// Hosts, Subnets and Endpoints are numbered by the host itself, which is
	// host 0; Ports by its kernel.
	Hosts, Subnets, Endpoints, Ports map[uint32]string
	// Sets and Rules are those of policy, as the host's state names them.
	Sets, Rules map[uint32]string
}

// RowReader is a wire whose steps can tell what stood in the rows they met.
type RowReader interface {
	// ReadRows makes every step from now on do so.
	ReadRows()
}

// RuleReader is a wire whose steps can tell the rules that judged them by their names,
// which costs less than to read rows.
type RuleReader interface {
	// ReadRules makes every step from now on do so.
	ReadRules()
}
