// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/mizar-net/mizar/bpf"
	"github.com/mizar-net/mizar/dataplane/attached"
	"github.com/mizar-net/mizar/dataplane/clock"
	"github.com/mizar-net/mizar/dataplane/flow"
	"github.com/mizar-net/mizar/dataplane/names"
)

// stateHelp says what each state means.
var stateHelp = map[bpf.RowFlowState]string{
	bpf.RowFlowStateFLOW_OPENING:     "one side has spoken, the other not yet",
	bpf.RowFlowStateFLOW_REPLIED:     "TCP: SYN and SYN-ACK were seen, the third packet not yet",
	bpf.RowFlowStateFLOW_ESTABLISHED: "both sides have spoken",
	bpf.RowFlowStateFLOW_CLOSING:     "TCP: one side has closed (FIN)",
	bpf.RowFlowStateFLOW_CLOSED:      "TCP: both sides have closed, or one has reset it",
	bpf.RowFlowStateFLOW_CHOSEN:      "it has a backend, and is not judged yet",
	bpf.RowFlowStateFLOW_CUT:         "policy has changed and refuses it: both directions are dropped",
}

func flowsCommand() *cobra.Command {
	var f filter
	var output string
	c := &cobra.Command{
		Use:   "flows",
		Short: "Show the flow entries of hosts on this machine, and their states",
		Long: `Show the flow entries of hosts on this machine: each conversation that its
programs track, once for each host that delivers or sends it. Hosts are found by
the programs at devices, in this network namespace and in those under /run/netns.

` + columnHelp() + `
States, and how long an entry stays without another packet:

` + statesHelp() + `
Exit codes: 0 flows, or that there are none; 1 no host of Mizar's is on this
machine, or not the one asked for; 2 anything else.`,
		Example: `  mizar get flows
  mizar get flows --vni 100 --proto tcp --port 443
  mizar get flows --address 10.0.0.0/24 --state opening,replied
  mizar get flows --host tour/h1 --endpoint red-1
  mizar get flows -o json | jq '.[] | select(.leftSeconds == 0)'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := errors.Join(f.check(), oneOf("output", output, "text", "json")); err != nil {
				return err
			}
			now, err := clock.Kernel{}.Now()
			if err != nil {
				return err
			}
			hosts, err := here()
			if err != nil {
				return err
			}
			return show{cmd.OutOrStdout(), cmd.ErrOrStderr()}.flows(hosts, &f, now, output)
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.host, "host", "", "of one host: its `name`, as it is shown, or its network namespace")
	flags.StringVar(&f.endpoint, "endpoint", "", "of an endpoint behind a host, by `name`")
	flags.Uint32Var(&f.vni, "vni", 0, "of the VPC with this VNI")
	flags.StringSliceVar(&f.addresses, "address", nil, "of these `addresses` or prefixes, at either end")
	flags.UintSliceVar(&f.ports, "port", nil, "of these `ports`, at either end")
	flags.StringSliceVar(&f.protocols, "proto", nil, "of these `protocols`, by name or number")
	flags.StringSliceVar(&f.states, "state", nil, "in these `states`")
	flags.StringVarP(&output, "output", "o", "text", "text or json")
	return c
}

// columnHelp says what the columns are.
func columnHelp() string {
	return `FROM opened the flow. Where an end is behind the host, its endpoint stands in
brackets; else the other host, if the way there was learned. The port of ICMP is
the identifier of who asks. SEEN is how long ago the last packet was, a few
seconds coarse; LEFT how long the entry stays without another, "due" if its time
is up and nobody has collected it (an agent does; a standing network has none, see
mizar sim tend). IDENTITIES are those of both ends, - where not known. EGRESS and
INGRESS are the rules that accepted it at this host, by number (#7) where names
are not known; - where no policy isolates the endpoint.
`
}

// statesHelp says what the states mean and what their time-outs are.
func statesHelp() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for s := bpf.RowFlowStateFLOW_OPENING; s <= bpf.RowFlowStateFLOW_CHOSEN; s++ {
		fmt.Fprintf(w, "  %s\t%s\n\t", s, stateHelp[s])
		if strings.HasPrefix(stateHelp[s], "TCP:") {
			fmt.Fprintf(w, "%s\n", short(flow.Timeout(6, s)))
			continue
		}
		fmt.Fprintf(w, "TCP %s, ICMP %s, others %s\n", short(flow.Timeout(6, s)), short(flow.Timeout(1, s)), short(flow.Timeout(17, s)))
	}
	w.Flush()
	return b.String()
}

// here reads all hosts of this machine.
func here() (hosts []host, err error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("this reads maps in the kernel, which needs root: run it with sudo")
	}
	all, err := attached.Find()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, attached.CloseAll(all)) }()
	for _, d := range all {
		h, err := hostOf(d)
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, h)
	}
	if len(hosts) == 0 {
		return nil, fmt.Errorf("hosts of Mizar's are %w: no program of its is at any device, here or in a namespace under /run/netns; mizar sim up tour makes some", ErrNotHere)
	}
	return hosts, nil
}

func hostOf(d *attached.Datapath) (h host, err error) {
	h.namespace = d.Namespace
	if h.names, err = names.Read(names.Dir, d.ID); err != nil {
		return h, err
	}
	if h.settled, err = d.Tables.Flows.All(); err != nil {
		return h, fmt.Errorf("read the flows of %s: %w", h.title(), err)
	}
	if h.openings, err = d.Tables.Openings.All(); err != nil {
		return h, fmt.Errorf("read the flows of %s that open: %w", h.title(), err)
	}
	return h, nil
}

// title is what a host is called: "tour/h1", its namespace if it left no name.
func (h host) title() string {
	switch {
	case h.names.Network != "":
		return h.names.Network + "/" + h.names.Host
	case h.names.Host != "":
		return h.names.Host
	case h.namespace != "":
		return h.namespace
	}
	return "(this machine)"
}

// show is where output goes: flows, and what is said about them.
type show struct{ flowsTo, aside io.Writer }

func (s show) flows(hosts []host, f *filter, now time.Duration, output string) error {
	hosts, err := f.hosts(hosts)
	if err != nil {
		return err
	}
	all := []Flow{}
	for _, h := range hosts {
		for _, g := range h.flows(now) {
			if f.wants(g) {
				all = append(all, g)
			}
		}
	}
	if output == "json" {
		enc := json.NewEncoder(s.flowsTo)
		enc.SetIndent("", "  ")
		return enc.Encode(all)
	}
	if len(all) == 0 {
		_, err := fmt.Fprintf(s.aside, "no such flows at %d hosts\n", len(hosts))
		return err
	}
	return writeTable(s.flowsTo, all)
}
