// SPDX-License-Identifier: Apache-2.0

// Package visible proves that an operator can see flows: it brings a network up on
// devices, says things between its endpoints that bring flows into every state, and
// holds what `mizar get flows` prints against what was said.
//
//	conversations ─► frames ─► devices ─► maps ─► mizar get flows ─┐
//	       └─────────────── what it must print ────────────────────┴─► evidence
package visible

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/dataplane/cmd"
	"github.com/mizar-net/mizar/dataplane/state"
	"github.com/mizar-net/mizar/sim/frame"
	"github.com/mizar-net/mizar/sim/lab"
	"github.com/mizar-net/mizar/sim/run"
	"github.com/mizar-net/mizar/sim/wire"
	"github.com/mizar-net/mizar/sim/wire/veth"
)

// RowID is the row of ACCEPTANCE that is proved.
const RowID = "F4"

// Get runs `mizar get` with arguments and returns what it prints.
type Get func(ctx context.Context, args ...string) (string, error)

// Command is the real thing.
func Command(ctx context.Context, args ...string) (string, error) {
	get := cmd.Commands()[0]
	var out, aside strings.Builder
	get.SetOut(&out)
	get.SetErr(&aside)
	get.SetArgs(args)
	get.SilenceUsage, get.SilenceErrors = true, true
	err := get.ExecuteContext(ctx)
	return out.String(), err
}

// objects are two hosts with an endpoint each, one of which lets in the other alone.
const objects = `
{apiVersion: mizar.dev/v1alpha1, kind: Host, metadata: {name: h1}, spec: {addresses: [192.0.2.1]}}
---
{apiVersion: mizar.dev/v1alpha1, kind: Host, metadata: {name: h2}, spec: {addresses: [192.0.2.2]}}
---
{apiVersion: mizar.dev/v1alpha1, kind: VPC, metadata: {name: red}, spec: {vni: 100, dividers: {hosts: [h2]}}}
---
{apiVersion: mizar.dev/v1alpha1, kind: Subnet, metadata: {name: s}, spec: {vpc: red, cidrs: [10.0.0.0/24, "fd00::/64"], bouncers: {hosts: [h2]}}}
---
{apiVersion: mizar.dev/v1alpha1, kind: Endpoint, metadata: {name: a, namespace: x, labels: {app: a}}, spec: {subnet: s, host: h1, addresses: [10.0.0.2, "fd00::2"]}}
---
{apiVersion: mizar.dev/v1alpha1, kind: Endpoint, metadata: {name: b, namespace: x, labels: {app: b}}, spec: {subnet: s, host: h2, addresses: [10.0.0.3, "fd00::3"]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: x}
spec: {podSelector: {matchLabels: {app: b}}, policyTypes: [Ingress], ingress: [RULE]}
`

// The endpoints, and the rule that lets one in.
const (
	client, server = "x/a", "x/b"
	rule           = "x/web ingress[0]"
)

// Prove gives evidence for each state, protocol and family that a conversation was
// in, and for what else the command promises.
func Prove(ctx context.Context, get Get) []run.Evidence {
	p := &proof{get: get, network: fmt.Sprintf("visible-%d", os.Getpid())}
	if err := p.run(ctx); err != nil {
		p.note("the harness", run.Cell{}, err)
	}
	return p.evidence
}

type proof struct {
	get     Get
	network string
	wire    *veth.Wire
	hosts   []state.Host

	evidence []run.Evidence
}

func (p *proof) note(test string, cell run.Cell, err error) {
	e := run.Evidence{Test: test, Rows: []string{RowID}, Cell: cell}
	e.Cell.Wire = "veth"
	if err != nil {
		e.Failure = err.Error()
	}
	p.evidence = append(p.evidence, e)
}

func (p *proof) run(ctx context.Context) (err error) {
	if p.wire, err = veth.OpenNamed(p.network); err != nil {
		return err
	}
	standing := false
	defer func() {
		end := p.wire.Close
		if standing {
			end = func() error { return lab.Down(p.network) }
		}
		err = errors.Join(err, end())
	}()
	if err := p.apply(ctx, "{from: [{podSelector: {}}]}"); err != nil {
		return err
	}
	all := conversations()
	first, others := split(all)
	for _, some := range [][]conversation{first, first, others} { // until the ways are known
		if err := p.talk(ctx, some); err != nil {
			return err
		}
	}
	p.look(ctx, all)
	p.filters(ctx, all)
	if err := p.apply(ctx, ""); err != nil {
		return err
	}
	cut := slices.DeleteFunc(slices.Clone(all), func(c conversation) bool { return c.atServer != "established" })
	for i := range cut {
		cut[i].atServer, cut[i].rule = "cut", ""
		if err := p.say(ctx, client, cut[i:i+1], func(c conversation) []frame.Spec { return []frame.Spec{c.more} }); err != nil {
			return err
		}
	}
	p.look(ctx, cut)
	if err := p.wire.Keep(); err != nil {
		return err
	}
	standing = true
	have, err := p.flows(ctx)
	for _, c := range cut {
		err = errors.Join(err, compare(have, c))
	}
	p.note("flows of a network that stands without a process", run.Cell{Proto: "standing"}, err)
	return nil
}

// apply gives the network its state, with one rule or none.
func (p *proof) apply(ctx context.Context, rule string) error {
	draft, err := object.Decode("visible.yaml", []byte(strings.Replace(objects, "RULE", rule, 1)))
	if err != nil {
		return err
	}
	set, err := object.New(draft)
	if err != nil {
		return err
	}
	p.hosts = compile.Hosts(set)
	return p.wire.Apply(ctx, p.hosts)
}

