// SPDX-License-Identifier: Apache-2.0

package order_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/mizar-net/mizar/e2e/kernel/order"
)

func TestGreetingIsFoundInNoise(t *testing.T) {
	g := NewWithT(t)
	var line bytes.Buffer
	line.WriteString("\x00\xff\nguest is\nguest is rea")
	g.Expect(order.Greet(&line)).To(Succeed())
	line.WriteString("what follows")
	g.Expect(order.AwaitGreeting(&line)).To(Succeed())
	g.Expect(io.ReadAll(&line)).To(BeEquivalentTo("what follows"))
	g.Expect(order.AwaitGreeting(strings.NewReader("\nguest is rea"))).To(MatchError("the guest was never ready"))
}
