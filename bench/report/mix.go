// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/mizar-net/mizar/bench/sample"
)

// All is the part of a mix that has every packet.
const All = "all"

// Mix is what recorded traffic costs.
type Mix struct {
	// Parts are the packets by verdict; the last one is [All].
	Parts []Part `json:"parts"`
	Sizes Sizes  `json:"sizes"`
	// TooLong, TooMany and Unreadable are packets that were left out.
	TooLong    int `json:"too_long,omitempty"`
	TooMany    int `json:"too_many,omitempty"`
	Unreadable int `json:"unreadable,omitempty"`
}

// Part is the packets that meet one verdict.
type Part struct {
	Verdict string `json:"verdict"`
	Packets int    `json:"packets"`
	// Loads are nanoseconds a packet, load by load.
	Loads []sample.Spread `json:"loads"`
}

// Add takes on a part, or one more load of it.
func (m *Mix) Add(p Part) {
	for i := range m.Parts {
		if m.Parts[i].Verdict == p.Verdict {
			m.Parts[i].Loads = append(m.Parts[i].Loads, p.Loads...)
			return
		}
	}
	m.Parts = append(m.Parts, p)
}

// Cost is the median of the loads.
func (p Part) Cost() sample.Spread {
	f := Figure{}
	for _, l := range p.Loads {
		f.Loads = append(f.Loads, Load{Program: l})
	}
	return f.Net()
}

// Sizes are the lengths of frames, in bytes.
type Sizes struct {
	Mean float64 `json:"mean"`
	// Buckets count frames of at most so many bytes, and more than the one
	// before.
	Buckets []Bucket `json:"buckets"`
}

// Bucket is one bar of a histogram.
type Bucket struct {
	Most    int `json:"most"`
	Packets int `json:"packets"`
}

// NewSizes counts frames by length.
func NewSizes(lengths []int) Sizes {
	s := Sizes{}
	for _, most := range []int{64, 128, 256, 512, 1024, 1514} {
		s.Buckets = append(s.Buckets, Bucket{Most: most})
	}
	sum := 0
	for _, n := range lengths {
		sum += n
		for i := range s.Buckets {
			if n <= s.Buckets[i].Most || i == len(s.Buckets)-1 {
				s.Buckets[i].Packets++
				break
			}
		}
	}
	if len(lengths) > 0 {
		s.Mean = float64(sum) / float64(len(lengths))
	}
	return s
}

// WriteMix prints a mix for people.
func WriteMix(w io.Writer, machine Machine, m Mix) error {
	fmt.Fprintln(w, machine)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "VERDICT\tPACKETS\tP5\tMEDIAN\tP90\tMPPS\tGBIT/S\t")
	for _, p := range m.Parts {
		n := p.Cost()
		gbit := "-"
		if p.Verdict == All {
			gbit = fmt.Sprintf("%.1f", 8*m.Sizes.Mean/n.Median)
		}
		fmt.Fprintf(t, "%s\t%d\t%.0f\t%.0f\t%.0f\t%.2f\t%s\t\n", p.Verdict, p.Packets, n.P5, n.Median, n.P90, 1000/n.Median, gbit)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "sizes: mean %.0f bytes", m.Sizes.Mean)
	for _, b := range m.Sizes.Buckets {
		fmt.Fprintf(w, ", ≤ %d: %d", b.Most, b.Packets)
	}
	if m.TooLong+m.TooMany+m.Unreadable > 0 {
		fmt.Fprintf(w, "\nleft out: %d longer than a frame, %d beyond the first 16384, %d that cannot be read",
			m.TooLong, m.TooMany, m.Unreadable)
	}
	_, err := fmt.Fprintln(w)
	return err
}
