package hostchain

import (
	"context"
	"crypto/ecdsa"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/testutil/hostchain/api"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
)

func TestEveryBlockIsSealedByAQuorumOfItsValidators(t *testing.T) {
	chain := newTestChain(t, nil)
	for range 5 {
		_, err := chain.Seal()
		require.NoError(t, err)
	}
	validators := chain.Validators()
	require.Len(t, validators, 4)
	proposers := make(map[common.Address]bool)
	for n := uint64(1); n <= chain.Head().Number.Uint64(); n++ {
		header := chain.Header(n)
		require.NoError(t, VerifySeals(header, validators))
		extra, err := DecodeExtraData(header.Extra)
		require.NoError(t, err)
		require.Len(t, extra.Seals, 3)
		require.Equal(t, validators, extra.Validators)
		proposers[header.Coinbase] = true
	}
	require.Len(t, proposers, 4, "the proposer must rotate")
}

func TestBlocksCarryTheTimeOfTheClock(t *testing.T) {
	clock := time.Unix(1_900_000_000, 0)
	chain := newTestChain(t, func(c *Config) { c.Now = func() time.Time { return clock } })
	require.Equal(t, uint64(clock.Unix()), chain.Header(0).Time)
	clock = clock.Add(7 * time.Second)
	block, err := chain.Seal()
	require.NoError(t, err)
	require.Equal(t, uint64(clock.Unix()), block.Time())
	clock = clock.Add(-5 * time.Second)
	block, err = chain.Seal()
	require.NoError(t, err)
	require.Equal(t, uint64(1_900_000_007), block.Time(), "time must not run backwards")
}

func TestForgedHeadersAreRefusedAndUnusualOnesAreNot(t *testing.T) {
	chain := newTestChain(t, nil)
	_, err := chain.Seal()
	require.NoError(t, err)
	genuine := chain.Head()
	for _, kind := range api.Forgeries() {
		t.Run(string(kind), func(t *testing.T) {
			forged, err := chain.Forge(kind, genuine.Number.Uint64())
			require.NoError(t, err)
			extra, err := DecodeExtraData(forged.Extra)
			require.NoError(t, err)
			err = VerifySeals(forged, chain.Validators())
			switch kind {
			case api.Fork:
				require.NoError(t, err)
				one, err := BesuHash(genuine)
				require.NoError(t, err)
				other, err := BesuHash(forged)
				require.NoError(t, err)
				require.NotEqual(t, one, other)
				require.Equal(t, genuine.Number, forged.Number)
			case api.Stale:
				require.NoError(t, err)
				require.Equal(t, genuine.Time-day, forged.Time)
			case api.Future:
				require.NoError(t, err)
				require.Equal(t, genuine.Time+day, forged.Time)
			case api.Succession, api.HostileSet, api.ForeignSet:
				require.ErrorIs(t, err, ErrSeals)
				require.NoError(t, VerifySeals(forged, extra.Validators))
				require.NotEqual(t, chain.Validators(), extra.Validators)
			default:
				require.ErrorIs(t, err, ErrSeals)
				require.Equal(t, chain.Validators(), extra.Validators)
			}
			if kind != api.Fork && kind != api.Tampered {
				require.Equal(t, genuine.Root, forged.Root, "genuine proofs must fit")
			}
		})
	}
	_, err = chain.Forge("nonsense", 1)
	require.ErrorIs(t, err, ErrUnknownForgery)
	_, err = chain.Forge(api.Subquorum, 1_000_000)
	require.ErrorIs(t, err, ErrUnknownBlock)
}

func TestRepeatedAndForeignSealsAreRefusedEvenBesideAQuorum(t *testing.T) {
	chain := newTestChain(t, nil)
	header, keys := chain.Head(), chain.validators[:3:3]
	for name, extra := range map[string]*ecdsa.PrivateKey{"repeated": keys[0], "foreign": mallory} {
		sealed, err := seal(header, chain.Validators(), append(keys, extra))
		require.NoError(t, err)
		require.ErrorIs(t, VerifySeals(sealed, chain.Validators()), ErrSeals, name)
	}
	require.ErrorIs(t, VerifySeals(header, nil), ErrSeals)
}

// oldShare returns how many sealers of a header belong to set.
func oldShare(t *testing.T, h *types.Header, set []common.Address) int {
	t.Helper()
	extra, err := DecodeExtraData(h.Extra)
	require.NoError(t, err)
	digest, err := SealHash(h)
	require.NoError(t, err)
	count := 0
	for _, s := range extra.Seals {
		key, err := crypto.SigToPub(digest[:], s)
		require.NoError(t, err)
		if slices.Contains(set, crypto.PubkeyToAddress(*key)) {
			count++
		}
	}
	return count
}

