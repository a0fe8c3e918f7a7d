// Package acltest is a host chain small enough for unit tests: validator keys, a
// real go-ethereum state with an ACL and a ciphertext registry at their real slots, and
// sealed headers and proofs made from them.
//
// It runs no EVM and links no blocks: whatever a test wants to be in the state is put
// there. It is for tests only and makes keys from seeds.
package acltest

import (
	"crypto/ecdsa"
	"encoding/binary"
	"fmt"
	"maps"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/tkms-network/tkms/x/acl/qbft"
	"github.com/tkms-network/tkms/x/acl/slots"
)

// Chain is a host chain at its latest state.
type Chain struct {
	ID uint64
	// Validators sorted by address.
	Validators []*ecdsa.PrivateKey
	// ACL and Registry are the contracts' addresses, ACLCode and RegistryCode their code.
	ACL, Registry         common.Address
	ACLCode, RegistryCode []byte
	// Verifier is the address of the contract that takes the parties' signatures, which
	// Take deploys, VerifierCode its code.
	Verifier     common.Address
	VerifierCode []byte
	// RegistryBase is the slot of the registry's mapping.
	RegistryBase common.Hash

	storage map[common.Address]map[common.Hash]common.Hash
	// code of the contracts besides ACL and registry.
	code map[common.Address][]byte
	// root and db of the last commit; nil db when storage changed since.
	root common.Hash
	db   state.Database
}

// Key derives a test key from a seed.
func Key(seed string) *ecdsa.PrivateKey {
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("tkms/acltest/" + seed)))
	if err != nil {
		panic(err)
	}
	return key
}

// Address is the account of a key.
func Address(key *ecdsa.PrivateKey) common.Address { return crypto.PubkeyToAddress(key.PublicKey) }

// Keys derives n keys, sorted by address.
func Keys(n int, seed string) []*ecdsa.PrivateKey {
	keys := make([]*ecdsa.PrivateKey, n)
	for i := range keys {
		keys[i] = Key(fmt.Sprintf("%s/%d", seed, i))
	}
	slices.SortFunc(keys, func(a, b *ecdsa.PrivateKey) int { return Address(a).Cmp(Address(b)) })
	return keys
}

// Addresses returns the accounts of keys, in their order.
func Addresses(keys []*ecdsa.PrivateKey) []common.Address {
	out := make([]common.Address, len(keys))
	for i, k := range keys {
		out[i] = Address(k)
	}
	return out
}

// New makes a chain with n validators derived from a seed, both contracts deployed and
// some neighbours in state and storage, so that proofs have several nodes.
func New(id uint64, n int, seed string) *Chain {
	c := &Chain{
		ID:           id,
		Validators:   Keys(n, seed),
		ACL:          common.HexToAddress("0x50157CFfD6bBFA2DECe204a89ec419c23ef5755D"),
		Registry:     common.HexToAddress("0x00000000000000000000000000000000000f4e91"),
		ACLCode:      []byte("code of the ACL proxy"),
		RegistryCode: []byte("code of the registry"),
		Verifier:     common.HexToAddress("0x901F8942346f7AB3a01F6D7613119Bca447Bb030"),
		VerifierCode: []byte("code of the verifier's proxy"),
		RegistryBase: slots.Namespace("tkms.storage.CiphertextRegistry"),
		storage:      map[common.Address]map[common.Hash]common.Hash{},
		code:         map[common.Address][]byte{},
	}
	for i := range 64 {
		noise := crypto.Keccak256Hash([]byte{byte(i)})
		c.Set(c.ACL, noise, noise)
		c.Set(c.Registry, noise, noise)
	}
	return c
}

// Handle makes a handle of this chain: a number in front, the chain id in bytes 22…29,
// the type in byte 30, version 0.
func (c *Chain) Handle(number uint64, typ byte) common.Hash {
	handle := crypto.Keccak256Hash(new(big.Int).SetUint64(number).Bytes())
	handle[21] = 0xff
	new(big.Int).SetUint64(c.ID).FillBytes(handle[22:30])
	handle[30], handle[31] = typ, 0
	return handle
}

// Deploy puts another contract into the state.
func (c *Chain) Deploy(contract common.Address, code []byte) {
	c.code[contract] = code
	if c.storage[contract] == nil {
		c.storage[contract] = map[common.Hash]common.Hash{}
	}
	c.db = nil
}

// Set writes a storage word.
func (c *Chain) Set(contract common.Address, slot, word common.Hash) {
	if c.storage[contract] == nil {
		c.storage[contract] = map[common.Hash]common.Hash{}
	}
	c.storage[contract][slot] = word
	c.db = nil
}

// Drop removes a contract from the state.
func (c *Chain) Drop(contract common.Address) {
	delete(c.storage, contract)
	c.db = nil
}

// Allow marks handles as publicly decryptable in the ACL.
func (c *Chain) Allow(handles ...common.Hash) {
	for _, h := range handles {
		c.Set(c.ACL, Layout().AllowedForDecryption(h), yes)
	}
}

// Grant allows a handle to accounts in the ACL.
func (c *Chain) Grant(handle common.Hash, accounts ...common.Address) {
	for _, account := range accounts {
		c.Set(c.ACL, Layout().Persisted(handle, account), yes)
	}
}

