// SPDX-License-Identifier: Apache-2.0

// Package machine starts virtual machines under qemu without any help of the
// processor (TCG), and talks to the program inside. Nothing of a machine outlives
// the process that started it: it has no files, and the kernel ends it when its
// parent is gone, however that ended.
package machine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/rpc"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/e2e/kernel/order"
)

// Emulator is the program of Debian's package qemu-system-x86.
const Emulator = "qemu-system-x86_64"

// Config is a machine.
type Config struct {
	Name string
	// Kernel is the file of a kernel, Initramfs a file of package image.
	Kernel    string
	Initramfs *os.File
	// Memory in MiB.
	Memory int
	// Ports are the machine's devices on the underlay.
	Ports []Port
}

// Port is a device virtio-net.
type Port struct {
	MAC state.MAC
	// Cable is one end of a pair of datagram sockets, one datagram a frame.
	Cable *os.File
}

// Machine is one that runs. Close it.
type Machine struct {
	name   string
	client *rpc.Client
	cancel context.CancelFunc
	// ended is closed when the emulator has, and died says why.
	ended chan struct{}
	died  error

	mu  sync.Mutex
	log strings.Builder
}

// Start starts a machine and waits until it has booted; it lives until ctx is done
// at the latest.
func Start(ctx context.Context, c Config) (*Machine, error) {
	ours, theirs, err := pair(unix.SOCK_STREAM)
	if err != nil {
		return nil, fmt.Errorf("machine %s: %w", c.Name, err)
	}
	defer theirs.Close()
	conn, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		return nil, fmt.Errorf("machine %s: its second serial line: %w", c.Name, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	m := &Machine{name: c.Name, cancel: cancel, ended: make(chan struct{})}
	command := exec.CommandContext(ctx, Emulator, c.arguments()...)
	command.ExtraFiles = []*os.File{c.Initramfs, theirs}
	for _, p := range c.Ports {
		command.ExtraFiles = append(command.ExtraFiles, p.Cable)
	}
	command.Stdout, command.Stderr = (*console)(m), (*console)(m)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go m.run(command, conn, started)
	if err := <-started; err != nil {
		cancel()
		return nil, errors.Join(fmt.Errorf("machine %s: start %s: %w", c.Name, Emulator, err), conn.Close())
	}
	if err := order.AwaitGreeting(conn); err != nil {
		return nil, errors.Join(fmt.Errorf("machine %s: boot: %w; its log:\n%s", c.Name, err, m.Log()), m.end())
	}
	m.client = rpc.NewClient(conn)
	return m, nil
}

// run starts the emulator and waits for its end, both on one thread: the kernel
// ends the emulator with the thread that started it.
func (m *Machine) run(command *exec.Cmd, conn net.Conn, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(m.ended)
	err := command.Start()
	started <- err
	if err != nil {
		return
	}
	m.died = command.Wait()
	conn.Close() // ends the calls that wait
}

// The descriptors that an emulator finds open, by their place in ExtraFiles.
const (
	initramfs = 3
	serial    = 4
	cables    = 5
)

func (c Config) arguments() []string {
	all := []string{
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
		"-machine", "pc,accel=tcg", "-cpu", "max", "-smp", "1", "-m", fmt.Sprint(c.Memory),
		"-kernel", c.Kernel, "-initrd", fmt.Sprintf("/proc/self/fd/%d", initramfs),
		"-append", "console=ttyS0 panic=-1 quiet mitigations=off random.trust_cpu=on",
		"-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
		"-chardev", fmt.Sprintf("socket,id=line,fd=%d", serial), "-serial", "chardev:line",
	}
	for i, p := range c.Ports {
		all = append(all,
			"-netdev", fmt.Sprintf("dgram,id=port%d,local.type=fd,local.str=%d", i, cables+i),
			"-device", fmt.Sprintf("virtio-net-pci,netdev=port%d,mac=%s,romfile=", i, p.MAC))
	}
	return all
}

// pair is a pair of connected sockets of a kind.
func pair(kind int) (one, two *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make a pair of sockets: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs"), nil
}

// Call lets the guest do something and waits for the answer.
func (m *Machine) Call(ctx context.Context, method string, argument, answer any) error {
	call := m.client.Go(order.Service+"."+method, argument, answer, make(chan *rpc.Call, 1))
	select {
	case <-call.Done:
		if call.Error != nil {
			return fmt.Errorf("machine %s: %s: %w", m.name, method, call.Error)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("machine %s: %s: %w", m.name, method, context.Cause(ctx))
	}
}

// console takes what a machine's first serial line and the emulator say.
type console Machine

func (c *console) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.log.Write(b)
}

// Log is all that the machine's kernel has said.
func (m *Machine) Log() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.log.String()
}

// Close ends the machine and waits for that. A machine that had ended by itself
// is an error.
func (m *Machine) Close() error {
	var err error
	select {
	case <-m.ended:
		err = fmt.Errorf("machine %s had ended: %w", m.name, errors.Join(errEnded, m.died))
	default:
	}
	return errors.Join(err, m.end())
}

// end ends the emulator, if it has not ended, and waits for that.
func (m *Machine) end() error {
	m.cancel()
	<-m.ended
	if m.client != nil {
		_ = m.client.Close() // its connection is closed already
	}
	return nil
}

var errEnded = errors.New("the first process, or the emulator, has failed; see the machine's log")