func TestSuccessionHeadersHoldEnoughOfTheOldSetAndHostileOnesDoNot(t *testing.T) {
	chain := newTestChain(t, nil)
	old := chain.Validators()
	succession, err := chain.Forge(api.Succession, 1)
	require.NoError(t, err)
	require.Equal(t, 2, oldShare(t, succession, old), "more than a third")
	hostile, err := chain.Forge(api.HostileSet, 1)
	require.NoError(t, err)
	require.Equal(t, 1, oldShare(t, hostile, old), "one of four is not more than a third")
}

func TestValidatorSetChangesWithTheNextBlockAndSurvivesReopening(t *testing.T) {
	dir := t.TempDir()
	open := func() *Chain {
		chain, err := New(Config{DataDir: dir, Artifacts: artifactsFor(t)})
		require.NoError(t, err)
		return chain
	}
	chain := open()
	before := chain.Validators()
	after, err := chain.SetValidators([]int{1, 2, 3, 4, 5, 6, 7})
	require.NoError(t, err)
	block, err := chain.Seal()
	require.NoError(t, err)
	require.NoError(t, VerifySeals(block.Header(), after))
	require.Error(t, VerifySeals(block.Header(), before))
	genesis, registry := chain.Header(0).Hash(), chain.Registry()
	require.NoError(t, chain.Close())

	chain = open()
	require.Equal(t, genesis, chain.Header(0).Hash())
	require.Equal(t, block.Hash(), chain.Head().Hash())
	require.Equal(t, registry, chain.Registry())
	require.Equal(t, after, chain.Validators())
	next, err := chain.Seal()
	require.NoError(t, err)
	require.NoError(t, VerifySeals(next.Header(), after))
	_, err = chain.SetValidators([]int{1, 1})
	require.ErrorIs(t, err, ErrConfig)
	require.NoError(t, chain.Close())

	_, err = New(Config{DataDir: dir, Artifacts: artifactsFor(t), GatewayChainID: 5})
	require.ErrorIs(t, err, ErrConfig, "a stored chain must not be described wrongly")
	_, err = New(Config{DataDir: dir, Artifacts: artifactsFor(t), Coprocessors: 2})
	require.ErrorIs(t, err, ErrConfig)
	_, err = New(Config{DataDir: dir, Artifacts: artifactsFor(t), Seed: make([]byte, SeedLength)})
	require.ErrorIs(t, err, ErrConfig)
	_, err = New(Config{DataDir: dir, Artifacts: artifactsFor(t), ChainID: 5})
	require.ErrorIs(t, err, ErrConfig)
}

func TestBadlySealedBlocksAreNotInserted(t *testing.T) {
	chain := newTestChain(t, nil)
	parent := chain.Head()
	block, err := chain.build(parent, parent.Coinbase, nil)
	require.NoError(t, err)
	for name, mend := range map[string]func(*types.Header){
		"too few seals": func(h *types.Header) {
			sealed, err := seal(h, chain.Validators(), chain.validators[:2])
			require.NoError(t, err)
			*h = *sealed
		},
		"another difficulty": func(h *types.Header) { h.Difficulty = big.NewInt(1) },
		"another mixHash":    func(h *types.Header) { h.MixDigest[0]++ },
		"no beacon root":     func(h *types.Header) { h.ParentBeaconRoot = nil },
		"older than parent":  func(h *types.Header) { h.Time = parent.Time - 1 },
		"far in the future":  func(h *types.Header) { h.Time += 3600 },
		"wrong base fee":     func(h *types.Header) { h.BaseFee = big.NewInt(7) },
		"wrong blob gas":     func(h *types.Header) { h.ExcessBlobGas = new(uint64); *h.ExcessBlobGas = 1 << 20 },
		"no extra data":      func(h *types.Header) { h.Extra = nil },
		"wrong state root":   func(h *types.Header) { h.Root[0]++ },
	} {
		t.Run(name, func(t *testing.T) {
			header := block.Header()
			mend(header)
			if name != "too few seals" && name != "no extra data" {
				header, err = seal(header, chain.Validators(), chain.validators[:3])
				require.NoError(t, err)
			}
			_, err := chain.chain.InsertChain(types.Blocks{block.WithSeal(header)})
			require.Error(t, err)
			require.Equal(t, parent.Hash(), chain.Head().Hash())
		})
	}
}

