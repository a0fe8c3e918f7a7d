package certificate

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cometbft/cometbft/light"
	cmtcrypto "github.com/cometbft/cometbft/proto/tendermint/crypto"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	cmttypes "github.com/cometbft/cometbft/types"
	ics23 "github.com/cosmos/ics23/go"

	"github.com/cosmos/gogoproto/proto"

	"github.com/tkms-network/tkms/enclave/stateproof"
	"github.com/tkms-network/tkms/x/kms/types"
)

// Bounds of a file's parts.
const (
	// maxHeaders: of the accepting block and the next, of the state, and the trusted one.
	maxHeaders = 4
	// maxRecord bounds a proven record, in bytes.
	maxRecord = 1 << 20
	// maxDrift is how far a header's time may be ahead of the verifier's clock.
	maxDrift = 10 * time.Second
)

// Trust is what the verifier knows from elsewhere: a header, or else validators.
type Trust struct {
	// Header is the hash of a header of the TKMS chain that the certificate carries, and
	// Height its height, or 0. If it is given, Validators are not looked at.
	Header []byte
	Height int64
	// Validators are hashes of validator sets, as headers have them.
	Validators [][]byte
	// Period is for how long after its time others may follow from Header, and Now the
	// verifier's time.
	Period time.Duration
	Now    time.Time
}

// headers are those that follow from what is trusted, by height.
type headers map[int64]*cmttypes.LightBlock

// verifyHeaders decodes the headers and returns them if all follow from trust.
func verifyHeaders(encoded []*cmtproto.LightBlock, trust Trust) (headers, error) {
	list, err := decodeHeaders(encoded)
	if err != nil {
		return nil, err
	}
	for _, b := range list {
		if err := b.ValidatorSet.VerifyCommit(b.ChainID, b.Commit.BlockID, b.Height, b.Commit); err != nil {
			return nil, fmt.Errorf("%w: height %d: %w", ErrUntrusted, b.Height, err)
		}
	}
	switch {
	case len(trust.Header) != 0:
		err = followHeader(list, trust)
	case len(trust.Validators) != 0:
		err = knownValidators(list, trust.Validators)
	default:
		err = ErrNoTrust
	}
	if err != nil {
		return nil, err
	}
	verified := headers{}
	for _, b := range list {
		verified[b.Height] = b
	}
	return verified, nil
}

// decodeHeaders returns well-formed headers of one chain in ascending order.
func decodeHeaders(encoded []*cmtproto.LightBlock) ([]*cmttypes.LightBlock, error) {
	if len(encoded) == 0 || len(encoded) > maxHeaders {
		return nil, fmt.Errorf("%w: %d headers, want 1 to %d", ErrUntrusted, len(encoded), maxHeaders)
	}
	list := make([]*cmttypes.LightBlock, len(encoded))
	for i, e := range encoded {
		b, err := cmttypes.LightBlockFromProto(e)
		if err != nil {
			return nil, fmt.Errorf("%w: header %d: %w", ErrUntrusted, i, err)
		}
		if b.SignedHeader == nil || b.Header == nil || b.ValidateBasic(b.ChainID) != nil {
			return nil, fmt.Errorf("%w: header %d is malformed", ErrUntrusted, i)
		}
		if again, err := encodeHeader(b); err != nil || !proto.Equal(again, e) {
			return nil, fmt.Errorf("%w: header %d is not as TKMS writes it", ErrUntrusted, i)
		}
		if i > 0 && (b.ChainID != list[0].ChainID || b.Height <= list[i-1].Height) {
			return nil, fmt.Errorf("%w: headers of several chains, or not in order", ErrUntrusted)
		}
		list[i] = b
	}
	return list, nil
}

// encodeHeader writes a header without what neither its hash nor a signature covers:
// whose turn it is to propose.
func encodeHeader(b *cmttypes.LightBlock) (*cmtproto.LightBlock, error) {
	set := b.ValidatorSet.Copy()
	for _, v := range set.Validators {
		v.ProposerPriority = 0
	}
	set.Proposer = set.Validators[0]
	return (&cmttypes.LightBlock{SignedHeader: b.SignedHeader, ValidatorSet: set}).ToProto()
}

// followHeader checks that one header is the trusted one, that later ones follow from
// it, and that earlier ones were signed by the same validators.
func followHeader(list []*cmttypes.LightBlock, trust Trust) error {
	at := slices.IndexFunc(list, func(b *cmttypes.LightBlock) bool { return bytes.Equal(b.Hash(), trust.Header) })
	if at < 0 || trust.Height != 0 && list[at].Height != trust.Height {
		return fmt.Errorf("%w: the trusted header is not among those of heights %d to %d", ErrUntrusted, list[0].Height, list[len(list)-1].Height)
	}
	trusted := list[at]
	for _, b := range list[:at] {
		if !bytes.Equal(b.ValidatorsHash, trusted.ValidatorsHash) {
			return fmt.Errorf("%w: height %d, before the trusted one, has other validators", ErrUntrusted, b.Height)
		}
	}
	for _, b := range list[at+1:] {
		err := light.Verify(trusted.SignedHeader, trusted.ValidatorSet, b.SignedHeader, b.ValidatorSet,
			trust.Period, trust.Now, maxDrift, light.DefaultTrustLevel)
		var expired light.ErrOldHeaderExpired
		switch {
		case errors.As(err, &expired):
			return fmt.Errorf("%w: it is of %s", ErrExpired, trusted.Time.UTC().Format(time.RFC3339))
		case err != nil:
			return fmt.Errorf("%w: height %d: %w", ErrUntrusted, b.Height, err)
		}
		trusted = b
	}
	return nil
}

// knownValidators checks that all headers have validators that are trusted.
func knownValidators(list []*cmttypes.LightBlock, known [][]byte) error {
	for _, b := range list {
		if !slices.ContainsFunc(known, func(hash []byte) bool { return bytes.Equal(hash, b.ValidatorsHash) }) {
			return fmt.Errorf("%w: height %d has the validators %s", ErrUntrusted, b.Height, b.ValidatorsHash)
		}
	}
	return nil
}

// proven checks that a record stands under a key of a store's state.
func (h headers) proven(store string, key []byte, record proto.Message, proof types.StateProof) error {
	header := h[proof.Height+1]
	if header == nil {
		return fmt.Errorf("%w: no header of height %d", ErrNotProven, proof.Height+1)
	}
	value, err := proto.Marshal(record)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotProven, err)
	}
	for _, step := range [][]byte{proof.Store, proof.App} {
		if !canonicalStep(step) {
			return fmt.Errorf("%w: a step of the proof is not as TKMS writes it", ErrNotProven)
		}
	}
	err = stateproof.Verify(header.AppHash, store, key, value, []cmtcrypto.ProofOp{
		{Type: stateproof.OpStore, Key: key, Data: proof.Store},
		{Type: stateproof.OpApp, Key: []byte(store), Data: proof.App},
	}, maxRecord)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotProven, err)
	}
	return nil
}

// canonicalStep tells whether nothing but a proof step was encoded, in one way.
func canonicalStep(data []byte) bool {
	var step ics23.CommitmentProof
	if step.Unmarshal(data) != nil {
		return false
	}
	again, err := step.Marshal()
	return err == nil && bytes.Equal(again, data)
}
