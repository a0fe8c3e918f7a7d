package reshare

import "github.com/tkms-network/tkms/enclave/ring/wide"

// Erased reports whether nothing is left of the masks' shares, and no share is kept.
func (h *Handover) Erased() bool {
	for _, v := range h.points {
		for _, x := range v {
			if x != (wide.Word{}) {
				return false
			}
		}
	}
	for _, o := range h.openers {
		for _, x := range o.Values() {
			if x != (wide.Word{}) {
				return false
			}
		}
	}
	return !h.KeepsShares()
}

// KeepsShares reports whether old shares are kept.
func (h *Handover) KeepsShares() bool { return h.config.Shares != nil }
