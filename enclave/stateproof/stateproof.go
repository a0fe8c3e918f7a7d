// Package stateproof checks that the TKMS chain's state has a value, or none, at a key.
//
// A proof has two ICS-23 steps: key and value, or absence, in the tree of a module's
// store, and that tree's root among all stores under the application hash, which the
// header after the state's height carries. Nothing that a node says is believed; who
// calls it has verified the header. It decodes within bounds and never panics.
package stateproof

import (
	"errors"
	"fmt"

	cmtcrypto "github.com/cometbft/cometbft/proto/tendermint/crypto"
	ics23 "github.com/cosmos/ics23/go"
)

// Types of the two steps as the application names them.
const (
	OpStore = "ics23:iavl"
	OpApp   = "ics23:simple"
)

// maxStep bounds one encoded step. A tree of 2^40 keys has 56 levels of about 40 bytes,
// twice that for absence.
const maxStep = 64 << 10

// ErrInvalid reports a proof that does not show what it claims.
var ErrInvalid = errors.New("invalid state proof")

// Verify checks the steps of a proof, OpStore then OpApp, that a store has value at key
// under an application hash. An empty value claims absence: the tree cannot prove an
// empty value. maxValue bounds the value in bytes. It fails with ErrInvalid.
func Verify(appHash []byte, store string, key, value []byte, ops []cmtcrypto.ProofOp, maxValue int) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: panic: %v", ErrInvalid, p)
		}
	}()
	if len(ops) != 2 || len(value) > maxValue {
		return fmt.Errorf("%w: %d steps, value of %d bytes", ErrInvalid, len(ops), len(value))
	}
	inner, err := decodeStep(ops[0], OpStore, key)
	if err != nil {
		return err
	}
	outer, err := decodeStep(ops[1], OpApp, []byte(store))
	if err != nil {
		return err
	}
	root, err := inner.Calculate()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if len(value) > 0 {
		if inner.GetExist() == nil || !ics23.VerifyMembership(ics23.IavlSpec, root, inner, key, value) {
			return fmt.Errorf("%w: value is not under the store's root", ErrInvalid)
		}
	} else if inner.GetNonexist() == nil || !ics23.VerifyNonMembership(ics23.IavlSpec, root, inner, key) {
		return fmt.Errorf("%w: absence does not follow from the store's root", ErrInvalid)
	}
	if outer.GetExist() == nil || !ics23.VerifyMembership(ics23.TendermintSpec, appHash, outer, []byte(store), root) {
		return fmt.Errorf("%w: store is not under the application hash", ErrInvalid)
	}
	return nil
}

func decodeStep(op cmtcrypto.ProofOp, kind string, key []byte) (*ics23.CommitmentProof, error) {
	if op.Type != kind || string(op.Key) != string(key) || len(op.Data) > maxStep {
		return nil, fmt.Errorf("%w: step is of another kind, key or size", ErrInvalid)
	}
	step := new(ics23.CommitmentProof)
	if err := step.Unmarshal(op.Data); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return step, nil
}
