package hostchain

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
)

// Errors of the coprocessor.
var (
	ErrInput     = errors.New("hostchain: invalid input")
	ErrRebinding = errors.New("hostchain: ciphertext already belongs to another handle, user or contract")
)

// MaxCiphertext is the longest accepted ciphertext in bytes, well above a euint2048.
const MaxCiphertext = 16 << 20

// Coprocessor is a simulated coprocessor. It signs inputs for InputVerifier and binds them in the
// registry. It decrypts nothing, verifies no zero-knowledge proof of knowledge and evaluates no
// FHE operation: an input of garbage is signed like any other.
//
// It keeps two rules of a real one, because decryption depends on them: a ciphertext has one
// handle, and an input belongs to the user and contract that first brought it, so that nobody gets
// a copy of somebody else's input accepted as their own.
type Coprocessor struct {
	chain *Chain
	keys  []*ecdsa.PrivateKey // the first one also writes the registry

	mu     sync.Mutex
	inputs map[common.Hash]*boundInput // by digest
}

// Input is one encrypted value: a ciphertext list that holds it alone.
type Input struct {
	Contract   common.Address
	User       common.Address
	Type       fhevm.Type
	Ciphertext []byte
}

// SignedInput is an input with the coprocessor's signatures, bound in the registry at Block.
type SignedInput struct {
	Handle fhevm.Handle
	Proof  []byte // the inputProof argument of FHE.fromExternal
	Digest common.Hash
	Block  uint64
}

// boundInput is what was said about a digest.
type boundInput struct {
	handle         fhevm.Handle
	user, contract common.Address
	tx             common.Hash
}

func newCoprocessor(c *Chain, keys []*ecdsa.PrivateKey) *Coprocessor {
	return &Coprocessor{chain: c, keys: keys, inputs: make(map[common.Hash]*boundInput)}
}

func (p *Coprocessor) addresses() []common.Address {
	list := make([]common.Address, len(p.keys))
	for i, key := range p.keys {
		list[i] = addressOf(key)
	}
	return list
}

// Submit signs an input and waits until its digest is in the registry. Repeating it returns the
// same; the same bytes with another type, user or contract are refused with ErrRebinding.
func (p *Coprocessor) Submit(ctx context.Context, in Input) (*SignedInput, error) {
	switch {
	case !in.Type.Valid():
		return nil, fmt.Errorf("%w: %w", ErrInput, fhevm.ErrUnknownType)
	case len(in.Ciphertext) == 0 || len(in.Ciphertext) > MaxCiphertext:
		return nil, fmt.Errorf("%w: ciphertext of %d bytes", ErrInput, len(in.Ciphertext))
	case in.Contract == (common.Address{}) || in.User == (common.Address{}):
		return nil, fmt.Errorf("%w: contract or user is missing", ErrInput)
	}
	digest := fhevm.CiphertextDigest(in.Ciphertext)
	bound, err := p.bind(in, digest)
	if err != nil {
		return nil, err
	}
	receipt, err := p.chain.wait(ctx, bound.tx)
	if err != nil {
		p.forgetFailure(digest, err)
		return nil, fmt.Errorf("hostchain: register ciphertext: %w", err)
	}
	proof, err := p.sign(in, bound.handle)
	if err != nil {
		return nil, err
	}
	return &SignedInput{Handle: bound.handle, Proof: proof, Digest: digest, Block: receipt.BlockNumber.Uint64()}, nil
}

// bind queues the registration, once for each digest.
func (p *Coprocessor) bind(in Input, digest common.Hash) (*boundInput, error) {
	handle := fhevm.InputHandle(in.Ciphertext, 0, fhevm.ACLAddress, p.chain.config.ChainID, in.Type)
	p.mu.Lock()
	defer p.mu.Unlock()
	if bound := p.inputs[digest]; bound != nil {
		if bound.handle != handle || bound.user != in.User || bound.contract != in.Contract {
			return nil, ErrRebinding
		}
		return bound, nil
	}
	// The chain may know the digest from before a restart; whose input it was is forgotten then.
	known, err := p.chain.registered(digest)
	if err != nil {
		return nil, err
	}
	if known {
		return nil, ErrRebinding
	}
	data, err := fhevm.RegistryABI.Pack("register", handle, digest)
	if err != nil {
		return nil, fmt.Errorf("hostchain: register ciphertext: %w", err)
	}
	registry := p.chain.Registry()
	tx, err := p.chain.sendSystem(p.keys[0], &registry, nil, data, 200_000)
	if err != nil {
		return nil, err
	}
	bound := &boundInput{handle: handle, user: in.User, contract: in.Contract, tx: tx}
	p.inputs[digest] = bound
	return bound, nil
}

// forgetFailure lets a digest whose registration was reverted be tried again. One that only took
// too long stays: it may still arrive.
func (p *Coprocessor) forgetFailure(digest common.Hash, err error) {
	var revert *fhevm.Revert
	if errors.As(err, &revert) {
		p.mu.Lock()
		delete(p.inputs, digest)
		p.mu.Unlock()
	}
}

func (p *Coprocessor) sign(in Input, handle fhevm.Handle) ([]byte, error) {
	handles := []fhevm.Handle{handle}
	domain := fhevm.Domain{ChainID: p.chain.config.GatewayChainID, VerifyingContract: p.chain.config.InputVerification}
	digest, err := fhevm.InputDigest(domain, fhevm.InputVerification{
		Handles:     handles,
		User:        in.User,
		Contract:    in.Contract,
		HostChainID: p.chain.config.ChainID,
	})
	if err != nil {
		return nil, err
	}
	signatures := make([][]byte, len(p.keys))
	for i, key := range p.keys {
		if signatures[i], err = fhevm.Sign(digest, key); err != nil {
			return nil, err
		}
	}
	return fhevm.EncodeInputProof(handles, signatures, nil)
}
