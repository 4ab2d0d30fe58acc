// SPDX-License-Identifier: Apache-2.0

package cmd_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/spf13/cobra"

	"github.com/mizar-net/mizar/controlplane/cmd"
)

const network = `
apiVersion: mizar.dev/v1alpha1
kind: Host
metadata: {name: h1}
spec: {addresses: [192.0.2.1]}
---
apiVersion: mizar.dev/v1alpha1
kind: Host
metadata: {name: h2}
spec: {addresses: [192.0.2.2], vlan: 7}
---
apiVersion: mizar.dev/v1alpha1
kind: VPC
metadata: {name: red}
spec: {vni: 7, dividers: {hosts: [h2]}}
---
apiVersion: mizar.dev/v1alpha1
kind: Subnet
metadata: {name: front}
spec: {vpc: red, cidrs: [10.0.0.0/24], bouncers: {hosts: [h2]}}
---
apiVersion: mizar.dev/v1alpha1
kind: Endpoint
metadata: {name: web}
spec: {subnet: front, host: h1, addresses: [10.0.0.10], mac: "02:00:00:00:00:0a"}
`

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "network.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func run(args ...string) (string, error) {
	root := &cobra.Command{Use: "mizar", SilenceErrors: true}
	root.AddCommand(cmd.Commands()...)
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(append([]string{"objects"}, args...))
	err := root.Execute()
	return out.String(), err
}

func TestCheckCountsWhatIsValid(t *testing.T) {
	g := NewWithT(t)
	out, err := run("check", file(t, network))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(Equal("2 hosts, 1 VPCs, 1 subnets, 1 endpoints, 0 namespaces, 0 network policies, 0 services, 0 endpoint slices: all valid\n"))
}

func TestCheckTellsEverythingThatIsWrong(t *testing.T) {
	g := NewWithT(t)
	out, err := run("check", "../object/testdata/bad")
	var bad *cmd.BadInput
	g.Expect(errors.As(err, &bad)).To(BeTrue())
	g.Expect(bad.ExitCode()).To(Equal(2))
	g.Expect(err).To(MatchError(And(ContainSubstring("bad/syntax.yaml:2: "), ContainSubstring("bad/wrong-type.yaml:5: spec.vni: "))))
	g.Expect(out).NotTo(ContainSubstring("Usage"))
}

func TestWrongUseIsBadInput(t *testing.T) {
	for _, args := range [][]string{
		{"check"},
		{"compile"},
		{"compile", "-o", "xml", "."},
		{"compile", "--host", "h9", file(t, network)},
		{"check", "/nonexistent"},
		{"check", "--strict", "."},
		{"frob"},
	} {
		_, err := run(args...)
		var bad *cmd.BadInput
		NewWithT(t).Expect(errors.As(err, &bad)).To(BeTrue(), "%v: %v", args, err)
	}
}

func TestCompileShowsEachHost(t *testing.T) {
	g := NewWithT(t)
	path := file(t, network)
	out, err := run("compile", path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(Equal(`host h1: 192.0.2.1, MTU 1500, 1 peers
  VPC       red          VNI 7  dividers h2
  subnet    front        VNI 7  bouncers h2   10.0.0.0/24  gateway 10.0.0.1
  endpoint  default/web  VNI 7  subnet front  10.0.0.10    02:00:00:00:00:0a, MTU 1414

host h2: 192.0.2.2, MTU 1500, VLAN 7, 1 peers
  VPC        red        VNI 7  dividers h2 (here)
  subnet     front      VNI 7  bouncers h2 (here)  10.0.0.0/24  gateway 10.0.0.1
  directory  10.0.0.10  VNI 7  subnet front        at h1
`))
}

func TestCompileWritesJSON(t *testing.T) {
	g := NewWithT(t)
	out, err := run("compile", "-o", "json", "--host", "h2", file(t, network))
	g.Expect(err).NotTo(HaveOccurred())
	var states []struct {
		Name      string
		Directory []struct{ Address, Host string }
		Subnets   []struct{ GatewayMAC string }
	}
	g.Expect(json.Unmarshal([]byte(out), &states)).To(Succeed())
	g.Expect(states).To(HaveLen(1))
	g.Expect(states[0].Directory).To(HaveExactElements(HaveField("Host", "h1")))
	g.Expect(states[0].Subnets[0].GatewayMAC).To(Equal("02:4d:5a:00:00:07"))
}

const policies = network + `
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
  - {from: [{podSelector: {}}, {ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}], ports: [{port: 80, endPort: 90}, {port: 53, protocol: UDP}]}
  - {from: [{namespaceSelector: {}}]}
`

func TestCompileShowsPolicies(t *testing.T) {
	g := NewWithT(t)
	text := strings.Replace(policies, "metadata: {name: web}\nspec: {subnet", "metadata: {name: web, labels: {app: web}}\nspec: {subnet", 1)
	out, err := run("compile", "--host", "h1", file(t, text))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(HaveSuffix(`MTU 1414, identity 16, set red ingress default/web
  set red ingress default/web: deny (default/web isolate ingress) unless
    identity 16: all accept (default/web ingress[1])
    10.0.0.0/8: TCP 80-90 accept (default/web ingress[0]); UDP 53 accept (default/web ingress[0])
    10.1.0.0/16: nothing of what shorter ones grant
`))

	bad := file(t, strings.Replace(text, "10.0.0.0/8, except: [10.1.0.0/16]", "'::ffff:10.0.0.0/104'", 1))
	out, err = run("compile", bad)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(And(ContainSubstring("deny (default/web isolate ingress) unless\n"), ContainSubstring("condition: "+bad+":28: NetworkPolicy/default/web: spec.ingress[0].from[1].ipBlock.cidr: ")))
	_, err = run("check", bad)
	g.Expect(err).To(MatchError(ContainSubstring("which no packet has; the policy grants nothing until this is mended")))
}

const services = network + `
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.96.0.1, ports: [{name: http, port: 80, targetPort: 8080}, {name: dns, port: 53, protocol: UDP}], selector: {app: web}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.10]}]
ports: [{name: http, port: 8080}]
`

func TestCompileShowsServices(t *testing.T) {
	g := NewWithT(t)
	out, err := run("compile", "--host", "h1", file(t, services))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(HaveSuffix(`
  service   default/web:53/4/udp  VNI 7  UDP 10.96.0.1:53  to nobody
  service   default/web:80/4      VNI 7  TCP 10.96.0.1:80  to 10.0.0.10:8080, 1 places
`))
	out, err = run("compile", "--host", "h2", file(t, services))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).NotTo(ContainSubstring("service"), "it has no endpoints")

	bad := file(t, strings.Replace(services, "10.96.0.1", "10.0.0.1", 1))
	out, err = run("compile", bad)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(ContainSubstring("condition: " + bad + ":28: Service/default/web: spec.clusterIP: 10.0.0.1 is in 10.0.0.0/24 of subnet front"))
	_, err = run("check", bad)
	g.Expect(err).To(MatchError(ContainSubstring("it is not served")))
}
