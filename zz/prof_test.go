package zz

import (
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/mizar-net/mizar/bpf"
)

func TestProf(t *testing.T) {
	s, _ := bpf.LoadUplink()
	if os.Getenv("P") == "endpoint" {
		s, _ = bpf.LoadEndpoint()
	}
	for n := range s.Programs {
		if n != os.Getenv("P") {
			delete(s.Programs, n)
		}
	}
	c, err := ebpf.NewCollectionWithOptions(s, ebpf.CollectionOptions{Programs: ebpf.ProgramOptions{LogLevel: ebpf.LogLevelInstruction | ebpf.LogLevelBranch, LogSizeStart: 1 << 29}})
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile("/tmp/w/b2-verifier.log", []byte(c.Programs[os.Getenv("P")].VerifierLog), 0o644)
}