func TestChainSealsByItselfEveryPeriod(t *testing.T) {
	chain := newTestChain(t, func(c *Config) { c.BlockPeriod = 50 * time.Millisecond })
	ctx, c, alice := dialTest(t, chain)
	start := chain.Head().Number.Uint64()
	input, err := c.SubmitCiphertext(ctx, common.Address{}, alice.Address(), fhevm.Uint64, []byte("sealed in time"))
	require.NoError(t, err)
	require.Greater(t, uint64(input.Block), start)
	_, err = c.Submit(ctx, alice, input.Handle, input.InputProof)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return chain.Head().Number.Uint64() > start+5 }, time.Minute, 10*time.Millisecond)
	health, err := c.Health(ctx)
	require.NoError(t, err)
	require.Equal(t, "ok", health.Status)
	require.True(t, health.Simulated.ValidatorNetwork && health.Simulated.Coprocessor)
}

func TestStalledChainIsUnhealthy(t *testing.T) {
	clock := time.Now()
	chain := newTestChain(t, func(c *Config) {
		c.BlockPeriod = time.Hour
		c.Now = func() time.Time { return clock }
	})
	ctx, c, _ := dialNoFunds(t, chain)
	_, err := c.Health(ctx)
	require.NoError(t, err)
	clock = clock.Add(11 * time.Hour)
	_, err = c.Health(ctx)
	require.ErrorContains(t, err, "503")
}

func TestAnotherChainIDWorksWithTheSameContracts(t *testing.T) {
	chain := newTestChain(t, func(c *Config) { c.ChainID = 1_234_567 })
	ctx, c, alice := dialTest(t, chain)
	input, err := c.SubmitCiphertext(ctx, common.Address{}, alice.Address(), fhevm.Uint160, []byte("elsewhere"))
	require.NoError(t, err)
	require.Equal(t, uint64(1_234_567), input.Handle.ChainID())
	_, err = c.Submit(ctx, alice, input.Handle, input.InputProof)
	require.NoError(t, err)
}

func TestConfigurationsThatCannotWorkAreRefused(t *testing.T) {
	for name, config := range map[string]Config{
		"short seed":                 {Seed: []byte{1}},
		"too many validators":        {Validators: maxValidators + 1},
		"fewer sealers than quorum":  {Sealers: 2},
		"more sealers than keys":     {Sealers: 5},
		"KMS threshold too high":     {KMSSigners: []common.Address{{1}}, KMSThreshold: 2},
		"coprocessor threshold high": {Coprocessors: 1, CoprocessorThreshold: 2},
		"negative period":            {BlockPeriod: -1},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(config)
			require.ErrorIs(t, err, ErrConfig)
		})
	}
	_, err := New(Config{Artifacts: t.TempDir()})
	require.ErrorIs(t, err, ErrNoArtifacts)
}

func TestClosedChainSealsNoMore(t *testing.T) {
	chain := newTestChain(t, nil)
	require.NoError(t, chain.Close())
	_, err := chain.Seal()
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, chain.Fund(context.Background(), common.Address{1}, nil), ErrClosed)
}

func TestExtraDataOfBesuDocumentationIsDecodedAndEncodedAlike(t *testing.T) {
	// extraData of the QBFT genesis in Besu's documentation.
	sample := common.FromHex("0xf87aa00000000000000000000000000000000000000000000000000000000000000000f8549464a702e6263b7297a96638cac6ae65e6541f4169943923390ad55e90c237593b3b0e401f3b08a0318594aefdb9a738c9f433e5b6b212a6d62f6370c2f69294c7eeb9a4e00ce683cf93039b212648e01c6c6b78c080c0")
	extra, err := DecodeExtraData(sample)
	require.NoError(t, err)
	require.Len(t, extra.Validators, 4)
	require.Equal(t, sample, extra.Encode())
	for _, broken := range [][]byte{nil, sample[:len(sample)-1], append(common.CopyBytes(sample), 0)} {
		_, err := DecodeExtraData(broken)
		require.ErrorIs(t, err, ErrExtraData)
	}
	extra.Vanity = extra.Vanity[:31]
	_, err = DecodeExtraData(extra.Encode())
	require.ErrorIs(t, err, ErrExtraData)
}

func FuzzExtraDataDecoderIsStrict(f *testing.F) {
	valid := &ExtraData{Vanity: make([]byte, 32), Validators: []common.Address{{1}, {2}}, Vote: emptyVote, Seals: [][]byte{make([]byte, 65)}}
	f.Add(valid.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		extra, err := DecodeExtraData(b)
		if err != nil {
			return
		}
		var again []byte
		again, err = rlp.EncodeToBytes(extra)
		require.NoError(t, err)
		require.Equal(t, b, again)
	})
}
