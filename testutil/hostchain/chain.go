package hostchain

import (
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/core/txpool/legacypool"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/ethdb/pebble"

	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
)

// ErrClosed is returned by a chain that was closed.
var ErrClosed = errors.New("hostchain: closed")

// Chain is a running host chain. Its methods may be called concurrently.
type Chain struct {
	config    Config
	artifacts string
	ring      keyring

	owner       *ecdsa.PrivateKey
	faucet      *ecdsa.PrivateKey
	coprocessor *Coprocessor

	database ethdb.Database
	chain    *core.BlockChain
	pool     *txpool.TxPool
	logIndex *logIndex

	// sealing serialises block building, transactions of the system accounts and changes of the
	// validator set.
	sealing    sync.Mutex
	validators validatorKeys
	sealers    int
	closed     bool

	sealFailures atomic.Uint64 // since start; shown by the health endpoint

	stop    chan struct{}
	stopped chan struct{}
}

// New opens the chain in config.DataDir, or starts a new one with all contracts deployed in
// block 1. With a block period it seals until Close.
func New(config Config) (*Chain, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Chain{config: config, artifacts: config.Artifacts, stop: make(chan struct{}), stopped: make(chan struct{})}
	if c.artifacts == "" {
		if c.artifacts, err = LocateArtifacts(); err != nil {
			return nil, err
		}
	}
	if err := c.loadSeed(); err != nil {
		return nil, err
	}
	c.owner, c.faucet = c.ring.key("owner", 0), c.ring.key("faucet", 0)
	c.coprocessor = newCoprocessor(c, c.ring.keys("coprocessor", config.Coprocessors))
	c.validators, c.sealers = sortedKeys(c.ring.keys("validator", config.Validators)), config.Sealers
	if err := c.open(); err != nil {
		return nil, errors.Join(err, c.release())
	}
	if c.head().Number.Sign() == 0 {
		c.sealing.Lock()
		err = c.deploy()
		c.sealing.Unlock()
	} else {
		err = c.checkDeployment()
	}
	if err != nil {
		return nil, errors.Join(err, c.release())
	}
	go c.run()
	return c, nil
}

// Close stops sealing and closes the database.
func (c *Chain) Close() error {
	c.sealing.Lock()
	if c.closed {
		c.sealing.Unlock()
		return nil
	}
	c.closed = true
	c.sealing.Unlock()
	close(c.stop)
	<-c.stopped
	return c.release()
}

// Config returns the configuration with its defaults filled in, without the seed.
func (c *Chain) Config() Config {
	config := c.config
	config.Seed = nil
	return config
}

// Registry returns the address of the ciphertext registry.
func (c *Chain) Registry() common.Address { return c.created(registryNonce) }

// Disclosure returns the address of the dApp.
func (c *Chain) Disclosure() common.Address { return c.created(registryNonce + 1) }

// Validators returns the current validator set, ascending.
func (c *Chain) Validators() []common.Address {
	c.sealing.Lock()
	defer c.sealing.Unlock()
	return c.validators.addresses()
}

// Head returns the header of the last block.
func (c *Chain) Head() *types.Header { return types.CopyHeader(c.head()) }

// Header returns the header of a block on the chain, nil when there is none.
func (c *Chain) Header(number uint64) *types.Header { return c.chain.GetHeaderByNumber(number) }

// Domain returns the EIP-712 domain that KMSVerifier checks results under.
func (c *Chain) Domain() fhevm.Domain {
	return fhevm.Domain{ChainID: c.config.GatewayChainID, VerifyingContract: c.config.Decryption}
}

// Coprocessor returns the simulated coprocessor.
func (c *Chain) Coprocessor() *Coprocessor { return c.coprocessor }

func (c *Chain) head() *types.Header { return c.chain.CurrentBlock() }

func (c *Chain) created(nonce uint64) common.Address {
	return crypto.CreateAddress(addressOf(c.owner), nonce)
}

