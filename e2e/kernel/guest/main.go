// SPDX-License-Identifier: Apache-2.0

// Guest is the first process of a virtual machine: it loads the kernel's modules
// and then does what a test tells it by the second serial line. It ends never; the
// test ends the machine.
package main

import (
	"fmt"
	"net/rpc"
	"os"

	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/e2e/kernel/order"
)

// line is the second serial line; the first has the kernel's messages.
const line = "/dev/ttyS1"

func main() {
	if err := serve(); err != nil {
		fmt.Fprintf(os.Stderr, "guest: %v\n", err)
	}
	// The first process must not end: the kernel would panic, and hide why.
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func serve() error {
	if err := settle(); err != nil {
		return err
	}
	tty, err := open(line)
	if err != nil {
		return err
	}
	defer tty.Close()
	server := rpc.NewServer()
	if err := server.RegisterName(order.Service, &guest{hosts: map[string]*host{}}); err != nil {
		return err
	}
	if err := order.Greet(tty); err != nil {
		return err
	}
	server.ServeConn(tty)
	return nil
}

// open opens a serial line that carries bytes as they are.
func open(name string) (*os.File, error) {
	fd, err := unix.Open(name, unix.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	// All flags but these off is what cfmakeraw(3) does, and more.
	raw := unix.Termios{Cflag: unix.CS8 | unix.CREAD | unix.CLOCAL | unix.B115200}
	raw.Cc[unix.VMIN] = 1
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &raw); err != nil {
		return nil, fmt.Errorf("make %s carry bytes as they are: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}
