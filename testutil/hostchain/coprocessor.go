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

// Coprocessor is a simulated coprocessor. It signs inputs for InputVerifier, binds them in the
// registry, and keeps the ciphertexts that it took out of proven inputs. It decrypts nothing,
// verifies no zero-knowledge proof of knowledge and evaluates no FHE operation: an input of garbage
// is signed like any other.
//
// It keeps two rules of a real one, because decryption depends on them: a ciphertext has one
// handle, and an input belongs to the user and contract that first brought it, so that nobody gets
// a copy of somebody else's input accepted as their own.
type Coprocessor struct {
	chain       *Chain
	keys        []*ecdsa.PrivateKey // the first one also writes the registry
	ciphertexts ciphertexts

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

// claim is what an input says of one ciphertext.
type claim struct {
	digest         common.Hash
	handle         fhevm.Handle
	user, contract common.Address
}

// boundInput is a claim that is or will be in the registry.
type boundInput struct {
	claim
	tx common.Hash
}

func newCoprocessor(c *Chain, keys []*ecdsa.PrivateKey) *Coprocessor {
	return &Coprocessor{chain: c, keys: keys, ciphertexts: newCiphertexts(c.config.DataDir), inputs: make(map[common.Hash]*boundInput)}
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
	if !in.Type.Valid() {
		return nil, fmt.Errorf("%w: %w", ErrInput, fhevm.ErrUnknownType)
	}
	if err := checkInput(in.Ciphertext, in.Contract, in.User); err != nil {
		return nil, err
	}
	one := claim{
		digest: fhevm.CiphertextDigest(in.Ciphertext), user: in.User, contract: in.Contract,
		handle: fhevm.InputHandle(in.Ciphertext, 0, fhevm.ACLAddress, p.chain.config.ChainID, in.Type),
	}
	block, err := p.register(ctx, one)
	if err != nil {
		return nil, err
	}
	list := []fhevm.Handle{one.handle}
	signatures, err := p.sign(list, in.User, in.Contract, nil)
	if err != nil {
		return nil, err
	}
	proof, err := fhevm.EncodeInputProof(list, signatures, nil)
	if err != nil {
		return nil, err
	}
	return &SignedInput{Handle: one.handle, Proof: proof, Digest: one.digest, Block: block}, nil
}

// checkInput checks what all inputs have.
func checkInput(ciphertext []byte, contract, user common.Address) error {
	switch {
	case len(ciphertext) == 0 || len(ciphertext) > MaxCiphertext:
		return fmt.Errorf("%w: ciphertext of %d bytes", ErrInput, len(ciphertext))
	case contract == (common.Address{}) || user == (common.Address{}):
		return fmt.Errorf("%w: contract or user is missing", ErrInput)
	}
	return nil
}

// register binds ciphertexts to their handles and returns the last block that did.
func (p *Coprocessor) register(ctx context.Context, claims ...claim) (block uint64, err error) {
	bound := make([]*boundInput, len(claims))
	for i, one := range claims {
		if bound[i], err = p.bind(one); err != nil {
			return 0, err
		}
	}
	for _, one := range bound {
		receipt, err := p.chain.wait(ctx, one.tx)
		if err != nil {
			p.forgetFailure(one.digest, err)
			return 0, fmt.Errorf("hostchain: register ciphertext: %w", err)
		}
		block = max(block, receipt.BlockNumber.Uint64())
	}
	return block, nil
}

// bind queues the registration, once for each digest.
func (p *Coprocessor) bind(one claim) (*boundInput, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if bound := p.inputs[one.digest]; bound != nil {
		if bound.claim != one {
			return nil, ErrRebinding
		}
		return bound, nil
	}
	// The chain may know the digest from before a restart; whose input it was is forgotten then.
	known, err := p.chain.registered(one.digest)
	if err != nil {
		return nil, err
	}
	if known {
		return nil, ErrRebinding
	}
	data, err := fhevm.RegistryABI.Pack("register", one.handle, one.digest)
	if err != nil {
		return nil, fmt.Errorf("hostchain: register ciphertext: %w", err)
	}
	registry := p.chain.Registry()
	tx, err := p.chain.sendSystem(p.keys[0], &registry, nil, data, 200_000)
	if err != nil {
		return nil, err
	}
	bound := &boundInput{claim: one, tx: tx}
	p.inputs[one.digest] = bound
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

// sign returns the signatures of all coprocessors.
func (p *Coprocessor) sign(list []fhevm.Handle, user, contract common.Address, extraData []byte) ([][]byte, error) {
	domain := fhevm.Domain{ChainID: p.chain.config.GatewayChainID, VerifyingContract: p.chain.config.InputVerification}
	digest, err := fhevm.InputDigest(domain, fhevm.InputVerification{
		Handles:     list,
		User:        user,
		Contract:    contract,
		HostChainID: p.chain.config.ChainID,
		ExtraData:   extraData,
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
	return signatures, nil
}
