// SPDX-License-Identifier: Apache-2.0

package order

import (
	"errors"
	"fmt"
	"io"
	"net"
)

// greeting is what a guest says first. What is on a serial line before, while the
// kernel finds out what kind of line it is, means nothing.
const greeting = "\nguest is ready\n"

// Greet says that a guest listens.
func Greet(w io.Writer) error {
	if _, err := io.WriteString(w, greeting); err != nil {
		return fmt.Errorf("greet: %w", err)
	}
	return nil
}

// AwaitGreeting reads until a guest listens, and nothing of what follows.
func AwaitGreeting(r io.Reader) error {
	said := make([]byte, len(greeting))
	for string(said) != greeting {
		copy(said, said[1:])
		_, err := io.ReadFull(r, said[len(said)-1:])
		if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
			return errors.New("the guest was never ready")
		}
		if err != nil {
			return fmt.Errorf("wait for the guest: %w", err)
		}
	}
	return nil
}
