package party

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/tkms-network/tkms/enclave/party/committee"
	"github.com/tkms-network/tkms/enclave/protocol/reshare"
	"github.com/tkms-network/tkms/enclave/seal"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// receiptMargin is how many blocks before the end of its phase a member says what it
// received, although vectors are missing.
const receiptMargin = 12

// post posts the digest of the own vector.
func (h *handover) post(next *committee.Committee) error {
	machine, self := h.exchanged(), h.config.OldSelf
	if machine == nil {
		return nil
	}
	vector, ok := machine.Vector()
	if !ok || digestOf(next.Epoch.Resharing, self) != nil {
		return nil
	}
	p, digest := h.party, reshare.VectorDigest(h.session, self, vector)
	return p.once(fmt.Sprintf("reshare %d/%d", next.Epoch.Id, h.attempt), func() error {
		return p.poster.Message(h.ctx, &partiestypes.MsgCommitResharing{Account: p.account(), EpochId: next.Epoch.Id, Attempt: h.attempt, Digest: digest[:]})
	})
}

// posted returns the old members that posted digests.
func posted(r *partiestypes.Resharing) []uint32 {
	var out []uint32
	for _, entry := range r.Digests {
		out = append(out, entry.Index)
	}
	return out
}

// digestOf returns the digest that an old member posted, nil if none.
func digestOf(r *partiestypes.Resharing, old int) []byte {
	for _, entry := range r.Digests {
		if int(entry.Index) == old {
			return entry.Digest
		}
	}
	return nil
}

func vectorObject(epoch uint64, attempt uint32, old int) seal.Object {
	return seal.Object{Kind: kindVector, Key: fmt.Sprintf("%d-%d", attempt, old), Epoch: epoch}
}

// load reads the vectors that an earlier life of this party sealed.
func (h *handover) load() error {
	if h.new == nil {
		return nil
	}
	for old := 1; old <= h.config.Old.N(); old++ {
		raw, err := h.party.cfg.Store.Get(vectorObject(h.new.epochID(), h.attempt, old))
		if errors.Is(err, seal.ErrNotFound) || errors.Is(err, seal.ErrDamaged) {
			continue
		}
		if err != nil {
			return err
		}
		h.vectors[old] = raw
	}
	return nil
}

// keepVectors seals the vectors that are those of the chain: who says that it has one
// can pass it on.
func (h *handover) keepVectors(r *partiestypes.Resharing) error {
	machine := h.exchanged()
	if machine == nil {
		return nil
	}
	for _, entry := range r.Digests {
		old := int(entry.Index)
		h.mu.Lock()
		held := h.vectors[old] != nil
		h.mu.Unlock()
		if held {
			continue
		}
		if vector, ok := machine.Received(old); ok {
			if err := h.keep(entry, vector); err != nil {
				return err
			}
		}
	}
	return nil
}

// keep seals a vector if it is the one that was posted.
func (h *handover) keep(entry partiestypes.SetupEntry, vector []byte) error {
	old := int(entry.Index)
	if digest := reshare.VectorDigest(h.session, old, vector); !bytes.Equal(digest[:], entry.Digest) || len(vector) != h.config.VectorBytes() {
		return nil
	}
	if err := h.party.cfg.Store.Put(vectorObject(h.new.epochID(), h.attempt, old), vector); err != nil {
		return fmt.Errorf("seal the vector of old member %d: %w", old, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.vectors[old] = vector
	return nil
}

// fetchMissing asks the other new members for vectors that are missing here.
func (h *handover) fetchMissing(of []uint32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.next.Epoch.Resharing
	for _, index := range of {
		old := int(index)
		at := slices.IndexFunc(r.Digests, func(e partiestypes.SetupEntry) bool { return e.Index == index })
		if at < 0 || h.vectors[old] != nil || h.fetching[old] {
			continue
		}
		h.fetching[old] = true
		entry := r.Digests[at]
		h.running.Go(func() {
			defer func() {
				h.mu.Lock()
				delete(h.fetching, old)
				h.mu.Unlock()
			}()
			vector := h.new.askVector(h.ctx, h.session, h.attempt, entry)
			if vector == nil {
				pause(h.ctx, retryPause)
				return
			}
			if err := h.keep(entry, vector); err != nil {
				h.party.cfg.Log.Warn("a vector that was passed on is not kept", "err", err)
			}
		})
	}
}

// receipt says whose vectors this party holds, when it has all or must not wait longer.
func (h *handover) receipt(next *committee.Committee, height int64) error {
	r := next.Epoch.Resharing
	if slices.ContainsFunc(r.Receipts, func(x partiestypes.Receipt) bool { return int(x.Index) == h.config.NewSelf }) {
		return nil
	}
	h.mu.Lock()
	var received []uint32
	for _, index := range posted(r) {
		if h.vectors[int(index)] != nil {
			received = append(received, index)
		}
	}
	h.mu.Unlock()
	if len(received) < len(r.Digests) && height < next.Epoch.Deadline-receiptMargin {
		return nil
	}
	p := h.party
	return p.once(fmt.Sprintf("receipt %d/%d", next.Epoch.Id, h.attempt), func() error {
		return p.poster.Message(h.ctx, &partiestypes.MsgReceiveResharing{Account: p.account(), EpochId: next.Epoch.Id, Attempt: h.attempt, Received: received})
	})
}
