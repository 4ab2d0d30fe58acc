// SPDX-License-Identifier: Apache-2.0

// Package link says what becomes of frames between a host's uplink and the
// underlay: lost, late, too big. It is pure and the same for both wires; the
// kernel here has no netem, so they ask it frame by frame.
//
//	host ── out ──► Line ──► underlay ──► Line ── in ──► host
//
// What is lost depends on the seed, the host, the direction and how many frames
// went before, and on nothing else, so a run can be repeated.
package link

import (
	"fmt"
	"hash/fnv"
	"strings"
	"time"
)

// Link is the way between a host and the underlay. The zero value is perfect.
type Link struct {
	// Down carries nothing, as with a switch that failed: the carrier stays.
	Down bool
	// MTU is the largest IP packet that some hop on the way carries, in bytes;
	// 0: any.
	MTU int
	// In is towards the host, Out away from it.
	In, Out Way
}

// Way is one direction. The zero value is perfect.
type Way struct {
	// Loss is how many frames of a hundred are lost, at random.
	Loss int
	// Delay is added to every frame.
	Delay time.Duration
	// Rate is how much is carried in kilobits a second, frames one after the
	// other; 0: any.
	Rate int
}

// String is what is wrong with the link: "loss 20% in, delay 5ms out".
func (l Link) String() string {
	var parts []string
	if l.Down {
		parts = append(parts, "down")
	}
	if l.MTU > 0 {
		parts = append(parts, fmt.Sprintf("MTU %d", l.MTU))
	}
	for _, w := range []struct {
		Way
		name string
	}{{l.In, "in"}, {l.Out, "out"}} {
		if w.Loss > 0 {
			parts = append(parts, fmt.Sprintf("loss %d%% %s", w.Loss, w.name))
		}
		if w.Delay > 0 {
			parts = append(parts, fmt.Sprintf("delay %v %s", w.Delay, w.name))
		}
		if w.Rate > 0 {
			parts = append(parts, fmt.Sprintf("%d kbit/s %s", w.Rate, w.name))
		}
	}
	if len(parts) == 0 {
		return "perfect"
	}
	return strings.Join(parts, ", ")
}

// The reasons why a packet is lost outside of all programs. They are counted
// beside the programs' drop reasons.
const (
	// Down: the link carries nothing.
	Down = "link_down"
	// Loss: the link lost it at random.
	Loss = "link_loss"
	// TooBig: it does not fit through the link.
	TooBig = "link_mtu"
	// Dead: the sender's host is dead, and its endpoints with it.
	Dead = "host_down"
	// NoPort: the host's agent has not said where the endpoint is, or still says
	// so although it is gone.
	NoPort = "no_port"
)

// Reasons are all of them.
func Reasons() []string { return []string{Down, Loss, TooBig, Dead, NoPort} }

// Line is one direction of a host's link, frame after frame.
type Line struct {
	seed   uint64
	frames uint64
	// free is when the frame before is through.
	free time.Duration
}

// NewLine returns the line of a host ("in" or "out") in a run with a seed.
func NewLine(seed int, host, direction string) *Line {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d/%s/%s", seed, host, direction) // a hash.Hash never fails
	return &Line{seed: h.Sum64()}
}

// Carry says when a frame that comes at now is through, or why it never is. down,
// mtu and way are how the link is now; packet is the length of the frame's IP
// packet.
func (n *Line) Carry(l Link, w Way, packet int, now time.Duration) (at time.Duration, lost string) {
	switch {
	case l.Down:
		return 0, Down
	case l.MTU > 0 && packet > l.MTU:
		return 0, TooBig
	}
	if w.Loss > 0 {
		n.frames++
		if Roll(n.seed+n.frames) < w.Loss {
			return 0, Loss
		}
	}
	at = now
	if w.Rate > 0 {
		at = max(now, n.free) + time.Duration(packet)*8*time.Second/time.Duration(w.Rate*1000)
		n.free = at
	}
	return at + w.Delay, ""
}

// Roll is a number from 0 to 99 that depends on n alone, and looks random
// (splitmix64).
func Roll(n uint64) int {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return int((n ^ n>>31) % 100)
}

// PacketLength is the length of a frame without its Ethernet header and VLAN tag.
func PacketLength(frame []byte) int {
	const header, tag = 14, 4
	n := len(frame) - header
	if len(frame) > header && frame[12] == 0x81 && frame[13] == 0 {
		n -= tag
	}
	return n
}
