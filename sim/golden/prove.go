// SPDX-License-Identifier: Apache-2.0

package golden

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/mizar-net/mizar/sim/frame"
)

// Proof says what a golden capture was proven by.
type Proof struct {
	// Frames is how many there are. Each was proven by our own checksums
	// and read alike by gopacket.
	Frames int
	// Tshark says that a third decoder was on the machine and agrees too:
	// on every checksum, address and VNI, with nothing malformed.
	Tshark bool
}

// Prove proves a golden capture as [Read] does, and with tshark where that is
// installed; the proof says whether it was.
func Prove(ctx context.Context, file string) (Proof, error) {
	frames, err := Read(file)
	if err != nil {
		return Proof{}, err
	}
	p := Proof{Frames: len(frames)}
	path, err := exec.LookPath("tshark")
	if err != nil {
		return p, nil
	}
	rows, err := dissect(ctx, path, file)
	if err != nil {
		return p, err
	}
	if len(rows) != len(frames) {
		return p, fmt.Errorf("prove %s: tshark reads %d packets, we read %d", file, len(rows), len(frames))
	}
	for i, row := range rows {
		if err := judge(row, frames[i].Bytes); err != nil {
			return p, fmt.Errorf("prove %s: packet %d: tshark disagrees: %w", file, i+1, err)
		}
	}
	p.Tshark = true
	return p, nil
}

// columns are the fields that tshark is asked for, outermost value first.
var columns = []string{
	"ip.checksum.status", "udp.checksum.status", "tcp.checksum.status", "icmp.checksum.status",
	"icmpv6.checksum.status", "sctp.checksum.status", "_ws.malformed",
	"geneve.vni", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "eth.src", "eth.dst",
}

// headers are the protocols, by tshark's short names, that must be well formed.
// What a payload means to people is none of our business: a probe's bytes to
// port 53 are no DNS.
var headers = []string{"Ethernet", "VLAN", "ARP/RARP", "IPv4", "IPv6", "AH", "TCP", "UDP", "ICMP", "ICMPv6", "SCTP", "Geneve"}

// checksums is how many of columns are checksum states.
const checksums = 6

// dissect has tshark read a file: a row of columns for each packet.
func dissect(ctx context.Context, path, file string) ([][]string, error) {
	args := []string{"-n", "-r", file, "-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator=,"}
	for _, option := range []string{
		"ip.check_checksum", "udp.check_checksum", "tcp.check_checksum", "udp.ignore_ipv6_zero_checksum",
	} {
		args = append(args, "-o", option+":TRUE")
	}
	args = append(args, "-o", "sctp.checksum:TRUE", "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE")
	for _, column := range columns {
		args = append(args, "-e", column)
	}
	out, err := exec.CommandContext(ctx, path, args...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
		}
		return nil, fmt.Errorf("prove %s: run tshark: %w", file, err)
	}
	var rows [][]string
	for line := range strings.Lines(string(out)) {
		rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	return rows, nil
}

// judge compares tshark's row of a packet with our reading.
func judge(row []string, b []byte) error {
	if len(row) != len(columns) {
		return fmt.Errorf("%d columns, want %d", len(row), len(columns))
	}
	p, err := frame.Decode(b)
	if err != nil {
		return err
	}
	for i := range checksums {
		for _, status := range strings.Split(row[i], ",") {
			if status == "0" {
				return fmt.Errorf("%s is bad", columns[i])
			}
		}
	}
	list := []error{wellFormed(row[checksums]), agreeVNI(p, row[checksums+1])}
	for i, ours := range ourAddresses(p) {
		column := checksums + 2 + i
		if ours != "" && !contains(row[column], ours) {
			list = append(list, fmt.Errorf("%s: we read %s, it reads %s", columns[column], ours, row[column]))
		}
	}
	return errors.Join(list...)
}

// wellFormed reads complaints such as "[Malformed Packet: SCTP]".
func wellFormed(complaints string) error {
	for _, name := range headers {
		if strings.Contains(complaints, "[Malformed Packet: "+name+"]") {
			return fmt.Errorf("it finds a malformed header: %s", name)
		}
	}
	return nil
}

func agreeVNI(p frame.Packet, theirs string) error {
	ours := ""
	if p.Tunnel {
		ours = fmt.Sprintf("0x%06x", p.VNI)
	}
	// A tunnel inside an inner packet is none of ours.
	if first, _, _ := strings.Cut(theirs, ","); p.Tunnel && first != ours {
		return fmt.Errorf("geneve.vni: we read %s, it reads %s", ours, first)
	}
	return nil
}

// ourAddresses are ours in the order of the last columns; "" for none. Those
// of a tunnel's both sides are joined, as tshark joins them.
func ourAddresses(p frame.Packet) []string {
	list := make([]string, 6)
	put := func(i int, s string) {
		if list[i] != "" {
			s = list[i] + "," + s
		}
		list[i] = s
	}
	if p.Tunnel {
		i := 0
		if p.OuterSrc.Is6() {
			i = 2
		}
		put(i, p.OuterSrc.String())
		put(i+1, p.OuterDst.String())
		put(4, mac(p.OuterSrcMAC))
		put(5, mac(p.OuterDstMAC))
	}
	if p.Inner.Src.IsValid() {
		i := 0
		if p.Inner.Src.Is6() {
			i = 2
		}
		put(i, p.Inner.Src.String())
		put(i+1, p.Inner.Dst.String())
	}
	put(4, mac(p.Inner.SrcMAC))
	put(5, mac(p.Inner.DstMAC))
	return list
}

// contains says that a list begins with ours: an ICMP error's quote may follow.
func contains(theirs, ours string) bool {
	return theirs == ours || strings.HasPrefix(theirs, ours+",")
}
