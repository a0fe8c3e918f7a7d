package slots

import (
	"encoding/binary"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

// verifierBase010 is the ERC-7201 slot of namespace "fhevm.storage.KMSVerifier".
var verifierBase010 = common.HexToHash("0x7e81a744be86773af8644dd7304fa1dc9350ccabf16cfcaa614ddb78b4ce8900")

// Offsets from the base, in layout fhevm-0.10. Before them is the mapping isSigner, which
// defineNewContext alone writes, together with the array.
const (
	offsetSigners   = 1
	offsetThreshold = 2
)

// Verifier computes the slots of one layout of KMSVerifier.
type Verifier struct {
	base common.Hash
}

// NewVerifier returns the layout of that name, or ErrUnknownLayout.
func NewVerifier(layout string) (Verifier, error) {
	if layout != LayoutFhevm010 {
		return Verifier{}, fmt.Errorf("%w %q of a verifier, known: %s", ErrUnknownLayout, layout, LayoutFhevm010)
	}
	return Verifier{base: verifierBase010}, nil
}

// Slots are those of a set of count signers: the number of signers, the threshold, and
// each signer in order.
func (v Verifier) Slots(count int) []common.Hash {
	length := add(v.base, offsetSigners)
	list := []common.Hash{length, add(v.base, offsetThreshold)}
	// Solidity keeps the elements of a dynamic array from the hash of its slot on.
	first := crypto.Keccak256Hash(length[:])
	for i := range count {
		list = append(list, add(first, uint64(i)))
	}
	return list
}

// SignerWords are what the Slots of so many signers hold if the verifier takes exactly
// these, in this order, and a result needs threshold of them.
func SignerWords(signers []common.Address, threshold uint32) []common.Hash {
	list := []common.Hash{number(uint64(len(signers))), number(uint64(threshold))}
	for _, s := range signers {
		list = append(list, pad(s))
	}
	return list
}

// add is a slot that many after another.
func add(slot common.Hash, offset uint64) common.Hash {
	sum := new(uint256.Int).SetBytes32(slot[:])
	return sum.AddUint64(sum, offset).Bytes32()
}

func number(n uint64) (word common.Hash) {
	binary.BigEndian.PutUint64(word[24:], n)
	return word
}
