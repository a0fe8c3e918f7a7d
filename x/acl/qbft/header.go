package qbft

import (
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

// MaxHeaderSize bounds an encoded header: 15 fixed fields and the later ones stay
// below 1 KiB, MaxValidators addresses and seals below 11.5 KiB.
const MaxHeaderSize = 16 * 1024

// Positions of a header's fields in its RLP list (Ethereum yellow paper, 4.4).
const (
	fieldParentHash = 0
	fieldStateRoot  = 3
	fieldNumber     = 8
	fieldTime       = 11
	fieldExtra      = 12
	// Every header since the first Ethereum block has these.
	minFields = 15
	// Forks up to Prague appended 6 fields; room for those that follow. What is
	// read here does not move when a fork appends.
	maxFields = 24
	// Longest of the appended fields: hashes and base fees.
	maxAppended = 32
)

// fixedFields are the lengths of the fields that have one.
var fixedFields = []struct{ index, length int }{
	{fieldParentHash, 32}, {1, 32}, {2, 20}, {fieldStateRoot, 32}, {4, 32}, {5, 32}, {6, 256}, {13, 32}, {14, 8},
}

// scalarFields are the integers below 2⁶⁴. Difficulty is 1 in QBFT.
var scalarFields = []int{7, fieldNumber, 9, 10, fieldTime}

// Header is a decoded header. Its exported fields are read from the bytes that the
// seals cover; changing them changes neither hash.
type Header struct {
	ParentHash common.Hash
	StateRoot  common.Hash
	// Height is the block number.
	Height uint64
	// Time is in seconds since the epoch.
	Time  uint64
	Extra ExtraData

	// fields holds each field as encoded, so that hashes are over the original bytes
	// whatever later forks append.
	fields [][]byte
}

// DecodeHeader decodes the RLP of a sealed header, at most MaxHeaderSize bytes. It
// keeps no reference to b and fails with ErrMalformed.
func DecodeHeader(b []byte) (*Header, error) {
	if len(b) > MaxHeaderSize {
		return nil, fmt.Errorf("%w: %d bytes, want at most %d", ErrMalformed, len(b), MaxHeaderSize)
	}
	fields, err := splitList(slices.Clone(b), minFields, maxFields)
	if err != nil {
		return nil, err
	}
	h := &Header{fields: fields}
	var longest [256]byte
	for _, f := range fixedFields {
		if err := fixedString(fields[f.index], longest[:f.length]); err != nil {
			return nil, fmt.Errorf("field %d: %w", f.index, err)
		}
		switch f.index {
		case fieldParentHash:
			copy(h.ParentHash[:], longest[:])
		case fieldStateRoot:
			copy(h.StateRoot[:], longest[:])
		}
	}
	for _, i := range scalarFields {
		x, err := scalar(fields[i])
		if err != nil {
			return nil, fmt.Errorf("field %d: %w", i, err)
		}
		switch i {
		case fieldNumber:
			h.Height = x
		case fieldTime:
			h.Time = x
		}
	}
	for i := minFields; i < len(fields); i++ {
		if err := shortString(fields[i], maxAppended); err != nil {
			return nil, fmt.Errorf("field %d: %w", i, err)
		}
	}
	extra, _, err := rlp.SplitString(fields[fieldExtra])
	if err != nil {
		return nil, fmt.Errorf("%w: extraData: %w", ErrMalformed, err)
	}
	if h.Extra, err = DecodeExtraData(extra); err != nil {
		return nil, err
	}
	return h, nil
}

// Encode returns the header with its current Extra: the bytes it was decoded from,
// unless Extra was changed since.
func (h *Header) Encode() []byte { return h.encodeWith(h.Extra) }

// CommitDigest is what validators seal: keccak256 of the header with the seals left
// out of extraData and the round kept (Besu, BftBlockHashing: committed seal).
func (h *Header) CommitDigest() common.Hash {
	return crypto.Keccak256Hash(h.encodeWith(h.Extra.withoutSeals()))
}

// BlockHash is the hash by which the chain names the block: keccak256 of the header
// without seals and with round 0. The same block sealed by others, or in another
// round, keeps it (Besu, BftBlockHashing: hash on chain).
func (h *Header) BlockHash() common.Hash {
	return crypto.Keccak256Hash(h.encodeWith(h.Extra.withoutSealsAndRound()))
}

func (h *Header) encodeWith(extra ExtraData) []byte {
	encoded := rlp.NewEncoderBuffer(nil)
	encoded.WriteBytes(extra.Encode())
	fields := slices.Clone(h.fields)
	fields[fieldExtra] = encoded.ToBytes()
	return joinList(fields)
}
