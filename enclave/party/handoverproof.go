package party

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/committee"
	"github.com/tkms-network/tkms/enclave/sharing"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// proof is what a member found when it took the new shares.
type proof struct {
	transcript mpc.Digest
	wrong      sharing.Parties
	err        error
}

// fetchKeys brings what is published of the keys into the own vault: a member serves it,
// and tests its shares with it.
func (h *handover) fetchKeys(vaults []string) {
	var trials sync.WaitGroup
	trials.Go(func() {
		for _, item := range h.config.Items {
			if err := h.takeTrials(item); err != nil && h.ctx.Err() == nil {
				h.party.cfg.Log.Warn("what tests a key is to be computed here", "err", err)
			}
		}
	})
	all := h.fetchFiles(vaults)
	trials.Wait()
	if all {
		close(h.fetched)
	}
}

// fetchFiles goes on trying to get the keys' files and reports whether it has them all:
// it has not when the attempt is over.
func (h *handover) fetchFiles(vaults []string) bool {
	for _, key := range h.keys {
		for said := false; ; said = true {
			err := h.party.cfg.Vault.FetchKey(h.ctx, h.party.cfg.HTTP, key, vaults)
			if err == nil {
				break
			}
			if !said && h.ctx.Err() == nil {
				h.party.cfg.Log.Warn("the files of a key cannot be fetched yet", "key", fmt.Sprintf("%x", key.Id), "err", err)
			}
			if !pause(h.ctx, retryPause) {
				return false
			}
		}
	}
	return true
}

// prove takes the new shares, tests them, and confirms that they are right.
func (h *handover) prove(next *committee.Committee) error {
	r := next.Epoch.Resharing
	if slices.ContainsFunc(r.Words, func(w partiestypes.ReshareWord) bool { return int(w.Index) == h.config.NewSelf }) {
		return nil
	}
	if members := reshareMembers(next); members != h.members {
		// Whoever is excluded is not waited for: the others begin anew.
		if h.forsake != nil {
			h.forsake()
		}
		h.members, h.proof, h.proven = members, nil, nil
	}
	switch {
	case h.proven != nil && h.proven.err != nil:
		return h.proven.err
	case h.proven != nil:
		return h.confirm(next)
	case h.proof != nil:
		return nil
	}
	select {
	case <-h.fetched:
	default:
		return nil
	}
	if h.exchanged() == nil {
		return nil // there are no masks yet
	}
	vectors := map[int][]byte{}
	h.mu.Lock()
	for _, index := range r.Used {
		if h.vectors[int(index)] == nil {
			h.mu.Unlock()
			return nil
		}
		vectors[int(index)] = h.vectors[int(index)]
	}
	h.mu.Unlock()
	ended := make(chan *proof, 1)
	h.proof = ended
	var ctx context.Context
	ctx, h.forsake = context.WithCancel(h.ctx)
	h.mu.Lock()
	config := h.config
	h.mu.Unlock()
	config.Members = h.members
	h.running.Go(func() {
		found := h.new.takeOver(ctx, config, h.keys, next, vectors)
		if found.err != nil && ctx.Err() == nil {
			h.party.cfg.Log.Error("the new shares cannot be used", "epoch", next.Epoch.Id, "attempt", h.attempt, "culprits", mpc.Culprits(found.err).String(), "err", found.err)
		}
		ended <- found
	})
	return nil
}

// confirm posts that the new shares are sealed and decrypt.
func (h *handover) confirm(next *committee.Committee) error {
	var wrong []uint32
	for _, old := range h.proven.wrong.List() {
		wrong = append(wrong, uint32(old)) // #nosec G115 -- an index
	}
	p := h.party
	return p.once(fmt.Sprintf("reshared %d/%d", next.Epoch.Id, h.attempt), func() error {
		return p.poster.Message(h.ctx, &partiestypes.MsgConfirmResharing{
			Account: p.account(), EpochId: next.Epoch.Id, Attempt: h.attempt, Transcript: h.proven.transcript[:], Wrong: wrong,
		})
	})
}
