// SPDX-License-Identifier: Apache-2.0

package state

// Form is which of their two forms the programs have at a port or an uplink. The
// stages are the same, so the verdicts are too. The zero value means [FormXDP].
type Form string

// The forms.
const (
	// FormXDP meets packets before they have an sk_buff: fastest for small
	// ones. Checksum and segmentation offload at the endpoint must be off.
	FormXDP Form = "xdp"
	// FormTCX meets them behind that: packets of GSO stay whole and checksums
	// are left to the device; at an uplink, what is delivered is gathered by the
	// endpoint's device, if ports leave segmentation to it. It needs kernel 6.6.
	FormTCX Form = "tcx"
)

// Forms are all forms.
func Forms() []Form { return []Form{FormXDP, FormTCX} }

// Or is the form, or the default for a device that has none of its own.
func (f Form) Or(other Form) Form {
	if f == "" {
		return other
	}
	return f
}

// Is says whether the form, filled in, is that one.
func (f Form) Is(other Form) bool { return f.Or(FormXDP) == other.Or(FormXDP) }
