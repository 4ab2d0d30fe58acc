// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// sysctl is one setting, its name as sysctl(8) has it.
type sysctl struct{ name, value string }

// quiet holds for every namespace: no address is looked for twice, no router is
// asked for, and groups are announced at once, so that nothing moves
// on a link but what somebody sends.
var quiet = []sysctl{
	{"net.ipv6.conf.default.accept_dad", "0"},
	{"net.ipv6.conf.default.dad_transmits", "0"},
	{"net.ipv6.conf.default.router_solicitations", "0"},
	{"net.ipv6.conf.default.accept_ra", "0"},
	{"net.ipv6.conf.default.mldv1_unsolicited_report_interval", "0"},
	{"net.ipv6.conf.default.mldv2_unsolicited_report_interval", "0"},
}

// speechless is for devices whose namespace only passes frames on.
var speechless = []sysctl{
	{"net.ipv6.conf.default.disable_ipv6", "1"},
}

// set writes settings in the thread's namespace. Kernels without IPv6 have no
// settings of it, and need none.
func set(all ...[]sysctl) error {
	for _, some := range all {
		for _, s := range some {
			file := filepath.Join("/proc/sys", strings.ReplaceAll(s.name, ".", "/"))
			err := os.WriteFile(file, []byte(s.value), 0o644)
			if err != nil && !(errors.Is(err, os.ErrNotExist) && strings.HasPrefix(s.name, "net.ipv6")) {
				return fmt.Errorf("set %s to %s: %w", s.name, s.value, err)
			}
		}
	}
	return nil
}
