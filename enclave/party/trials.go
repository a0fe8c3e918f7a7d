package party

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/protocol/reshare"
)

// methodTrials names the peer call by which a new member asks an old one for the
// ciphertexts that test a key, 32 bytes of whose id it sends.
const methodTrials = "key/trials"

// trialTries is how often old members are asked for them before they are computed.
const trialTries = 20

var (
	errTrialRequest   = errors.New("party: malformed request for the ciphertexts that test a key")
	errTrialUnvouched = errors.New("party: no t+1 old members have the same ciphertexts to test a key")
)

// serveTrials hands on what tests a key that is handed over.
func (h *handover) serveTrials(_ int, body []byte) ([]byte, error) {
	if len(body) != mpc.DigestSize || !slices.ContainsFunc(h.config.Items, func(i reshare.Item) bool { return i.KeyID == mpc.Digest(body) }) {
		return nil, errTrialRequest
	}
	return h.party.trials.Encoded(mpc.Digest(body))
}

// takeTrials gets what tests a key, unless it is kept here: old members computed it, and
// of t+1 that have the same bytes one is honest. It takes a new member seconds for each
// key to compute it all by itself, which it does if this fails.
func (h *handover) takeTrials(item reshare.Item) error {
	if _, err := h.party.trials.Encoded(item.KeyID); err == nil {
		return nil
	}
	for range trialTries {
		if encoded := h.askTrials(item.KeyID); encoded != nil {
			return h.party.trials.Take(item.KeyID, item.Parameters, encoded)
		}
		if !pause(h.ctx, retryPause) {
			break
		}
	}
	return fmt.Errorf("%w: key %x", errTrialUnvouched, item.KeyID)
}

// askTrials returns what t+1 old members say alike, nil if they do not.
func (h *handover) askTrials(key mpc.Digest) []byte {
	calling, cancel := context.WithTimeout(h.ctx, callTime)
	defer cancel()
	var mu sync.Mutex
	var asked sync.WaitGroup
	var found []byte
	votes := map[mpc.Digest]int{}
	for _, at := range h.config.Union {
		if at == h.mesh.Self() {
			continue
		}
		asked.Go(func() {
			answer, err := h.router.Call(calling, at, methodTrials, key[:])
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			digest := mpc.Hash("tkms/v1/trials", answer)
			if votes[digest]++; votes[digest] > h.config.Old.T() {
				found = answer
				cancel()
			}
		})
	}
	asked.Wait()
	return found
}
