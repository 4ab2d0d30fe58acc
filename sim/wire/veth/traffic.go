// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/mizar-net/mizar/sim/wire"
)

var _ wire.Carrier = (*Wire)(nil)

// How long a series may go on after its last request, for what is on its way.
const (
	datagramGrace = 300 * time.Millisecond
	streamGrace   = 3 * time.Second
)

// series is traffic that runs.
type series struct {
	asker
	every time.Duration
	start time.Time
	quit  chan struct{}
	group sync.WaitGroup

	mu    sync.Mutex
	tally wire.Tally
	// asked are the times of the requests, answers tells each answer.
	asked   []time.Duration
	answers chan struct{}
}

// asker sends the requests of a series, and ends what it has started.
type asker interface {
	ask(i int) error
	close() error
}

// Start implements wire.Carrier.
func (w *Wire) Start(ctx context.Context, t wire.Traffic) error {
	if w.traffic[t.Name] != nil {
		return fmt.Errorf("start traffic %s: it runs already", t.Name)
	}
	c, err := w.call(t.Probe)
	if err != nil {
		return fmt.Errorf("start traffic %s: %w", t.Name, err)
	}
	s := &series{every: t.Every, start: time.Now(), quit: make(chan struct{}), answers: make(chan struct{}, 1)}
	c.tell = s.answer
	if t.Probe.Proto == wire.TCP {
		s.asker, err = w.newStream(ctx, c, s.broke)
	} else {
		s.asker, err = w.talk(ctx, c)
	}
	if err != nil {
		return fmt.Errorf("start traffic %s: %w", t.Name, err)
	}
	w.traffic[t.Name] = s
	s.tally.Began(s.now())
	s.group.Go(s.run)
	return nil
}

// now is the time since the start.
func (s *series) now() time.Duration { return time.Since(s.start) }

// run makes requests until it is to end, the first at once.
func (s *series) run() {
	ticker := time.NewTicker(s.every)
	defer ticker.Stop()
	for i := 0; ; i++ {
		s.mu.Lock()
		s.asked = append(s.asked, s.now())
		s.tally.Series.Sent++
		s.mu.Unlock()
		if err := s.ask(i); err != nil {
			s.broke(err)
		}
		select {
		case <-ticker.C:
		case <-s.quit:
			return
		}
	}
}

// answer notes the answer to a request.
func (s *series) answer(i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i < 0 || i >= len(s.asked) {
		return
	}
	s.tally.Answer(s.asked[i], s.now())
	select {
	case s.answers <- struct{}{}:
	default:
	}
}

// broke notes what was wrong, the first time.
func (s *series) broke(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tally.Series.Wrong == "" {
		s.tally.Series.Wrong = err.Error()
	}
}

// Stop implements wire.Carrier.
func (w *Wire) Stop(ctx context.Context, name string) (wire.Series, error) {
	s := w.traffic[name]
	if s == nil {
		return wire.Series{}, fmt.Errorf("stop traffic %s: there is none of that name", name)
	}
	delete(w.traffic, name)
	close(s.quit)
	s.group.Wait()
	grace := datagramGrace
	if _, ok := s.asker.(*stream); ok {
		grace = streamGrace
	}
	s.drain(ctx, grace)
	resent := 0
	if t, ok := s.asker.(*stream); ok {
		resent = t.resent()
	}
	s.mu.Lock()
	got := s.tally
	got.Series.Resent = resent
	got.Ended(s.asked[len(s.asked)-1])
	s.mu.Unlock()
	if err := s.close(); err != nil {
		return got.Series, fmt.Errorf("stop traffic %s: %w", name, err)
	}
	_, err := w.settle(ctx, nil)
	return got.Series, err
}

// drain waits until all is answered, or broken, or the time is up.
func (s *series) drain(ctx context.Context, grace time.Duration) {
	end := time.After(grace)
	for {
		s.mu.Lock()
		done := s.tally.Series.Lost() == 0 || s.tally.Series.Wrong != ""
		s.mu.Unlock()
		if done {
			return
		}
		select {
		case <-s.answers:
		case <-end:
			return
		case <-ctx.Done():
			return
		}
	}
}

// endTraffic ends what still runs.
func (w *Wire) endTraffic() error {
	var errs []error
	for name, s := range w.traffic {
		close(s.quit)
		s.group.Wait()
		errs = append(errs, s.close())
		delete(w.traffic, name)
	}
	return errors.Join(errs...)
}
