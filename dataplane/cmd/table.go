// SPDX-License-Identifier: Apache-2.0

package cmd

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"
)

// writeTable prints flows, a line each.
func writeTable(out io.Writer, all []Flow) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "HOST\tVPC\tPROTOCOL\tFROM\tTO\tSTATE\tTABLE\tSEEN\tLEFT\tIDENTITIES\tEGRESS\tINGRESS")
	for _, f := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			f.place(), f.vpc(), f.Protocol, f.opener(), f.target(), f.State, f.Table,
			short(time.Duration(f.SeenSeconds)*time.Second), left(f.LeftSeconds),
			identity(f.From.Identity)+" > "+identity(f.To.Identity), f.Egress, f.Ingress)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write the flows: %w", err)
	}
	return nil
}

// opener is who has opened the flow, and what he is taken for outside.
func (f Flow) opener() string {
	if f.Face != nil {
		return f.From.String() + " as " + f.Face.String()
	}
	return f.From.String()
}

// target is whom the flow was opened to, and what that was translated to or from.
func (f Flow) target() string {
	switch {
	case f.Backend != nil:
		return netip.AddrPortFrom(f.To.Address, f.To.Port).String() + " => " + End{Address: f.Backend.Addr(), Port: f.Backend.Port(), Endpoint: f.To.Endpoint, Host: f.To.Host}.String()
	case f.Frontend != nil:
		return f.To.String() + " as " + f.Frontend.String()
	}
	return f.To.String()
}

// place is the title of the flow's host.
func (f Flow) place() string {
	h := host{namespace: f.Namespace}
	h.names.Network, h.names.Host = f.Network, f.Host
	return h.title()
}

// vpc is the name and the VNI: "red (100)".
func (f Flow) vpc() string {
	if f.VPC == "" {
		return fmt.Sprintf("(%d)", f.VNI)
	}
	return fmt.Sprintf("%s (%d)", f.VPC, f.VNI)
}

// String is address and port, and where that is: "10.0.0.2:4000 [default/a1]".
func (e End) String() string {
	text := netip.AddrPortFrom(e.Address, e.Port).String()
	if e.Port == 0 {
		text = e.Address.String()
	}
	switch {
	case e.Endpoint != nil:
		return text + " [" + strings.TrimPrefix(e.Endpoint.String(), "default/") + "]"
	case e.Host != nil:
		return text + " at " + e.Host.String()
	}
	return text
}

// String is the rule, or the set where a flow is let through by none.
func (j *Judged) String() string {
	switch {
	case j == nil:
		return "-"
	case j.Rule == nil:
		return "set " + j.Set.String()
	}
	return j.Rule.String()
}

func identity(n uint32) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

func left(seconds int) string {
	if seconds == 0 {
		return "due"
	}
	return short(time.Duration(seconds) * time.Second)
}

// short is a duration in at most two units: "7s", "5m", "2h4m".
func short(d time.Duration) string {
	d = d.Round(time.Second)
	hours, minutes, seconds := d/time.Hour, d%time.Hour/time.Minute, d%time.Minute/time.Second
	switch {
	case hours > 0 && minutes > 0:
		return fmt.Sprintf("%dh%dm", hours, minutes)
	case hours > 0:
		return fmt.Sprintf("%dh", hours)
	case minutes > 0 && seconds > 0:
		return fmt.Sprintf("%dm%ds", minutes, seconds)
	case minutes > 0:
		return fmt.Sprintf("%dm", minutes)
	}
	return fmt.Sprintf("%ds", seconds)
}
