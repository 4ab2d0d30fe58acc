// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"fmt"
	"io"
	"strings"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/state"
)

// judges says who an endpoint is to policies, where any isolates it.
func judges(e state.Endpoint) string {
	if e.Ingress == "" && e.Egress == "" {
		return ""
	}
	text := fmt.Sprintf(", identity %d", e.Identity)
	for _, set := range []string{e.Ingress, e.Egress} {
		if set != "" {
			text += ", set " + set
		}
	}
	return text
}

// writePolicy writes sets, and what they say of each peer, prefix and port.
func writePolicy(w io.Writer, p state.Policy) {
	classes := map[string]string{}
	for _, c := range p.Classes {
		classes[c.Name] = ranges(c.Ranges)
	}
	for _, s := range p.Sets {
		fmt.Fprintf(w, "  set %s: %s unless\n", s.Name, judgement(s.Default))
		for _, one := range s.Peers {
			fmt.Fprintf(w, "    identity %d: %s\n", one.Identity, classes[one.Class])
		}
		for _, one := range s.Prefixes {
			fmt.Fprintf(w, "    %s: %s\n", one.Prefix, classes[one.Class])
		}
	}
}

// ranges are what becomes of ports, as one text.
func ranges(all []state.PortRange) string {
	var texts []string
	for _, r := range all {
		ports := ""
		switch {
		case r.First == r.Last:
			ports = fmt.Sprintf(" %d", r.First)
		case r.First > 0 || r.Last < 65535:
			ports = fmt.Sprintf(" %d-%d", r.First, r.Last)
		}
		texts = append(texts, protocol(r.Protocol)+ports+" "+judgement(r.Judgement))
	}
	if len(texts) == 0 {
		return "nothing of what shorter ones grant"
	}
	return strings.Join(texts, "; ")
}

func protocol(number uint8) string {
	if name := map[uint8]string{0: "all", 6: "TCP", 17: "UDP", 132: "SCTP"}[number]; name != "" {
		return name
	}
	return fmt.Sprintf("protocol %d", number)
}

func judgement(j state.Judgement) string {
	if j.Rule == "" {
		return j.Verdict.String()
	}
	return fmt.Sprintf("%s (%s)", j.Verdict, j.Rule)
}

// writeConditions tells what of policies and services cannot be done as it was written.
func writeConditions(w io.Writer, set object.Set) error {
	for _, c := range (compile.View{}).Conditions(set) {
		if _, err := fmt.Fprintln(w, "condition:", c); err != nil {
			return fmt.Errorf("write the conditions: %w", err)
		}
	}
	return nil
}
