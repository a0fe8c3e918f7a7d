package fhevm

import (
	"encoding/binary"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Handle names a ciphertext on a host chain. Bytes 0..20 are a hash, byte 21 the index in the
// input (0xff for computed values), 22..29 the chain id, 30 the type, 31 the version (0).
type Handle [32]byte

// Type returns byte 30.
func (h Handle) Type() Type { return Type(h[30]) }

// ChainID returns bytes 22..29 as a big-endian number.
func (h Handle) ChainID() uint64 { return binary.BigEndian.Uint64(h[22:30]) }

// Version returns byte 31.
func (h Handle) Version() byte { return h[31] }

// Hash returns the handle as a go-ethereum hash.
func (h Handle) Hash() common.Hash { return common.Hash(h) }

// String returns the handle as 0x-prefixed hex.
func (h Handle) String() string { return common.Hash(h).Hex() }

// MarshalText implements encoding.TextMarshaler: 0x-prefixed hex.
func (h Handle) MarshalText() ([]byte, error) { return common.Hash(h).MarshalText() }

// UnmarshalText implements encoding.TextUnmarshaler; it takes exactly 32 bytes of 0x-prefixed hex.
func (h *Handle) UnmarshalText(text []byte) error {
	return (*common.Hash)(h).UnmarshalText(text)
}

// Domain tags of input handles, as @zama-fhe/relayer-sdk 0.4.3 computes them.
const (
	inputBlobTag   = "ZK-w_rct"
	inputHandleTag = "ZK-w_hdl"
)

// InputHandle returns the handle of value number index of an encrypted input.
//
// ciphertext is the input as the coprocessor received it; acl and chainID belong to the host chain.
// The handle commits to 21 bytes of a hash over all of them, not to what the coprocessor makes of
// the input.
func InputHandle(ciphertext []byte, index uint8, acl common.Address, chainID uint64, t Type) Handle {
	blob := crypto.Keccak256([]byte(inputBlobTag), ciphertext)
	chain := common.BigToHash(new(big.Int).SetUint64(chainID))
	h := Handle(crypto.Keccak256Hash([]byte(inputHandleTag), blob, []byte{index}, acl[:], chain[:]))
	h[21] = index
	binary.BigEndian.PutUint64(h[22:30], chainID)
	h[30] = byte(t)
	h[31] = 0
	return h
}

// CiphertextDigest returns what the registry binds a handle to: keccak256 of the ciphertext's bytes.
func CiphertextDigest(ciphertext []byte) common.Hash { return crypto.Keccak256Hash(ciphertext) }
