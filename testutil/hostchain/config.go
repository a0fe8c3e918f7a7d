package hostchain

import (
	"crypto/ecdsa"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// ErrConfig is returned for a configuration that cannot work.
var ErrConfig = errors.New("hostchain: invalid configuration")

// Defaults of Config.
const (
	DefaultChainID        = 31337
	DefaultGatewayChainID = 10901
	DefaultValidators     = 4
	SeedLength            = 32
)

// maxValidators bounds the keys that a seed yields; a QBFT network is much smaller.
const maxValidators = 64

// Default gateway contract addresses: the domains of the verifier contracts.
var (
	DefaultDecryption        = common.HexToAddress("0x5ffdaAB0373E62E2ea2944776209aEf29E631A64")
	DefaultInputVerification = common.HexToAddress("0x812b06e1CDCE800494b79fFE4f925A504a9A9810")
)

// Config describes a host chain. The zero value is a chain in memory with a random seed that
// seals a block for every transaction.
type Config struct {
	// ChainID defaults to 31337. The host contracts take any chain id; dApps that inherit
	// @fhevm/solidity's ZamaEthereumConfig find their configuration on 31337 only.
	ChainID uint64
	// BlockPeriod is the time between blocks, empty ones included. 0 seals when a transaction
	// arrives or Seal is called, and never by itself.
	BlockPeriod time.Duration
	// Seed determines all keys. Nil takes the seed in DataDir, or a new one.
	Seed []byte
	// Validators is the size of the first validator set, 1 to 64; default 4.
	Validators int
	// Sealers is how many validators seal each block; default a quorum, ceil(2n/3).
	Sealers int

	// GatewayChainID, Decryption and InputVerification are the verifier contracts' EIP-712 domains.
	GatewayChainID    uint64
	Decryption        common.Address
	InputVerification common.Address

	// KMSSigners and KMSThreshold are KMSVerifier's first context. With no signers the context is
	// one address that nobody has a key for, until SetKMSContext.
	KMSSigners   []common.Address
	KMSThreshold int
	// Coprocessors is the number of simulated coprocessor signers, all of which sign every input;
	// default 1. CoprocessorThreshold is how many InputVerifier asks for; default all.
	Coprocessors         int
	CoprocessorThreshold int

	// Balances are added to the genesis, in wei.
	Balances map[common.Address]*big.Int
	// DataDir keeps the chain and its seed; "" keeps the chain in memory.
	DataDir string
	// Artifacts is the directory of the contract artifacts; "" looks for it (LocateArtifacts).
	Artifacts string
	// Now is the clock; default time.Now.
	Now func() time.Time
}

// withDefaults returns c completed and checked. The seed is not touched.
func (c Config) withDefaults() (Config, error) {
	setDefault(&c.ChainID, DefaultChainID)
	setDefault(&c.GatewayChainID, DefaultGatewayChainID)
	setDefault(&c.Validators, DefaultValidators)
	setDefault(&c.Decryption, DefaultDecryption)
	setDefault(&c.InputVerification, DefaultInputVerification)
	setDefault(&c.Coprocessors, 1)
	setDefault(&c.CoprocessorThreshold, c.Coprocessors)
	setDefault(&c.Sealers, Quorum(c.Validators))
	if len(c.KMSSigners) == 0 {
		c.KMSSigners, c.KMSThreshold = []common.Address{nobody}, 1
	}
	setDefault(&c.KMSThreshold, len(c.KMSSigners))
	if c.Now == nil {
		c.Now = time.Now
	}
	switch {
	case c.BlockPeriod < 0:
		return c, fmt.Errorf("%w: negative block period", ErrConfig)
	case c.Seed != nil && len(c.Seed) != SeedLength:
		return c, fmt.Errorf("%w: seed of %d bytes, want %d", ErrConfig, len(c.Seed), SeedLength)
	case c.Validators < 1 || c.Validators > maxValidators:
		return c, fmt.Errorf("%w: %d validators", ErrConfig, c.Validators)
	case c.Sealers < Quorum(c.Validators) || c.Sealers > c.Validators:
		return c, fmt.Errorf("%w: %d sealers of %d validators", ErrConfig, c.Sealers, c.Validators)
	case c.KMSThreshold < 1 || c.KMSThreshold > len(c.KMSSigners) || len(c.KMSSigners) > 255:
		return c, fmt.Errorf("%w: KMS threshold %d of %d", ErrConfig, c.KMSThreshold, len(c.KMSSigners))
	case c.Coprocessors < 1 || c.Coprocessors > 255 || c.CoprocessorThreshold < 1 || c.CoprocessorThreshold > c.Coprocessors:
		return c, fmt.Errorf("%w: coprocessor threshold %d of %d", ErrConfig, c.CoprocessorThreshold, c.Coprocessors)
	}
	return c, nil
}

// nobody is the hash of a text, cut to an address: nobody can have its key.
var nobody = common.BytesToAddress(crypto.Keccak256([]byte("tkms hostchain: no KMS context yet"))[12:])

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// keyring derives the keys of a chain from its seed.
type keyring struct{ seed []byte }

func newSeed() ([]byte, error) {
	seed := make([]byte, SeedLength)
	if _, err := rand.Read(seed); err != nil {
		return nil, fmt.Errorf("hostchain: seed: %w", err)
	}
	return seed, nil
}

// key returns key number index of a role: the first hash of (tag, seed, role, index, try) that is
// a secp256k1 scalar.
func (k keyring) key(role string, index int) *ecdsa.PrivateKey {
	for try := byte(0); ; try++ {
		scalar := crypto.Keccak256([]byte("tkms/v1/hostchain/key"), k.seed, []byte(role), []byte{byte(index >> 8), byte(index), try})
		if key, err := crypto.ToECDSA(scalar); err == nil {
			return key
		}
	}
}

func (k keyring) keys(role string, count int) []*ecdsa.PrivateKey {
	list := make([]*ecdsa.PrivateKey, count)
	for i := range list {
		list[i] = k.key(role, i)
	}
	return list
}

func addressOf(key *ecdsa.PrivateKey) common.Address { return crypto.PubkeyToAddress(key.PublicKey) }
