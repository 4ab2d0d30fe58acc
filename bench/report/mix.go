// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// All is the share of recorded traffic that is every packet.
const All = "all"

// Share is which packets of recorded traffic a figure is about.
type Share struct {
	// Verdict is what became of them, or [All].
	Verdict string `json:"verdict"`
	Packets int    `json:"packets"`
	// Bytes is their mean length.
	Bytes float64 `json:"mean_bytes"`
	// Expected is which part of them has to arrive, for live frames: the
	// others are dropped or answered, and rightly.
	Expected float64 `json:"expected,omitempty"`
}

// Rate is millions of packets a second at a figure's median, and what that is in
// Gbit/s at their lengths; zero where the noise is more than the cost.
func (f Figure) Rate() (mpps, gbit float64) {
	n := f.Net().Median
	if n <= 0 {
		return 0, 0
	}
	return 1000 / n, 8 * f.Share.Bytes / n
}

// Mix is recorded traffic that was measured.
type Mix struct {
	Name string `json:"name"`
	File string `json:"file"`
	// Packets took turns; Sizes are theirs.
	Packets int   `json:"packets"`
	Sizes   Sizes `json:"sizes"`
	// TooLong and TooMany are packets that were left out. Forced ones are
	// too broken for more than the bytes of their addresses to be replaced.
	TooLong int `json:"too_long,omitempty"`
	TooMany int `json:"too_many,omitempty"`
	Forced  int `json:"forced,omitempty"`
	// Figures are by verdict, then of all packets, then live. A document
	// has them beside the mix.
	Figures []Figure `json:"-"`
}

// Add takes on a figure, or one more load of it.
func (m *Mix) Add(f Figure) {
	for i := range m.Figures {
		if m.Figures[i].ID() == f.ID() {
			m.Figures[i].Loads = append(m.Figures[i].Loads, f.Loads...)
			return
		}
	}
	m.Figures = append(m.Figures, f)
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

// String is the line under a mix's name.
func (m Mix) String() string {
	s := fmt.Sprintf("%s: %d packets, mean %.0f bytes;", m.Name, m.Packets, m.Sizes.Mean)
	for i, b := range m.Sizes.Buckets {
		if i > 0 {
			s += ","
		}
		s += fmt.Sprintf(" ≤ %d: %d", b.Most, b.Packets)
	}
	for _, odd := range []struct {
		packets int
		what    string
	}{
		{m.TooLong, "left out, longer than a full frame"},
		{m.TooMany, "left out, beyond the first 16384"},
		{m.Forced, "too broken to be understood, address bytes replaced"},
	} {
		if odd.packets > 0 {
			s += fmt.Sprintf("; %d %s", odd.packets, odd.what)
		}
	}
	return s
}

// WriteMixes prints recorded traffic for people.
func WriteMixes(w io.Writer, d Document) error {
	fmt.Fprintln(w, d.Machine)
	fmt.Fprintln(w, d.Plan)
	for _, m := range d.Mixes {
		fmt.Fprintf(w, "\n%s\n", m)
		t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(t, "INSTRUMENT\tVERDICT\tPACKETS\tSAMPLES\tUNIT\tP5\tMEDIAN\tP90\tMPPS\tGBIT/S\tFLOOR\tRATIO\t90 %\tDELIVERED\tEXPECTED\t")
		for _, f := range m.Figures {
			writeShare(t, f)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func writeShare(w io.Writer, f Figure) {
	n := f.Net()
	mpps, gbit := f.Rate()
	ratio, interval := f.Ratio()
	u := f.Unit
	fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\t%s\t%s\t%.2f\t%.1f\t%s %s\t%.2f\t%s\t%s\t%s\t\n", f.Instrument, f.Share.Verdict, f.Share.Packets,
		f.Rounds*len(f.Loads), u, u.format(n.P5), u.format(n.Median), u.format(n.P90), mpps, gbit, f.Floor, u.format(f.FloorCost()), ratio,
		between(interval), delivered(f), expected(f))
}

func expected(f Figure) string {
	if f.Instrument != Live {
		return "-"
	}
	return fmt.Sprintf("%.2f %%", 100*f.Share.Expected)
}
