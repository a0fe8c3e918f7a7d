package types

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/tkms-network/tkms/x/kms/handles"
)

// DefaultGenesis has no keys and no requests.
func DefaultGenesis() *GenesisState { return &GenesisState{Params: DefaultParams()} }

// Validate refuses a state that the module could not have exported.
func (g GenesisState) Validate() error {
	if err := g.Params.Validate(); err != nil {
		return err
	}
	keys := map[string]Key{}
	for _, key := range g.Keys {
		if err := key.validate(); err != nil {
			return err
		}
		if _, twice := keys[string(key.Id)]; twice {
			return ErrInvalidGenesis.Wrapf("key %x is there twice", key.Id)
		}
		keys[string(key.Id)] = key
	}
	if uint64(len(g.Keys)) > g.KeySequence {
		return ErrInvalidGenesis.Wrap("key_sequence is below the number of keys")
	}
	counters, err := g.counters()
	if err != nil {
		return err
	}
	requests := map[string]bool{}
	for _, r := range g.Requests {
		if err := r.validate(); err != nil {
			return err
		}
		if requests[string(r.Id)] {
			return ErrInvalidGenesis.Wrapf("request %x is there twice", r.Id)
		}
		requests[string(r.Id)] = true
		if _, known := keys[string(r.KeyId)]; !known {
			return ErrInvalidGenesis.Wrapf("request %x has no key", r.Id)
		}
		if first, count := r.Items(); first+count > counters[r.EpochId] {
			return ErrInvalidGenesis.Wrapf("request %x has items beyond its epoch's counter", r.Id)
		}
	}
	if uint64(len(g.Requests)) > g.TotalRequests {
		return ErrInvalidGenesis.Wrap("total_requests is below the number of requests")
	}
	if err := g.validateIndexes(keys, requests); err != nil {
		return err
	}
	if err := g.validateShares(); err != nil {
		return err
	}
	_, err = g.Escrow()
	return err
}

// counters returns the next item of each epoch.
func (g GenesisState) counters() (map[uint64]uint64, error) {
	counters := map[uint64]uint64{}
	for _, c := range g.ItemCounters {
		if _, twice := counters[c.EpochId]; twice {
			return nil, ErrInvalidGenesis.Wrapf("epoch %d has two counters", c.EpochId)
		}
		counters[c.EpochId] = c.Next
	}
	return counters, nil
}

func (g GenesisState) validateIndexes(keys map[string]Key, requests map[string]bool) error {
	hosts := map[uint64]bool{}
	for _, h := range g.HostKeys {
		key, known := keys[string(h.KeyId)]
		if !known || key.HostChainId != h.HostChainId || hosts[h.HostChainId] {
			return ErrInvalidGenesis.Wrapf("key of host chain %d", h.HostChainId)
		}
		hosts[h.HostChainId] = true
	}
	windows := map[uint64]bool{}
	for _, w := range g.Windows {
		if windows[w.HostChainId] {
			return ErrInvalidGenesis.Wrapf("host chain %d has two windows", w.HostChainId)
		}
		windows[w.HostChainId] = true
	}
	served := map[uint64]bool{}
	for _, h := range g.HostEpochs {
		if h.EpochId == 0 || served[h.HostChainId] {
			return ErrInvalidGenesis.Wrapf("epoch of host chain %d", h.HostChainId)
		}
		served[h.HostChainId] = true
	}
	dropped := map[string]bool{}
	for _, a := range g.Attempts {
		id := string(a.RequestId)
		if len(id) != IDSize || a.Attempt == 0 || requests[id] || dropped[id] {
			return ErrInvalidGenesis.Wrapf("attempts of %x", a.RequestId)
		}
		dropped[id] = true
	}
	heights := map[uint64]bool{}
	for _, w := range g.Work {
		if heights[w.Height] {
			return ErrInvalidGenesis.Wrapf("two lists of work at height %d", w.Height)
		}
		heights[w.Height] = true
	}
	return nil
}

// Escrow is what the module's account must hold at least.
func (g GenesisState) Escrow() (uint64, error) {
	var sum, carry uint64
	add := func(fee uint64) error {
		if sum, carry = bits.Add64(sum, fee, 0); carry != 0 {
			return ErrInvalidGenesis.Wrap("the escrow exceeds 64 bits")
		}
		return nil
	}
	for _, key := range g.Keys {
		if err := add(key.Escrow()); err != nil {
			return 0, err
		}
	}
	for _, r := range g.Requests {
		if err := add(r.Escrow()); err != nil {
			return 0, err
		}
	}
	return sum, nil
}