// Delegate writes into the ACL what a delegate may decrypt on the delegator's behalf.
func (c *Chain) Delegate(delegator, delegate, contract common.Address, delegation slots.Delegation) {
	var word common.Hash
	binary.BigEndian.PutUint64(word[8:], delegation.Counter)
	binary.BigEndian.PutUint64(word[16:], delegation.LastBlock)
	binary.BigEndian.PutUint64(word[24:], delegation.Expires)
	c.Set(c.ACL, Layout().Delegation(delegator, delegate, contract), word)
}

// Take has the verifier take the signatures of signers, of whom threshold make a result.
// What an earlier set had beyond is cleared.
func (c *Chain) Take(signers []common.Address, threshold uint32) {
	layout := VerifierLayout()
	delete(c.storage, c.Verifier)
	c.Deploy(c.Verifier, c.VerifierCode)
	words := slots.SignerWords(signers, threshold)
	for i, slot := range layout.Slots(len(signers)) {
		c.Set(c.Verifier, slot, words[i])
	}
}

// yes is a boolean that is true.
var yes = common.Hash{31: 1}

// Bind writes a handle's digest into the registry.
func (c *Chain) Bind(handle, digest common.Hash) {
	c.Set(c.Registry, slots.RegistryDigest(c.RegistryBase, handle), digest)
}

// VerifierLayout is where the verifier keeps its signers.
func VerifierLayout() slots.Verifier {
	verifier, err := slots.NewVerifier(slots.LayoutFhevm010)
	if err != nil {
		panic(err)
	}
	return verifier
}

// Layout is where the ACL keeps what it permits.
func Layout() slots.ACL {
	acl, err := slots.NewACL(slots.LayoutFhevm010)
	if err != nil {
		panic(err)
	}
	return acl
}

// Root commits the state and returns its root.
func (c *Chain) Root() common.Hash {
	if c.db != nil {
		return c.root
	}
	c.db = state.NewDatabaseForTesting()
	s, err := state.New(types.EmptyRootHash, c.db)
	if err != nil {
		panic(err)
	}
	for i := range 200 {
		s.SetNonce(common.BytesToAddress(crypto.Keccak256([]byte{byte(i)})), 1, tracing.NonceChangeUnspecified)
	}
	code := maps.Clone(c.code)
	code[c.ACL], code[c.Registry] = c.ACLCode, c.RegistryCode
	for contract, words := range c.storage {
		s.SetNonce(contract, 1, tracing.NonceChangeUnspecified)
		s.SetCode(contract, code[contract], tracing.CodeChangeUnspecified)
		for slot, word := range words {
			s.SetState(contract, slot, word)
		}
	}
	root, err := s.Commit(params.MergedTestChainConfig.Rules(big.NewInt(1), true, 1), 1)
	if err != nil {
		panic(err)
	}
	if err := c.db.TrieDB().Commit(root, false); err != nil {
		panic(err)
	}
	c.root = root
	return root
}

// Header is an unsealed header of the current state with the fields of a chain at the
// Prague fork.
func (c *Chain) Header(height, time uint64) *types.Header {
	zero, hash := uint64(0), common.Hash{}
	return &types.Header{
		ParentHash:       crypto.Keccak256Hash([]byte("parent"), new(big.Int).SetUint64(height).Bytes()),
		UncleHash:        types.EmptyUncleHash,
		Root:             c.Root(),
		TxHash:           types.EmptyTxsHash,
		ReceiptHash:      types.EmptyReceiptsHash,
		Difficulty:       big.NewInt(1),
		Number:           new(big.Int).SetUint64(height),
		GasLimit:         60_000_000,
		Time:             time,
		MixDigest:        common.HexToHash("0x63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365"),
		BaseFee:          big.NewInt(0),
		WithdrawalsHash:  &types.EmptyWithdrawalsHash,
		BlobGasUsed:      &zero,
		ExcessBlobGas:    &zero,
		ParentBeaconRoot: &hash,
		RequestsHash:     &types.EmptyRequestsHash,
	}
}

// Sealed returns the RLP of a header at the current state, carrying the chain's
// validators and sealed by a quorum of them.
func (c *Chain) Sealed(height, time uint64) []byte {
	quorum := (2*len(c.Validators) + 2) / 3
	return Seal(c.Header(height, time), 0, c.Validators, c.Validators[:quorum])
}

// Seal writes extraData that carries a validator set into a header, seals it with keys,
// in any order and any number, and returns its RLP.
func Seal(header *types.Header, round uint32, carried, sealers []*ecdsa.PrivateKey) []byte {
	extra := qbft.ExtraData{Validators: Addresses(carried), Round: round}
	digest := crypto.Keccak256(encode(header, extra))
	for _, key := range sealers {
		signature, err := crypto.Sign(digest, key)
		if err != nil {
			panic(err)
		}
		extra.Seals = append(extra.Seals, qbft.Seal(signature))
	}
	return encode(header, extra)
}

func encode(header *types.Header, extra qbft.ExtraData) []byte {
	copied := types.CopyHeader(header)
	copied.Extra = extra.Encode()
	b, err := rlp.EncodeToBytes(copied)
	if err != nil {
		panic(err)
	}
	return b
}
