package hostchain

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/tkms-network/tkms/testutil/hostchain/api"
)

// Errors of the harness.
var (
	ErrUnknownForgery = errors.New("hostchain: unknown forgery")
	ErrUnknownBlock   = errors.New("hostchain: no such block")
)

// day is how far api.Stale and api.Future are off, in seconds.
const day = 24 * 60 * 60

// SetValidators makes the keys with these numbers of the seed the validator set from the next block
// on. Key 0 to Config.Validators-1 are the first set.
func (c *Chain) SetValidators(numbers []int) ([]common.Address, error) {
	set := make([]*ecdsa.PrivateKey, len(numbers))
	for i, n := range numbers {
		if n < 0 || n >= maxValidators || slices.Index(numbers, n) != i {
			return nil, fmt.Errorf("%w: validator %d", ErrConfig, n)
		}
		set[i] = c.ring.key("validator", n)
	}
	if len(set) == 0 {
		return nil, fmt.Errorf("%w: no validators", ErrConfig)
	}
	c.sealing.Lock()
	defer c.sealing.Unlock()
	c.validators, c.sealers = sortedKeys(set), Quorum(len(set))
	return c.validators.addresses(), nil
}

// Forge returns a variant of block number's header that is wrong, or unusual, in the named way. The
// chain itself does not change.
func (c *Chain) Forge(kind api.Forgery, number uint64) (*types.Header, error) {
	c.sealing.Lock()
	defer c.sealing.Unlock()
	genuine := c.chain.GetHeaderByNumber(number)
	if genuine == nil || number == 0 {
		return nil, fmt.Errorf("%w: %d", ErrUnknownBlock, number)
	}
	set, err := c.validatorsOf(genuine)
	if err != nil {
		return nil, err
	}
	list, quorum := set.addresses(), Quorum(len(set))
	strangers := sortedKeys(c.ring.keys("stranger", len(set)))
	switch kind {
	case api.Subquorum:
		return seal(genuine, list, set.sealers(number, quorum-1))
	case api.Repeated:
		keys := set.sealers(number, max(quorum-1, 1))
		return seal(genuine, list, append(keys, keys[0]))
	case api.Unsealed:
		return seal(genuine, list, nil)
	case api.Strangers:
		return seal(genuine, list, strangers[:quorum])
	case api.ForeignSet:
		return seal(genuine, strangers.addresses(), strangers[:quorum])
	case api.HostileSet:
		hostile := sortedKeys(append([]*ecdsa.PrivateKey{set[0]}, strangers[1:]...))
		keys := append([]*ecdsa.PrivateKey{set[0]}, strangers[1:]...)
		return seal(genuine, hostile.addresses(), keys[:quorum])
	case api.Tampered:
		tampered := types.CopyHeader(genuine)
		tampered.Root[0] ^= 1
		return tampered, nil
	case api.Succession:
		kept := set[1:]
		next := sortedKeys(append(slices.Clone(kept), strangers[0]))
		keys := append([]*ecdsa.PrivateKey{strangers[0]}, kept...)
		return seal(genuine, next.addresses(), keys[:quorum])
	case api.Stale, api.Future:
		moved := types.CopyHeader(genuine)
		if moved.Time += day; kind == api.Stale {
			moved.Time = genuine.Time - day
		}
		return seal(moved, list, set.sealers(number, quorum))
	case api.Fork:
		return c.sibling(genuine, set)
	}
	return nil, fmt.Errorf("%w: %q", ErrUnknownForgery, kind)
}

// sibling builds an empty block beside genuine, with another proposer, and seals it.
func (c *Chain) sibling(genuine *types.Header, set validatorKeys) (*types.Header, error) {
	parent := c.chain.GetHeader(genuine.ParentHash, genuine.Number.Uint64()-1)
	if parent == nil {
		return nil, ErrUnknownBlock
	}
	// The proposer is the first sealer of a block; this one is of the next.
	proposer := addressOf(set.sealers(genuine.Number.Uint64()+1, 1)[0])
	block, err := c.build(parent, proposer, nil)
	if err != nil {
		return nil, err
	}
	return seal(block.Header(), set.addresses(), set.sealers(block.NumberU64(), Quorum(len(set))))
}

// validatorsOf returns the keys of the set that header names.
func (c *Chain) validatorsOf(header *types.Header) (validatorKeys, error) {
	extra, err := DecodeExtraData(header.Extra)
	if err != nil {
		return nil, err
	}
	known := make(map[common.Address]*ecdsa.PrivateKey, maxValidators)
	for i := range maxValidators {
		key := c.ring.key("validator", i)
		known[addressOf(key)] = key
	}
	set := make(validatorKeys, len(extra.Validators))
	for i, address := range extra.Validators {
		if set[i] = known[address]; set[i] == nil {
			return nil, fmt.Errorf("%w: no key for validator %s of the stored chain", ErrConfig, address)
		}
	}
	return set, nil
}