// look gives evidence for conversations, one by one, from one look at all.
func (p *proof) look(ctx context.Context, all []conversation) {
	have, err := p.flows(ctx)
	for _, c := range all {
		test := fmt.Sprintf("get flows: %s over IPv%d, port %d: %s", c.protoName(), c.family, c.port, c.atServer)
		p.note(test, run.Cell{Family: c.familyName(), Proto: c.protoName(), Verdict: c.atServer}, errors.Join(err, compare(have, c)))
	}
}

// flows asks the command for flows of this network.
func (p *proof) flows(ctx context.Context, args ...string) ([]cmd.Flow, error) {
	text, err := p.get(ctx, append([]string{"flows", "-o", "json"}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("mizar get flows %v: %w", args, err)
	}
	var all []cmd.Flow
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil, fmt.Errorf("mizar get flows %v: %w", args, err)
	}
	return slices.DeleteFunc(all, func(f cmd.Flow) bool { return f.Network != p.network }), nil
}

// compare wants a conversation at both hosts as it was held.
func compare(have []cmd.Flow, c conversation) error {
	var wrong []error
	for _, host := range []string{"h1", "h2"} {
		at := slices.IndexFunc(have, func(f cmd.Flow) bool { return f.Host == host && c.is(f) })
		if at < 0 {
			wrong = append(wrong, fmt.Errorf("host %s shows no such flow", host))
			continue
		}
		wrong = append(wrong, c.judge(have[at]))
	}
	return errors.Join(wrong...)
}

// filters wants the flags to select what they say, and the table to have a line for
// each flow.
func (p *proof) filters(ctx context.Context, all []conversation) {
	for _, f := range []struct {
		args  []string
		wants func(c conversation) int
	}{
		{[]string{"--vni", "100"}, func(conversation) int { return 2 }},
		{[]string{"--vni", "101"}, func(conversation) int { return 0 }},
		{[]string{"--host", p.network + "/h2"}, func(conversation) int { return 1 }},
		{[]string{"--proto", "tcp"}, func(c conversation) int { return 2 * count(c.proto == frame.ProtoTCP) }},
		{[]string{"--state", "established,closing"}, func(c conversation) int { return 2 * count(c.atServer == "established" || c.atServer == "closing") }},
		{[]string{"--address", "fd00::/64"}, func(c conversation) int { return 2 * count(c.family == 6) }},
		{[]string{"--port", fmt.Sprint(firstPort)}, func(c conversation) int { return 2 * count(c.port == firstPort) }},
	} {
		want := 0
		for _, c := range all {
			want += f.wants(c)
		}
		have, err := p.flows(ctx, f.args...)
		if n := len(have); err == nil && n != want {
			err = fmt.Errorf("mizar get flows %v: want %d flows, got %d", f.args, want, n)
		}
		p.note("get flows "+strings.Join(f.args, " "), run.Cell{Proto: "filters"}, err)
	}
	text, err := p.get(ctx, "flows", "--host", p.network+"/h2")
	if lines := strings.Count(text, "\n"); err == nil && lines != len(all)+1 {
		err = fmt.Errorf("mizar get flows: want %d flows below the header, got %d lines:\n%s", len(all), lines, text)
	}
	for _, c := range all {
		if err == nil && !strings.Contains(text, " "+c.atServer+" ") {
			err = fmt.Errorf("mizar get flows: no flow is %s:\n%s", c.atServer, text)
		}
	}
	p.note("get flows, as a table", run.Cell{Proto: "table"}, err)
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// talk brings conversations into their states: what one side says, what the other
// does, and so on.
func (p *proof) talk(ctx context.Context, all []conversation) error {
	for turn := range turns {
		from := client
		if turn%2 == 1 {
			from = server
		}
		if err := p.say(ctx, from, all, func(c conversation) []frame.Spec { return c.turn(turn) }); err != nil {
			return fmt.Errorf("turn %d: %w", turn, err)
		}
	}
	return nil
}

// say sends what an endpoint has to say in conversations.
func (p *proof) say(ctx context.Context, from string, all []conversation, what func(conversation) []frame.Spec) error {
	var frames [][]byte
	for _, c := range all {
		for _, spec := range what(c) {
			b, err := frame.Build(p.between(from, c.family, spec))
			if err != nil {
				return fmt.Errorf("port %d: %w", c.port, err)
			}
			frames = append(frames, b)
		}
	}
	if len(frames) == 0 {
		return nil
	}
	_, err := p.wire.Inject(ctx, wire.Port{Endpoint: from}, frames)
	return err
}

// between fills in the addresses of who speaks and of who is spoken to.
func (p *proof) between(from string, family int, spec frame.Spec) frame.Spec {
	to := server
	if from == server {
		to = client
	}
	spec.SrcMAC, spec.DstMAC = p.endpoint(from).MAC, p.hosts[0].Subnets[0].GatewayMAC
	spec.Src, spec.Dst = address(p.endpoint(from), family), address(p.endpoint(to), family)
	return spec
}

func (p *proof) endpoint(name string) state.Endpoint {
	for _, h := range p.hosts {
		for _, e := range h.Endpoints {
			if e.Name == name {
				return e
			}
		}
	}
	panic("no endpoint " + name) // the objects are above
}
