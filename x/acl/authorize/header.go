package authorize

import (
	"errors"

	"github.com/ethereum/go-ethereum/crypto"

	errorsmod "cosmossdk.io/errors"

	"github.com/tkms-network/tkms/x/acl/qbft"
	"github.com/tkms-network/tkms/x/acl/types"
)

// DecodeHeader decodes a sealed header, or fails with ErrMalformedHeader.
func DecodeHeader(raw []byte) (*qbft.Header, error) {
	header, err := qbft.DecodeHeader(raw)
	if err != nil {
		return nil, types.ErrMalformedHeader.Wrap(err.Error())
	}
	return header, nil
}

// CheckHeight refuses a header from before the current validators are known, with
// ErrHeightTooLow.
func CheckHeight(chain types.HostChain, header *qbft.Header) error {
	if header.Height < chain.ValidatorsHeight {
		return types.ErrHeightTooLow.Wrapf("height %d, the validators are known from %d", header.Height, chain.ValidatorsHeight)
	}
	return nil
}

// CheckSeals refuses a header that a quorum of the host chain's current validators did
// not seal, or that somebody else did too. Each reason has a registered error.
func CheckSeals(chain types.HostChain, header *qbft.Header) error {
	set, err := chain.ValidatorSet()
	if err != nil {
		return err
	}
	if err := header.Verify(set); err != nil {
		return Registered(err)
	}
	return nil
}

// Summary is what remains of a header once its seals were checked.
func Summary(header *qbft.Header, raw []byte) types.VerifiedHeader {
	hash := header.BlockHash()
	return types.VerifiedHeader{
		Hash:      hash[:],
		Height:    header.Height,
		Timestamp: header.Time,
		StateRoot: header.StateRoot[:],
		Digest:    crypto.Keccak256(raw),
	}
}

// headerCodes pairs the header rules' errors with this module's.
var headerCodes = []struct {
	rule error
	code *errorsmod.Error
}{
	{qbft.ErrBadSeal, types.ErrBadSeal},
	{qbft.ErrStranger, types.ErrStranger},
	{qbft.ErrNoQuorum, types.ErrNoQuorum},
	{qbft.ErrForeignSet, types.ErrForeignValidators},
	{qbft.ErrNoSuccession, types.ErrNoSuccession},
	{qbft.ErrNoFork, types.ErrNoFork},
}

// Registered gives an error of package qbft its code in x/acl.
func Registered(err error) error {
	for _, c := range headerCodes {
		if errors.Is(err, c.rule) {
			return c.code.Wrap(err.Error())
		}
	}
	return types.ErrMalformedHeader.Wrap(err.Error())
}
