// SPDX-License-Identifier: Apache-2.0

package scenario

// A specimen takes the decoder into every branch that it takes by what is
// written, so that it describes all of itself. What stands there is of no
// consequence, and may be wrong; a test fails when a key is not reached.
const specimen = `
title: specimen
wires: [testrun, veth]
seed: 1
topology:
  underlay:
    mtu: 1500
    vlan: 7
    families: [4, 6]
    segments: {left: {cidrs: [192.0.2.0/24], mtu: 1500}}
    routers: {r1: {ports: {left: {addresses: [192.0.2.254], mac: "02:00:00:00:00:01"}}}}
  form: FORM
  xdp: XDP
  hosts:
    h1: {addresses: [192.0.2.1, "2001:db8::1"], xdp: native, endpoint: {addresses: [10.0.0.9], mac: "02:00:00:00:00:01", form: xdp, xdp: native}}
  vpcs: {red: {vni: 100, default: true}}
  subnets: {red-a: {vpc: red, cidrs: [10.0.0.0/24]}}
  endpoints:
    red-1: {subnet: red-a, host: h1, addresses: [10.0.0.2]}
  namespaces: {blue: {labels: {team: a}, annotations: {mizar.dev/audit: "true"}}}
  policies: {blue/deny: {podSelector: {}}}
  services: {web: {clusterIP: 10.96.0.1, ports: [{port: 80}]}}
  slices: {web-1: {service: web, addressType: IPv4}}
  outside: {ext: {addresses: [198.51.100.7]}}
objects: [{apiVersion: mizar.dev/v1alpha1, kind: VPC, metadata: {name: blue}, spec: {vni: 200}}]
steps:
- {name: a, rows: [A1], probe: {proto: icmp, from: red-1, to: red-1}, expect: {verdict: drop, lookups: {}, overhead: {v4: 1, v6: 1}, mtu: {v4: 1, v6: 1}, tos: carried}}
- {probe: {proto: [icmp], from: red-1, to: 10.0.0.2}, expect: {verdict: deliver}}
- {probe: {proto: udp, from: outside/ext, via: h1, to: 192.0.2.1, port: 30080}, expect: {verdict: deliver}}
- {table: {proto: icmp, endpoints: [red-1], truth: ["-"]}}
- {table: {proto: [icmp], endpoints: [red-1], truth: ["-"]}}
- {table: {ports: [icmp], from: [red-1], to: [10.0.0.2, red-1], truth: {icmp: ["-"]}}}
- {table: {ports: [icmp], from: [red-1], to: [10.0.0.2], truth: oracle}}
- {trace: {proto: icmp, from: red-1, to: red-1}}
- {trace: {proto: [icmp], from: red-1, to: red-1}}
- {send: {at: red-1, frames: [{kind: udp, to: red-1, srcMAC: red-1, dstMAC: red-1, senderMAC: red-1, fragment: {offset: 8, size: 8}}], answers: 1}, expect: {verdict: answer, paths: 1}}
- {send: {uplink: h1, frames: [{kind: geneve}, {kind: udp, srcMAC: "02:00:00:00:00:01"}]}, expect: {verdict: answer}}
- {replay: {at: red-1, file: x, golden: x, rewrite: {10.0.0.2: red-1}, unordered: [{at: red-1, packets: [1]}]}}
- {replay: {uplink: h1, file: x, golden: {v4: x, v6: x}, mask: {outer.tos: 1}, relations: {outer.sport: entropy}}}
- {change: {apply: [{file: x}], delete: [Endpoint/red-1]}}
- {underlay: {routers: {r1: {left: {mac: "02:00:00:00:00:01"}}}, segments: {left: {mtu: 1400}}}}
- {forget: true}
- {scan: {from: red-1, to: 10.0.0.0/24}}
- {assert: {drops: {h1: {ttl: {least: 1, most: 2}}}}}
- {assert: {learned: {h1: {red: {least: 1, most: 2}}}}}
- {assert: {written: {h1: {policy: 0, policy_peers: {least: 1, most: 2}}}}}
- {advance: 1s}
- {wait: 1s}
- {at: 1h}
- {move: {endpoint: red-1, to: h1}}
- {recreate: {endpoint: red-1, mac: "02:00:00:00:00:01", host: h1}}
- {relabel: {endpoint: red-1, namespace: blue, labels: {app: web}}}
- {roles: {subnet: red-a, vpc: red, count: 1, hosts: [h1]}}
- {clock: {host: h1, step: 1s}}
- {link: {host: h1, state: down, loss: 1, delay: 1ms, rate: 1, mtu: 1400, direction: in}}
- {host: {name: h1, state: dead}}
- {agent: {host: h1, state: paused}}
- {traffic: {name: t, proto: icmp, from: red-1, to: 10.0.0.2, family: 4, port: 1, size: 4, every: 1s}}
- {traffic: {name: u, proto: icmp, from: red-1, to: red-1}}
- {stop: {traffic: t, survived: true, lost: {most: 1}, resent: {most: 1}, gap: {most: 1s}, delay: {least: 1ms}}}
- {assert: {drops: {h1: {ttl: 1}}, underlayFrames: 1, only: true, xdp: asked, down: {h1: [h1]}}}
`

// specimens of the modes of XDP, which are written in three ways.
var xdpSpecimens = []string{"native", "[native]", "{uplinks: native, endpoints: native}", "{uplinks: [native], endpoints: [native]}"}

// formSpecimens are those of the form, which is written in two ways.
var formSpecimens = []string{"tcx", "[xdp, tcx]"}

// objectSpecimen is an object of one kind, in an otherwise empty scenario.
const objectSpecimen = `
title: specimen
topology: {vpcs: {v: {vni: 1}}}
objects: [{apiVersion: mizar.dev/v1alpha1, kind: KIND, metadata: {name: x, namespace: y}, spec: {vni: 7}}]
`

const fileSpecimen = `
title: specimen
topology: {vpcs: {v: {vni: 1}}}
objects: [{file: x}]
`