func (k Key) validate() error {
	fail := func(what string) error { return ErrInvalidGenesis.Wrapf("key %x: %s", k.Id, what) }
	if len(k.Id) != IDSize {
		return fail("id")
	}
	if _, ok := KeyStatus_name[int32(k.Status)]; !ok || k.Status == KEY_STATUS_UNSPECIFIED {
		return fail("status")
	}
	if _, ok := KeyFailure_name[int32(k.Failure)]; !ok {
		return fail("failure")
	}
	if k.GeneratedEpochId != 0 && k.GeneratedEpochId >= k.EpochId {
		return fail("epoch that generated it")
	}
	if k.Status == KEY_STATUS_ACTIVE || k.Status == KEY_STATUS_RETIRED {
		if k.Material == nil {
			return fail("no material")
		}
	}
	set, known := ParameterSetByName(k.Params)
	if !known || k.Noise != NoiseExact && k.Noise != NoisePRSS {
		return fail("parameter set or noise")
	}
	if k.Material != nil {
		if err := k.Material.Validate(set.Name); err != nil {
			return fail(err.Error())
		}
	}
	for i, c := range k.Contributions {
		if i > 0 && c.Index <= k.Contributions[i-1].Index || c.Material.Validate(k.Params) != nil {
			return fail("contributions")
		}
	}
	for i, index := range k.Without {
		if i > 0 && index <= k.Without[i-1] {
			return fail("without")
		}
	}
	for i, p := range k.Progress {
		if i > 0 && p.Index <= k.Progress[i-1].Index || p.Validate() != nil {
			return fail("progress")
		}
	}
	for i, e := range k.Echoes {
		if i > 0 && e.Index <= k.Echoes[i-1].Index || len(e.Digest) != DigestSize {
			return fail("echoes")
		}
	}
	return nil
}

func (r Request) validate() error {
	fail := func(what string) error { return ErrInvalidGenesis.Wrapf("request %x: %s", r.Id, what) }
	if len(r.Id) != IDSize || len(r.KeyId) != IDSize || r.Attempt == 0 || r.Threshold == 0 {
		return fail("id, key id, attempt or threshold")
	}
	if _, ok := RequestStatus_name[int32(r.Status)]; !ok || r.Status == REQUEST_STATUS_UNSPECIFIED {
		return fail("status")
	}
	if r.Kind != REQUEST_KIND_PUBLIC_DECRYPTION && r.Kind != REQUEST_KIND_USER_DECRYPTION {
		return fail("kind")
	}
	list, err := r.HandleList()
	if err != nil {
		return fail(err.Error())
	}
	if id, err := r.ComputedID(list); err != nil || !bytes.Equal(id[:], r.Id) {
		return fail("the id is not that of the content")
	}
	if err := checkItems(r, list); err != nil {
		return fail(err.Error())
	}
	if _, err := SigningDomain(r.Domain); err != nil {
		return fail(err.Error())
	}
	if err := r.checkContributions(); err != nil {
		return fail(err.Error())
	}
	if r.Status == REQUEST_STATUS_FULFILLED || r.Kind == REQUEST_KIND_USER_DECRYPTION {
		if err := r.checkAnswer(list); err != nil {
			return fail(err.Error())
		}
	}
	return nil
}

// checkContributions checks that the parties are named in order, and that their
// words are of the request's kind.
func (r Request) checkContributions() error {
	private := r.Kind == REQUEST_KIND_USER_DECRYPTION
	for i, c := range r.Contributions {
		if i > 0 && c.Index <= r.Contributions[i-1].Index {
			return errors.New("contributions are not in order")
		}
		if private && (!c.Agrees || len(c.Plaintext) != 0 || len(c.ShareDigest) != DigestSize) {
			return fmt.Errorf("contribution of party %d is no share", c.Index)
		}
		if !private && (len(c.ShareDigest) != 0 || c.Agrees && r.Status != REQUEST_STATUS_FULFILLED) {
			return fmt.Errorf("contribution of party %d is no plaintext", c.Index)
		}
	}
	return nil
}

// validateShares checks that the shares are those, all and only, of which the
// requests' contributions have the digests. An expired attempt's are dropped.
func (g GenesisState) validateShares() error {
	shares := map[string][]Share{}
	for _, s := range g.Shares {
		if _, twice := shares[string(s.RequestId)]; twice || len(s.Shares) == 0 {
			return ErrInvalidGenesis.Wrapf("shares of %x", s.RequestId)
		}
		shares[string(s.RequestId)] = s.Shares
	}
	for _, r := range g.Requests {
		if r.Kind != REQUEST_KIND_USER_DECRYPTION || r.Status == REQUEST_STATUS_EXPIRED {
			continue
		}
		own := shares[string(r.Id)]
		delete(shares, string(r.Id))
		if !slices.EqualFunc(r.Contributions, own, func(c Contribution, s Share) bool {
			return c.Index == s.Index && c.Height == s.Height && bytes.Equal(c.Signature, s.Signature) &&
				bytes.Equal(c.ShareDigest, crypto.Keccak256(s.Payload))
		}) {
			return ErrInvalidGenesis.Wrapf("shares of %x", r.Id)
		}
	}
	if len(shares) != 0 {
		return ErrInvalidGenesis.Wrap("shares of no open or fulfilled user decryption")
	}
	return nil
}

// checkItems checks that the ciphertexts take one contiguous range of items.
func checkItems(r Request, list []handles.Handle) error {
	if len(list) == 0 {
		return handles.ErrEmpty
	}
	next := r.Ciphertexts[0].FirstItem
	for i, c := range r.Ciphertexts {
		if int(c.Blocks) != list[i].Type().Blocks() || c.FirstItem != next || len(c.Digest) != DigestSize {
			return fmt.Errorf("ciphertext %d: blocks, items or digest", i)
		}
		next += uint64(c.Blocks)
	}
	return nil
}
