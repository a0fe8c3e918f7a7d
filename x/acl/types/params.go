package types

import (
	"github.com/tkms-network/tkms/x/acl/qbft"
)

const (
	// MaxHeaderCache bounds the verified headers kept for each host chain.
	MaxHeaderCache = 4096
	// MaxProofBytes bounds what governance may allow as the size of a proof; a transaction has at most 1 MiB.
	MaxProofBytes = 1 << 20
	// MaxGasPrice bounds the gas of one seal or node, so that no product of it overflows.
	MaxGasPrice = 1_000_000_000
)

// DefaultParams keeps the last 256 headers. A seal costs what the SDK charges for a secp256k1 signature; a
// node, hashing and decoding of at most 532 bytes, a tenth of it.
func DefaultParams() Params {
	return Params{
		HeaderCache:     256,
		GasPerSeal:      1000,
		GasPerProofNode: 100,
		MaxHeaderBytes:  qbft.MaxHeaderSize,
		MaxProofBytes:   512 << 10,
	}
}

// Validate checks the ranges.
func (p Params) Validate() error {
	if p.HeaderCache > MaxHeaderCache {
		return ErrInvalidParams.Wrapf("header cache %d is over %d", p.HeaderCache, MaxHeaderCache)
	}
	if p.GasPerSeal > MaxGasPrice || p.GasPerProofNode > MaxGasPrice {
		return ErrInvalidParams.Wrapf("gas of a seal or node is over %d", MaxGasPrice)
	}
	if p.MaxHeaderBytes == 0 || p.MaxHeaderBytes > qbft.MaxHeaderSize {
		return ErrInvalidParams.Wrapf("max header bytes %d is not within 1..%d", p.MaxHeaderBytes, qbft.MaxHeaderSize)
	}
	if p.MaxProofBytes == 0 || p.MaxProofBytes > MaxProofBytes {
		return ErrInvalidParams.Wrapf("max proof bytes %d is not within 1..%d", p.MaxProofBytes, MaxProofBytes)
	}
	return nil
}
