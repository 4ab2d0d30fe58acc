// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"

	"github.com/mizar-net/mizar/bench/machine"
	"github.com/mizar-net/mizar/bench/probe"
	"github.com/mizar-net/mizar/bench/suite"
	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/topology/netns"
)

// replayer is a rig that recorded frames go through.
type replayer struct {
	*rig
	name      string
	generator *probe.MixGenerator
	closers   []func() error
	// arriving is the length that each frame has at the sink; 0: it does not
	// get there.
	arriving []int
	// gross is what a frame took the last time.
	gross   float64
	samples []float64
	// delivered is the least part that arrived.
	delivered float64
}

// newReplayer builds a rig and fills it with programs.
func newReplayer(ctx context.Context, name string, frames [][]byte, fill func(*replayer, [][]byte) error) (*replayer, error) {
	laid, err := build(ctx, replayUnderlay)
	if err != nil {
		return nil, err
	}
	r := &replayer{rig: laid, name: name, delivered: 1}
	for _, step := range []func([][]byte) error{r.generate, func(f [][]byte) error { return fill(r, f) }} {
		if err := step(frames); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", name, err), r.close())
		}
	}
	return r, nil
}

func (r *replayer) close() error {
	errs := []error{r.rig.close()}
	for _, f := range r.closers {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// finish closes, and adds what went wrong to an error.
func (r *replayer) finish(err *error) { *err = errors.Join(*err, r.close()) }

// generate makes the generator, and puts its sink at the receiver.
func (r *replayer) generate(frames [][]byte) error {
	device, err := r.device()
	if err != nil {
		return err
	}
	recorded := make([]probe.Recorded, len(frames))
	for i, f := range frames {
		recorded[i].Frame = f
	}
	if r.generator, err = probe.NewMixGenerator(device, recorded); err != nil {
		return err
	}
	r.closers = append(r.closers, r.generator.Close)
	err = r.room.InEndpoint(receiver, func() error {
		l, err := netlink.LinkByName(netns.Device)
		if err != nil {
			return err
		}
		return netlink.LinkSetXdpFdWithFlags(l, r.generator.Sink().FD(), driverMode)
	})
	if err != nil {
		return fmt.Errorf("put the sink at %s: %w", receiver, err)
	}
	return nil
}

// floor is the least that two hosts can do. All frames arrive as they were.
func (r *replayer) floor(frames [][]byte) error {
	var all [3]*ebpf.Program
	for i, at := range []struct {
		name string
		out  int
	}{{"encapsulate_out", r.hosts[0].wire}, {"decapsulate_out", r.hosts[0].port}, {"decapsulate_out", r.hosts[1].port}} {
		p, err := probe.LoadForwarder(at.name, probe.LiveOptions{Out: at.out, Outer: outer[replayFamily]})
		if err != nil {
			return err
		}
		all[i], r.closers = p, append(r.closers, p.Close)
	}
	for _, f := range frames {
		r.arriving = append(r.arriving, len(f))
	}
	return r.attach(all[0], all[1], all[2])
}

// network is the way through the programs, learned. What has to arrive is what
// they let through, one frame at a time.
func (r *replayer) network(frames [][]byte) error {
	var paths [2]*dataplane.Datapath
	for n, h := range r.hosts {
		d, err := dataplane.Load(dataplane.Options{TokenSecret: 1})
		if err != nil {
			return err
		}
		paths[n], r.closers = d, append(r.closers, d.Close)
		if _, err := d.Apply(h.state, h.local); err != nil {
			return err
		}
	}
	err := errors.Join(
		paths[0].Learn(vni, endpoint(4, 1), r.hosts[1].state.Name),
		paths[0].Learn(vni, endpoint(6, 1), r.hosts[1].state.Name),
		r.attach(paths[0].Endpoint(), paths[0].Uplink(), paths[1].Uplink()),
	)
	for i, f := range frames {
		if err != nil {
			return err
		}
		var n int
		if n, err = r.walk(paths, f); err != nil {
			err = fmt.Errorf("packet %d: %w", i+1, err)
		}
		r.arriving = append(r.arriving, n)
	}
	return err
}

// xdpRedirect is XDP_REDIRECT of linux/bpf.h: the verdict of a frame that goes on.
const xdpRedirect = 4

// walk is the length that a frame has behind both hosts' programs; 0: it does not
// get there.
func (r *replayer) walk(paths [2]*dataplane.Datapath, f []byte) (int, error) {
	for n, at := range []struct {
		program *ebpf.Program
		device  int
	}{{paths[0].Endpoint(), r.hosts[0].port}, {paths[1].Uplink(), r.hosts[1].wire}} {
		var action uint32
		err := r.room.InHost(r.hosts[n].state.Name, func() (err error) {
			action, f, err = probe.Once(at.program, f, at.device)
			return err
		})
		if err != nil || action != xdpRedirect {
			return 0, err
		}
	}
	return len(f), nil
}

// expected is which part of the frames has to arrive.
func (r *replayer) expected() float64 {
	frames, _ := r.due(uint64(len(r.arriving)))
	return float64(frames) / float64(len(r.arriving))
}

// due is how many of the frames that were sent have to arrive, and their bytes.
func (r *replayer) due(sent uint64) (frames, bytes uint64) {
	n := uint64(len(r.arriving))
	for i, length := range r.arriving {
		times := sent / n
		if uint64(i) < sent%n {
			times++
		}
		if length > 0 {
			frames += times
			bytes += times * uint64(length)
		}
	}
	return frames, bytes
}

// repetitions fill a sample.
func (r *replayer) repetitions(p suite.Plan) int {
	if r.gross == 0 {
		return 1
	}
	return int(float64(p.Sample.Nanoseconds()) / r.gross)
}

// fly does something on the measured CPU, from the sender.
func (r *replayer) fly(cpu int, what func() (probe.Flight, error)) (f probe.Flight, err error) {
	err = r.room.InEndpoint(sender, func() error {
		if err := machine.Pin(cpu); err != nil {
			return err
		}
		f, err = what()
		return err
	})
	return f, err
}

// take implements turn. A sample is nanoseconds for a frame that was sent, if
// all arrive that have to.
func (r *replayer) take(cpu int, p suite.Plan) error {
	f, err := r.fly(cpu, func() (probe.Flight, error) { return r.generator.Run(r.repetitions(p)) })
	if err != nil {
		return fmt.Errorf("%s: %w", r.name, err)
	}
	frames, bytes := r.due(f.Sent)
	if err := r.settle(&f, frames); err != nil {
		return fmt.Errorf("%s: %w", r.name, err)
	}
	if f.Arrived > frames || f.Bytes > bytes || f.Arrived == frames && f.Bytes != bytes {
		return fmt.Errorf("%s: of %d frames %d with %d bytes have to arrive, %d with %d did: programs and sink disagree",
			r.name, f.Sent, frames, bytes, f.Arrived, f.Bytes)
	}
	share := 1.0
	if frames > 0 {
		share = float64(f.Arrived) / float64(frames)
	}
	if share < 0.5 {
		return fmt.Errorf("%s: of %d frames %d have to arrive, only %d did: the rest was lost on the way", r.name, f.Sent, frames, f.Arrived)
	}
	r.gross = f.Gross
	if p.Sample > 0 {
		r.samples = append(r.samples, f.Gross/share)
		r.delivered = min(r.delivered, float64(f.Arrived)/float64(f.Sent))
	}
	return nil
}

// settle waits for the last frames of a run.
func (r *replayer) settle(f *probe.Flight, frames uint64) error {
	for end := time.Now().Add(patience); f.Arrived < frames && time.Now().Before(end); time.Sleep(tick) {
		if err := r.generator.Count(f); err != nil {
			return err
		}
	}
	return nil
}

// silent is the generator of a rig, that sends nothing.
type silent struct {
	*replayer
	samples []float64
}

// take implements turn.
func (s *silent) take(cpu int, p suite.Plan) error {
	f, err := s.fly(cpu, func() (probe.Flight, error) { return s.generator.Alone(s.repetitions(p)) })
	if err != nil {
		return fmt.Errorf("generator: %w", err)
	}
	if p.Sample > 0 {
		s.samples = append(s.samples, f.Gross)
	}
	return nil
}