// loadSeed takes the configured seed, or the one in the data directory, or makes one. A seed that
// contradicts the data directory's is refused: the chain there was made with other keys.
func (c *Chain) loadSeed() error {
	c.ring.seed = c.config.Seed
	if c.config.DataDir == "" {
		if c.ring.seed != nil {
			return nil
		}
		var err error
		c.ring.seed, err = newSeed()
		return err
	}
	file := filepath.Join(c.config.DataDir, "seed.hex")
	raw, err := os.ReadFile(file)
	switch {
	case err == nil:
		stored, err := hex.DecodeString(strings.TrimSpace(string(raw)))
		if err != nil || len(stored) != SeedLength {
			return fmt.Errorf("%w: %s is no seed", ErrConfig, file)
		}
		if c.ring.seed != nil && string(stored) != string(c.ring.seed) {
			return fmt.Errorf("%w: %s holds another seed", ErrConfig, file)
		}
		c.ring.seed = stored
		return nil
	case !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("hostchain: seed: %w", err)
	}
	if c.ring.seed == nil {
		if c.ring.seed, err = newSeed(); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(c.config.DataDir, 0o700); err != nil {
		return fmt.Errorf("hostchain: data directory: %w", err)
	}
	if err := os.WriteFile(file, []byte(hex.EncodeToString(c.ring.seed)+"\n"), 0o600); err != nil {
		return fmt.Errorf("hostchain: seed: %w", err)
	}
	return nil
}

// open opens database, chain and pool.
func (c *Chain) open() error {
	c.database = rawdb.NewMemoryDatabase()
	if c.config.DataDir != "" {
		store, err := pebble.New(filepath.Join(c.config.DataDir, "chain"), 32, 64, "", false)
		if err != nil {
			return fmt.Errorf("hostchain: database: %w", err)
		}
		c.database = rawdb.NewDatabase(store)
	}
	var genesis *core.Genesis
	if rawdb.ReadCanonicalHash(c.database, 0) == (common.Hash{}) {
		var err error
		if genesis, err = c.genesis(); err != nil {
			return err
		}
	}
	settings := core.DefaultConfig().WithArchive(true).WithStateScheme(rawdb.HashScheme)
	settings.TrieCleanLimit, settings.TrieDirtyLimit, settings.SnapshotLimit = 16, 16, 0
	var err error
	if c.chain, err = core.NewBlockChain(c.database, genesis, &engine{now: c.config.Now}, settings); err != nil {
		return fmt.Errorf("hostchain: open chain: %w", err)
	}
	if id := c.chain.Config().ChainID.Uint64(); id != c.config.ChainID {
		return fmt.Errorf("%w: the stored chain has id %d", ErrConfig, id)
	}
	if err := c.restoreValidators(); err != nil {
		return err
	}
	if c.logIndex, err = newLogIndex(c.database, c.chain); err != nil {
		return err
	}
	poolConfig := legacypool.DefaultConfig
	poolConfig.Journal, poolConfig.NoLocals = "", true
	poolConfig.AccountSlots = 256
	if c.pool, err = txpool.New(1, c.chain, []txpool.SubPool{legacypool.New(poolConfig, c.chain)}); err != nil {
		return fmt.Errorf("hostchain: transaction pool: %w", err)
	}
	return nil
}

// restoreValidators finds the keys of the set that the head names: after a succession it is not
// the configured one.
func (c *Chain) restoreValidators() error {
	set, err := c.validatorsOf(c.head())
	if err != nil {
		return err
	}
	c.validators = set
	c.sealers = min(max(c.config.Sealers, Quorum(len(set))), len(set))
	return nil
}

func (c *Chain) release() error {
	var errs []error
	if c.logIndex != nil {
		c.logIndex.close()
	}
	if c.pool != nil {
		errs = append(errs, c.pool.Close())
	}
	if c.chain != nil {
		c.chain.Stop()
	}
	if c.database != nil {
		errs = append(errs, c.database.Close())
	}
	return errors.Join(errs...)
}

// run seals a block every period.
func (c *Chain) run() {
	defer close(c.stopped)
	if c.config.BlockPeriod == 0 {
		<-c.stop
		return
	}
	ticker := time.NewTicker(c.config.BlockPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-c.stop:
			return
		case <-ticker.C:
			// A failure to seal is not fatal to the chain: the head stays where it was, which
			// every caller waiting for a block sees, and the next tick tries again.
			if _, err := c.Seal(); err != nil {
				c.sealFailures.Add(1)
			}
		}
	}
}
