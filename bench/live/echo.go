// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mizar-net/mizar/bench/machine"
	"github.com/mizar-net/mizar/bench/sample"
)

const (
	// echoPort is the server's.
	echoPort = 7
	// silence is how long no answer may come.
	silence = 3 * time.Second
	// remembered is how many times of transactions a run keeps.
	remembered = 1 << 18
)

// echo is a server that sends back what it gets, on a thread of its own at the
// receiver, and a client at the sender. Both wait in the kernel:
// Go's network poller is not on the way.
type echo struct {
	*contender
	on       CPUs
	listener int
	// stop is written to, to end the server; [0] is its end.
	stop  [2]int
	ended chan error
	took  []time.Duration
}

// beginEcho starts the server.
func beginEcho(_ context.Context, c *contender, on CPUs) (talk, error) {
	e := &echo{contender: c, on: on, ended: make(chan error, 1), took: make([]time.Duration, 0, remembered)}
	if err := unix.Pipe2(e.stop[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	err := c.room.InEndpoint(receiver, func() (err error) {
		e.listener, err = listen(endpoint(c.family, 1))
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen at %s: %w", receiver, err), unix.Close(e.stop[0]), unix.Close(e.stop[1]))
	}
	go func() { e.ended <- e.serve() }()
	return e, nil
}

// close ends the server.
func (e *echo) close() error {
	err := unix.Close(e.stop[1]) // which the server sees
	return errors.Join(err, <-e.ended, unix.Close(e.stop[0]), unix.Close(e.listener))
}

// run asks and waits, on each of the connections.
func (e *echo) run(_ context.Context, connections int, about time.Duration) (values []float64, err error) {
	err = e.room.InEndpoint(sender, func() error {
		if err := machine.Pin(e.on.Sender); err != nil {
			return err
		}
		w, err := newWaiter()
		if err != nil {
			return err
		}
		defer w.close()
		for range connections {
			if err := w.connect(endpoint(e.family, 1)); err != nil {
				return fmt.Errorf("connect to %s: %w", receiver, err)
			}
		}
		values, err = e.ask(w, about)
		return err
	})
	return values, err
}

// ask measures on connections that are there.
func (e *echo) ask(w *waiter, about time.Duration) ([]float64, error) {
	done, begun := 0, time.Now()
	asked := map[int]time.Time{}
	for _, fd := range w.open {
		asked[fd] = time.Now()
		if err := send(fd); err != nil {
			return nil, err
		}
	}
	e.took = e.took[:0]
	for time.Since(begun) < about {
		ready, err := w.wait(silence)
		if err != nil {
			return nil, err
		}
		if len(ready) == 0 {
			return nil, fmt.Errorf("no answer from %s within %s", receiver, silence)
		}
		for _, at := range ready {
			fd := int(at.Fd)
			open, err := receive(fd)
			if err != nil {
				return nil, err
			}
			if !open {
				return nil, fmt.Errorf("%s has closed a connection", receiver)
			}
			now := time.Now()
			if len(e.took) < remembered {
				e.took = append(e.took, now.Sub(asked[fd]))
			}
			asked[fd] = now
			done++
			if err := send(fd); err != nil {
				return nil, err
			}
		}
	}
	return valuesOf(done, time.Since(begun), e.took), nil
}

// valuesOf are transactions a second, and the median and 99th percentile of what
// they took in microseconds.
func valuesOf(done int, in time.Duration, took []time.Duration) []float64 {
	micros := make([]float64, len(took))
	for i, t := range took {
		micros[i] = float64(t.Nanoseconds()) / 1e3
	}
	return []float64{float64(done) / in.Seconds(), sample.Quantile(micros, 0.5), sample.Quantile(micros, 0.99)}
}

// serve answers until it is told to stop.
func (e *echo) serve() error {
	return e.room.InEndpoint(receiver, func() error {
		if err := machine.Pin(e.on.Receiver); err != nil {
			return err
		}
		w, err := newWaiter()
		if err != nil {
			return err
		}
		defer w.close()
		if err := errors.Join(w.watch(e.listener), w.watch(e.stop[0])); err != nil {
			return err
		}
		for {
			ready, err := w.wait(forever)
			if err != nil {
				return err
			}
			for _, at := range ready {
				switch fd := int(at.Fd); fd {
				case e.stop[0]:
					return nil
				case e.listener:
					err = w.accept(fd)
				default:
					err = w.answer(fd)
				}
				if err != nil {
					return fmt.Errorf("answer: %w", err)
				}
			}
		}
	})
}

// listen makes a listening socket in the thread's namespace.
func listen(at netip.Addr) (int, error) {
	fd, err := stream(at)
	if err != nil {
		return 0, err
	}
	err = unix.Bind(fd, socketAddress(at))
	if err == nil {
		err = unix.Listen(fd, 128)
	}
	if err != nil {
		return 0, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

// stream makes a TCP socket in the thread's namespace.
func stream(at netip.Addr) (int, error) {
	domain := unix.AF_INET
	if at.Is6() {
		domain = unix.AF_INET6
	}
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("make a socket: %w", err)
	}
	return fd, nil
}

func socketAddress(at netip.Addr) unix.Sockaddr {
	if at.Is6() {
		return &unix.SockaddrInet6{Port: echoPort, Addr: at.As16()}
	}
	return &unix.SockaddrInet4{Port: echoPort, Addr: at.As4()}
}
