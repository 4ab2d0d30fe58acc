// SPDX-License-Identifier: Apache-2.0

package live

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/mizar-net/mizar/bench/machine"
)

// iperf3 says what is missing for it.
func iperf3() error {
	if _, err := exec.LookPath("iperf3"); err != nil {
		return errors.New("iperf3 is not installed; on Debian: apt-get install iperf3")
	}
	return nil
}

const (
	// firstBytes make the stream that counts for nothing; from how long it took
	// follows how many make a sample.
	firstBytes = 8 << 20
	// late is how much longer than it should a stream may take.
	late = 10 * time.Second
)

// iperf is iperf3's server at the receiver, ready for clients of the sender.
type iperf struct {
	*contender
	on CPUs
	// listening says that the server takes the next client.
	listening chan struct{}
	stop      context.CancelFunc
	ended     chan error
	// rate is that of the stream before, in bytes a second; 0: there was none.
	rate float64
}

// beginStream starts the server.
func beginStream(ctx context.Context, c *contender, on CPUs) (talk, error) {
	ctx, stop := context.WithCancel(ctx)
	p := &iperf{contender: c, on: on, listening: make(chan struct{}, 1), stop: stop, ended: make(chan error, 1)}
	go func() {
		p.ended <- c.room.InEndpoint(receiver, func() error { return p.serve(ctx) })
	}()
	return p, nil
}

// close ends the server and waits for it.
func (p *iperf) close() error {
	p.stop()
	return <-p.ended
}

// serve runs the server until it is told to stop. The thread stays with it: with
// the thread, should this process be killed, the server ends.
func (p *iperf) serve(ctx context.Context) error {
	cmd, err := command(ctx, p.on.Receiver, "--server", "--forceflush")
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	var complaints strings.Builder
	cmd.Stderr = &complaints
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "Server listening") {
			select {
			case p.listening <- struct{}{}:
			default:
			}
		}
	}
	err = cmd.Wait()
	if ctx.Err() != nil {
		return nil // it was told to
	}
	return fmt.Errorf("iperf3's server at %s ended: %w: %s", receiver, errors.Join(err, io.ErrUnexpectedEOF), complaints.String())
}

// command is iperf3 on a CPU, out of reach of the terminal's signals: it
// is ended by its context, or with the thread that started it.
func command(ctx context.Context, cpu int, args ...string) (*exec.Cmd, error) {
	if err := machine.Pin(cpu); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "iperf3", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return cmd, nil
}

// run sends one stream and gives its Gbit/s.
func (p *iperf) run(ctx context.Context, _ int, about time.Duration) ([]float64, error) {
	bytes := firstBytes
	if p.rate > 0 {
		bytes = max(firstBytes, int(p.rate*about.Seconds()))
	}
	ctx, cancel := context.WithTimeout(ctx, about+late)
	defer cancel()
	select {
	case <-p.listening:
	case err := <-p.ended:
		p.ended <- nil
		return nil, err
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for iperf3's server: %w", ctx.Err())
	}
	var said []byte
	err := p.room.InEndpoint(sender, func() error {
		cmd, err := command(ctx, p.on.Sender, "--client", endpoint(p.family, 1).String(), "--bytes", strconv.Itoa(bytes),
			"--json", "--connect-timeout", strconv.FormatInt(silence.Milliseconds(), 10))
		if err != nil {
			return err
		}
		said, err = cmd.Output()
		return err
	})
	if ctx.Err() != nil {
		return nil, fmt.Errorf("a stream of %d bytes hangs: %w", bytes, ctx.Err())
	}
	rate, parsed := streamRate(said)
	if parsed != nil {
		return nil, errors.Join(parsed, err)
	}
	if err != nil {
		return nil, fmt.Errorf("iperf3: %w", err)
	}
	p.rate = rate / 8
	return []float64{rate / 1e9}, nil
}

// streamRate reads what arrived, in bits a second, out of iperf3's report.
func streamRate(report []byte) (float64, error) {
	var r struct {
		Error string `json:"error"`
		End   struct {
			Received struct {
				Bytes float64 `json:"bytes"`
				Rate  float64 `json:"bits_per_second"`
			} `json:"sum_received"`
		} `json:"end"`
	}
	if err := json.Unmarshal(report, &r); err != nil {
		return 0, fmt.Errorf("read iperf3's report (want JSON): %w", err)
	}
	if r.Error != "" {
		return 0, fmt.Errorf("iperf3: %s", r.Error)
	}
	if r.End.Received.Bytes == 0 || r.End.Received.Rate <= 0 {
		return 0, errors.New("iperf3 reports that nothing was received")
	}
	return r.End.Received.Rate, nil
}
