// SPDX-License-Identifier: Apache-2.0

package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"

	"github.com/mizar-net/mizar/bench/suite"
)

// tracking is what a host's rules look like at their least: one that asks
// conntrack about what is passed on. It makes conntrack look at all of it.
const tracking = `table inet bench {
	chain forward {
		type filter hook forward priority filter; policy accept;
		ct state established,related accept
	}
}
`

// callRules makes a bridge hand its packets to the rules of IP, as hosts of
// Kubernetes have it. The file is there if the kernel has br_netfilter.
var callRules = map[int]string{
	4: "/proc/sys/net/bridge/bridge-nf-call-iptables",
	6: "/proc/sys/net/bridge/bridge-nf-call-ip6tables",
}

// netfilter says what is missing for it.
func netfilter() error {
	if _, err := exec.LookPath("nft"); err != nil {
		return errors.New("nft is not installed, which sets the rules; on Debian: apt-get install nftables")
	}
	return nil
}

// newTracked is newVXLAN with conntrack in both hosts.
func newTracked(ctx context.Context, k suite.Key, at sink) (*contender, error) {
	c, err := newVXLAN(ctx, k, at)
	if err != nil {
		return nil, err
	}
	c.name = kernelNetfilter
	if err := c.track(); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// kernelNetfilter names the contender.
const kernelNetfilter = "kernel-vxlan-netfilter"

// kernelTracked is the kernel's overlay with conntrack.
func (c *contender) kernelTracked() error {
	if err := c.kernel(); err != nil {
		return err
	}
	return c.track()
}

// track sets the rules of both hosts.
func (c *contender) track() error {
	to := endpoint(c.family, 1)
	c.note = "conntrack of tunnelled packets by br_netfilter, and of tunnel packets"
	c.check = func() error { return c.tracked(to) }
	return c.eachHost(func(int) error {
		err := os.WriteFile(callRules[c.family], []byte("1"), 0)
		if errors.Is(err, os.ErrNotExist) {
			c.note = "the kernel has no br_netfilter: conntrack of tunnel packets only"
			to, _ = netip.AddrFromSlice(wireAddress(c.family, 1).IP)
		} else if err != nil {
			return fmt.Errorf("hand bridged packets to the rules: %w", err)
		}
		nft := exec.Command("nft", "-f", "-")
		nft.Stdin = strings.NewReader(tracking)
		if said, err := nft.CombinedOutput(); err != nil {
			return fmt.Errorf("set rules by nft: %w: %s", err, bytes.TrimSpace(said))
		}
		return nil
	})
}

// tracked wants both hosts to know a conversation with an address: else conntrack
// was not on the way.
func (c *contender) tracked(to netip.Addr) error {
	return c.eachHost(func(int) error {
		flows, err := os.ReadFile("/proc/thread-self/net/nf_conntrack")
		if err != nil {
			return fmt.Errorf("read the flows of conntrack: %w", err)
		}
		if !bytes.Contains(flows, []byte("dst="+to.StringExpanded()+" ")) {
			return fmt.Errorf("conntrack has no flow to %s; it has:\n%s", to, flows)
		}
		return nil
	})
}
