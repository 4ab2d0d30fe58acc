// SPDX-License-Identifier: Apache-2.0

// Package lab keeps scenarios' networks up for people to work in: `mizar sim
// up`, `exec`, `list` and `down`. A lab is a machine room with a name and the
// programs in it; it needs no process and is gone with `down` or a reboot.
package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"syscall"

	"github.com/mizar-net/mizar/dataplane"
	"github.com/mizar-net/mizar/dataplane/names"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/wire/veth"
	"github.com/mizar-net/mizar/topology"
	"github.com/mizar-net/mizar/topology/netns"
)

// Lab is one that is up.
type Lab = netns.Named

// Report says how the devices of a lab are set.
type Report struct {
	// Offloads of all devices, with the modes of their programs.
	Offloads []netns.Offload
	// Fallbacks are the devices that fell back to generic XDP, and why.
	Fallbacks []string
}

// Write prints the report.
func (r Report) Write(w io.Writer) error { return veth.WriteReport(w, r.Offloads, r.Fallbacks) }

// Up builds a lab in which every host holds its state, and leaves it. After an
// error, or when ctx ends, nothing stays behind.
func Up(ctx context.Context, name string, hosts []state.Host) (Report, error) {
	return UpOver(ctx, name, topology.Underlay{}, hosts)
}

// UpOver is [Up] on an underlay with segments and routers. Hosts keep the next
// hops that they find; a change of the underlay afterwards is not followed.
func UpOver(ctx context.Context, name string, u topology.Underlay, hosts []state.Host) (Report, error) {
	if name == "" {
		return Report{}, errors.New("a lab needs a name")
	}
	plan, err := topology.Over(u, hosts)
	if err != nil {
		return Report{}, fmt.Errorf("bring lab %s up: %w", name, err)
	}
	room, err := netns.Build(ctx, plan, netns.Options{Name: name})
	if err != nil {
		return Report{}, fmt.Errorf("bring lab %s up: %w", name, err)
	}
	err = program(ctx, room, hosts)
	if err == nil {
		err = room.Ready(ctx)
	}
	if err != nil {
		return Report{}, errors.Join(fmt.Errorf("bring lab %s up: %w", name, err), room.Close(), names.RemoveNetwork(names.Dir, name))
	}
	r := Report{Offloads: room.Offloads(), Fallbacks: room.Fallbacks()}
	return r, room.Release()
}

// program makes every host hold its state. The programs stay at their devices
// and keep their maps, and a pin keeps what those need; the process keeps nothing.
func program(ctx context.Context, room *netns.Net, hosts []state.Host) (err error) {
	var all []string
	for _, h := range hosts {
		all = append(all, h.Name)
	}
	paths, err := veth.LoadLive(ctx, all)
	if err != nil {
		return err
	}
	for _, h := range hosts {
		d := paths[h.Name]
		if err == nil {
			err = errors.Join(ctx.Err(), programOne(ctx, room, h, d))
		}
		if closing := d.Close(); closing != nil {
			err = errors.Join(err, fmt.Errorf("host %s: %w", h.Name, closing))
		}
	}
	return err
}

func programOne(ctx context.Context, room *netns.Net, h state.Host, d *dataplane.Datapath) error {
	local, err := veth.Resolve(ctx, room, h)
	if err != nil {
		return err
	}
	if _, err := d.Apply(h, local); err != nil {
		return fmt.Errorf("host %s: %w", h.Name, err)
	}
	if err := veth.AttachAll(room, h, d); err != nil {
		return err
	}
	return veth.Leave(room, h.Name, d)
}

// List returns all labs of this machine, sorted by name, also what is left of
// one whose builder was killed: its state says so.
func List() ([]Lab, error) { return netns.List() }

// Down takes a lab down, whatever is left of it. Processes inside keep their
// namespaces until they end.
func Down(name string) error {
	if err := netns.Down(name); err != nil {
		return err
	}
	return names.RemoveNetwork(names.Dir, name)
}

// DownAll takes all labs down, whatever is left of them, and returns those that
// are gone. A lab that a living process builds is left alone, and is an error.
func DownAll() ([]Lab, error) {
	labs, err := List()
	if err != nil {
		return nil, err
	}
	var gone []Lab
	var errs []error
	for _, l := range labs {
		if err := Down(l.Name); err != nil {
			errs = append(errs, err)
			continue
		}
		gone = append(gone, l)
	}
	return gone, errors.Join(append(errs, forgetNames())...)
}

// forgetNames removes the names that killed processes have left of labs that are
// not there any more.
func forgetNames() error {
	networks, err := names.Networks(names.Dir)
	if err != nil {
		return err
	}
	labs, err := List()
	if err != nil {
		return err
	}
	var errs []error
	for _, network := range networks {
		if !slices.ContainsFunc(labs, func(l Lab) bool { return l.Name == network }) {
			errs = append(errs, names.RemoveNetwork(names.Dir, network))
		}
	}
	return errors.Join(errs...)
}

// Command is something to run inside a lab.
type Command struct {
	// Lab is its name.
	Lab string
	// Who is the host or endpoint to run it at ("default/" may be left out),
	// or "fabric" for the underlay.
	Who string
	// Argv is the command and its arguments, found by the caller's PATH.
	Argv []string
	// Stdin, Stdout and Stderr are the command's; a terminal stays one. Nil
	// means /dev/null.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Exec runs a command and returns its exit code, as a shell would have it: 128
// and the number of the signal that ended it. The error is for a command that
// never ran. When ctx ends, the command is interrupted and waited for.
func Exec(ctx context.Context, c Command) (int, error) {
	if len(c.Argv) == 0 {
		return 0, fmt.Errorf("run at %s in lab %s: there is no command", c.Who, c.Lab)
	}
	cmd := exec.CommandContext(ctx, c.Argv[0], c.Argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Stdin, c.Stdout, c.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	// The child is born in the namespace of the thread that starts it.
	if err := netns.Enter(c.Lab, c.Who, cmd.Start); err != nil {
		return 0, fmt.Errorf("run %s: %w", c.Argv[0], err)
	}
	err := cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, ctx.Err()) {
		return cmd.ProcessState.ExitCode(), fmt.Errorf("run %s: %w", c.Argv[0], err)
	}
	return cmd.ProcessState.ExitCode(), nil
}
