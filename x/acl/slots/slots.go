// Package slots knows where fhEVM's contracts keep what a decryption depends on:
// which storage slot of the ACL says that a handle may be decrypted, which slot of
// the ciphertext registry holds the digest of a handle's bytes, and which slots of the
// verifier say whose signatures under a plaintext it takes.
//
// # What it guarantees
//
// Slots are computed from the layout named in the host chain's record and from the
// request; nothing in a proof can move them. Words are decoded strictly: a boolean is
// 0 or 1, unused bits of a packed struct are zero.
//
// # What it does not
//
// It does not know whether the contract at an address has that layout: addresses and
// code hashes are pinned when a host chain is registered.
//
// Layout "fhevm-0.10" is that of @fhevm/host-contracts 0.10.0, storage namespaces
// "fhevm.storage.ACL" and "fhevm.storage.KMSVerifier" (ERC-7201). Transient allowances
// are not in the state and cannot be proven.
package slots

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/holiman/uint256"
)

// LayoutFhevm010 names the layout of the contracts of @fhevm/host-contracts 0.10.
const LayoutFhevm010 = "fhevm-0.10"

// Errors of this package.
var (
	// ErrUnknownLayout means that no layout has the name.
	ErrUnknownLayout = errors.New("slots: unknown layout")
	// ErrBadWord means that a storage word is no value of the slot's type.
	ErrBadWord = errors.New("slots: storage word does not fit the layout")
)

// aclBase010 is the ERC-7201 slot of namespace "fhevm.storage.ACL":
// keccak256(abi.encode(uint256(keccak256(namespace)) − 1)) & ~0xff.
var aclBase010 = common.HexToHash("0xa688f31953c2015baaf8c0a488ee1ee22eb0e05273cc1fd31ea4cbee42febc00")

// Offsets of the mappings from the base, in layout fhevm-0.10.
const (
	offsetPersisted   = 0
	offsetPublic      = 1
	offsetDelegations = 2
)

// ACL computes the slots of one ACL layout.
type ACL struct {
	base common.Hash
}

// NewACL returns the layout of that name, or ErrUnknownLayout.
func NewACL(layout string) (ACL, error) {
	if layout != LayoutFhevm010 {
		return ACL{}, fmt.Errorf("%w %q, known: %s", ErrUnknownLayout, layout, LayoutFhevm010)
	}
	return ACL{base: aclBase010}, nil
}

// AllowedForDecryption is the slot of allowedForDecryption[handle]: a boolean, true
// when anybody may have the plaintext.
func (a ACL) AllowedForDecryption(handle common.Hash) common.Hash {
	return mapping(handle, a.field(offsetPublic))
}

// Persisted is the slot of persistedAllowedPairs[handle][account]: a boolean, true
// when the account may use the handle in every transaction.
func (a ACL) Persisted(handle common.Hash, account common.Address) common.Hash {
	return mapping(pad(account), mapping(handle, a.field(offsetPersisted)))
}

// Delegation is the slot of userDecryptionDelegations[delegator][delegate][contract],
// a packed struct: see DecodeDelegation.
func (a ACL) Delegation(delegator, delegate, contract common.Address) common.Hash {
	return mapping(pad(contract), mapping(pad(delegate), mapping(pad(delegator), a.field(offsetDelegations))))
}

func (a ACL) field(offset uint64) common.Hash { return add(a.base, offset) }

// RegistryDigest is the slot of digest[handle] in a ciphertext registry whose mapping
// is at base.
func RegistryDigest(base, handle common.Hash) common.Hash { return mapping(handle, base) }

// Namespace is the ERC-7201 base slot of a storage namespace.
func Namespace(id string) common.Hash {
	inner := new(uint256.Int).SetBytes32(crypto.Keccak256([]byte(id)))
	inner.SubUint64(inner, 1)
	word := inner.Bytes32()
	base := crypto.Keccak256Hash(word[:])
	base[31] = 0
	return base
}

// mapping is Solidity's slot of a mapping's value: keccak256(key ‖ slot).
func mapping(key, slot common.Hash) common.Hash { return crypto.Keccak256Hash(key[:], slot[:]) }

func pad(a common.Address) common.Hash { return common.BytesToHash(a[:]) }

// DecodeBool reads a boolean that has a slot of its own; other words than 0 and 1 are
// ErrBadWord.
func DecodeBool(word common.Hash) (bool, error) {
	switch word {
	case common.Hash{}:
		return false, nil
	case common.Hash{31: 1}:
		return true, nil
	}
	return false, fmt.Errorf("%w: %s is no boolean", ErrBadWord, word)
}

// Delegation is a user's leave for a delegate to decrypt on the user's behalf.
type Delegation struct {
	// Expires is the block time, in seconds since the epoch, after which the delegation
	// is void. Zero when there is none or it was revoked.
	Expires uint64
	// LastBlock is the block in which it was last given or revoked.
	LastBlock uint64
	// Counter counts how often it was given or revoked.
	Counter uint64
}

// DecodeDelegation reads the packed struct, from the low bits: Expires, LastBlock,
// Counter, 64 bits each, and 64 zero bits. Anything else is ErrBadWord.
func DecodeDelegation(word common.Hash) (Delegation, error) {
	if binary.BigEndian.Uint64(word[:8]) != 0 {
		return Delegation{}, fmt.Errorf("%w: %s is no delegation", ErrBadWord, word)
	}
	return Delegation{
		Counter:   binary.BigEndian.Uint64(word[8:16]),
		LastBlock: binary.BigEndian.Uint64(word[16:24]),
		Expires:   binary.BigEndian.Uint64(word[24:]),
	}, nil
}

// ActiveAt tells whether the delegation holds at a block time in seconds since the
// epoch. The ACL counts the expiry second itself as valid.
func (d Delegation) ActiveAt(time uint64) bool { return d.Expires != 0 && d.Expires >= time }
