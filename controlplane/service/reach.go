// SPDX-License-Identifier: Apache-2.0

package service

import (
	corev1 "k8s.io/api/core/v1"
)

// reach is which backends of a service a host chooses from.
type reach uint8

const (
	// everywhere: all of them.
	everywhere reach = iota
	// hostOnly: its own, whether there are any or not.
	hostOnly
	// zoneFirst: those of its zone; all, where none is ready there.
	zoneFirst
	// hostFirst: its own; those of its zone, where none of its own is ready; or all.
	hostFirst
)

// distribution is which backends the service prefers.
func (r *reader) distribution() reach {
	switch value(r.service.Spec.TrafficDistribution, "") {
	case corev1.ServiceTrafficDistributionPreferClose, corev1.ServiceTrafficDistributionPreferSameZone:
		return zoneFirst
	case corev1.ServiceTrafficDistributionPreferSameNode:
		return hostFirst
	}
	return everywhere
}

// within are those of the backends that a host in a zone chooses from. What drains is
// near to nobody.
func (r reach) within(all []backend, host, zone string) []backend {
	pick := func(is func(backend) bool) (some []backend) {
		for _, b := range all {
			if is(b) {
				some = append(some, b)
			}
		}
		return some
	}
	here := func(b backend) bool { return b.host == host }
	if r == hostOnly {
		return pick(here)
	}
	if r == hostFirst {
		if own := pick(func(b backend) bool { return b.ready && here(b) }); len(own) > 0 {
			return own
		}
	}
	if r != everywhere && zone != "" {
		if near := pick(func(b backend) bool { return b.ready && b.zone == zone }); len(near) > 0 {
			return near
		}
	}
	return all
}
