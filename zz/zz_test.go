package zz

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/mizar-net/mizar/bpf"
)

func TestZZ(t *testing.T) {
	for name, load := range map[string]func() (*ebpf.CollectionSpec, error){"uplink": bpf.LoadUplink, "endpoint": bpf.LoadEndpoint, "tcx": bpf.LoadEndpointTCX} {
		for _, sim := range []bool{false, true} {
			s, err := load()
			if err != nil {
				t.Fatal(err)
			}
			s.Variables["simulated"].Set(sim)
			c, err := ebpf.NewCollectionWithOptions(s, ebpf.CollectionOptions{Programs: ebpf.ProgramOptions{LogLevel: ebpf.LogLevelStats, LogSizeStart: 1 << 26}})
			var ve *ebpf.VerifierError
			if errors.As(err, &ve) {
				_, err = ebpf.NewCollectionWithOptions(s, ebpf.CollectionOptions{Programs: ebpf.ProgramOptions{LogLevel: ebpf.LogLevelBranch, LogSizeStart: 1 << 29}})
				errors.As(err, &ve)
				n := len(ve.Log)
				fmt.Println(name, sim, "FAIL")
				os.WriteFile("/tmp/w/v-"+name+".log", []byte(strings.Join(ve.Log, "\n")), 0o644)
				for _, l := range ve.Log[max(0, n-32):] {
					fmt.Println(l)
				}
				continue
			}
			if err != nil {
				fmt.Println(name, sim, err)
				continue
			}
			for _, p := range c.Programs {
				l := strings.Split(strings.TrimSpace(p.VerifierLog), "\n")
				fmt.Println(name, sim, l[len(l)-2], l[len(l)-1])
			}
			c.Close()
		}
	}
}
