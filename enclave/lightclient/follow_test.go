package lightclient

import (
	"errors"
	"testing"
	"time"

	"github.com/cometbft/cometbft/crypto/tmhash"
	"github.com/cometbft/cometbft/types"
	"github.com/stretchr/testify/require"
)

func TestHeadersAreFollowedWithoutAGap(t *testing.T) {
	chain := newChain(t)
	client, stop := run(t, configFor(chain, serve(t, chain, true, nil).node(t), serve(t, chain, false, nil).node(t)))
	headers := client.Follow(within(t), 0)
	for height := int64(2); height < 40; height++ {
		if height >= 3 {
			chain.produce(1)
		}
		header := <-headers
		require.Equal(t, height, header.Height)
		require.EqualValues(t, chain.headers[height].Hash(), header.Hash)
	}
	latest, err := client.Latest()
	require.NoError(t, err)
	require.GreaterOrEqual(t, latest.Height, int64(39))
	require.NoError(t, stop())
	require.NoError(t, client.Stopped())
	for _, n := range client.Nodes() {
		require.Zero(t, n.Refused, "%+v", n)
	}
}

// liars are nodes that answer everything right but one thing.
func liars(chain *chain) map[string]func(*rpcNode) {
	var validators []*types.Validator
	for i := range byte(4) {
		validators = append(validators, chain.newValidator(100+i))
	}
	strange := types.NewValidatorSet(validators)
	changed := func(change func(*types.Header), set func(int64) *types.ValidatorSet, signers int) func(*rpcNode) {
		return func(n *rpcNode) {
			n.commit = func(real *types.SignedHeader) *types.SignedHeader {
				if real == nil || real.Height < 4 {
					return real
				}
				forged := *real.Header
				change(&forged)
				chain.mu.Lock()
				defer chain.mu.Unlock()
				return chain.sign(&forged, set(real.Height), signers)
			}
		}
	}
	real := func(height int64) *types.ValidatorSet { return chain.sets[height] }
	fakeApp := func(h *types.Header) { h.AppHash = tmhash.Sum([]byte("forged")) }
	return map[string]func(*rpcNode){
		"header with another state under the real commit": func(n *rpcNode) {
			n.commit = func(real *types.SignedHeader) *types.SignedHeader {
				if real == nil || real.Height < 4 {
					return real
				}
				forged := *real.Header
				fakeApp(&forged)
				return &types.SignedHeader{Header: &forged, Commit: real.Commit}
			}
		},
		"commit of 2 of 4": changed(fakeApp, real, 2),
		"another chain id": changed(func(h *types.Header) { fakeApp(h); h.ChainID = "tkms-other" }, real, 4),
		"signed by strangers, validators forged": func(n *rpcNode) {
			changed(func(h *types.Header) { fakeApp(h); h.ValidatorsHash = strange.Hash() }, func(int64) *types.ValidatorSet { return strange }, 4)(n)
			n.validators = func(height int64, set []*types.Validator) []*types.Validator {
				if height < 4 {
					return set
				}
				return strange.Copy().Validators
			}
		},
		"signed by strangers":    changed(fakeApp, func(int64) *types.ValidatorSet { return strange }, 4),
		"time of the future":     changed(func(h *types.Header) { h.Time = h.Time.Add(time.Hour) }, real, 4),
		"time that stands still": changed(func(h *types.Header) { h.Time = timeOf(1) }, real, 4),
		"an old header for every height": func(n *rpcNode) {
			n.commit = func(real *types.SignedHeader) *types.SignedHeader {
				if real == nil || real.Height < 4 {
					return real
				}
				return chain.headers[3]
			}
		},
		"no signature at all": func(n *rpcNode) {
			n.commit = func(real *types.SignedHeader) *types.SignedHeader {
				if real == nil || real.Height < 4 {
					return real
				}
				return &types.SignedHeader{Header: real.Header, Commit: &types.Commit{Height: real.Height, BlockID: real.Commit.BlockID}}
			}
		},
	}
}

func TestALyingNodeAloneNeverMovesTheClient(t *testing.T) {
	for name := range liars(newChain(t)) {
		t.Run(name, func(t *testing.T) {
			chain := newChain(t)
			lie := liars(chain)[name]
			client, _ := run(t, configFor(chain, serve(t, chain, true, lie).node(t)))
			_, err := client.HeaderAt(within(t), 3)
			require.NoError(t, err)
			chain.produce(1)
			require.Eventually(t, func() bool { return client.Nodes()[0].Refused > 0 }, patience, time.Millisecond)
			latest, err := client.Latest()
			require.NoError(t, err)
			require.EqualValues(t, 3, latest.Height)
			require.NoError(t, client.Stopped(), "a lie is no fork")
			require.ErrorIs(t, client.Nodes()[0].Err, ErrBadHeader)
		})
	}
}

func TestAnHonestNodeCarriesTheClientPastALiar(t *testing.T) {
	for name := range liars(newChain(t)) {
		t.Run(name, func(t *testing.T) {
			chain := newChain(t)
			lie := liars(chain)[name]
			client, _ := run(t, configFor(chain, serve(t, chain, true, lie).node(t), serve(t, chain, true, nil).node(t)))
			chain.produce(3)
			header, err := client.HeaderAt(within(t), 6)
			require.NoError(t, err)
			require.EqualValues(t, chain.headers[6].Hash(), header.Hash)
			require.NoError(t, client.Stopped())
			value, err := client.Prove(within(t), "kms", []byte("height"), 5)
			require.NoError(t, err)
			require.Equal(t, "state after 5", string(value))
		})
	}
}

func TestAPausedNodeDelaysNothing(t *testing.T) {
	chain := newChain(t)
	stuck, honest := serve(t, chain, false, nil), serve(t, chain, true, nil)
	stuck.paused.Store(true)
	defer close(stuck.resume)
	cfg := configFor(chain, stuck.node(t), honest.node(t))
	cfg.RequestTimeout = time.Hour
	client, _ := run(t, cfg)
	for height := int64(4); height < 30; height++ {
		chain.produce(1)
		_, err := client.HeaderAt(within(t), height)
		require.NoError(t, err)
		_, err = client.Prove(within(t), "kms", []byte("height"), height-1)
		require.NoError(t, err)
	}
}

func TestConflictingHeadersThatBothVerifyStopTheClientWithEvidence(t *testing.T) {
	chain := newChain(t)
	forks := func(n *rpcNode) {
		n.commit = func(real *types.SignedHeader) *types.SignedHeader {
			if real == nil || real.Height < 5 {
				return real
			}
			other := *real.Header
			other.AppHash = tmhash.Sum([]byte("the other branch"))
			chain.mu.Lock()
			defer chain.mu.Unlock()
			return chain.sign(&other, chain.sets[real.Height], 3)
		}
	}
	honest, forking := serve(t, chain, false, nil), serve(t, chain, false, forks)
	client, stop := run(t, configFor(chain, honest.node(t), forking.node(t)))
	chain.produce(4)
	require.Eventually(t, func() bool { return client.Stopped() != nil }, patience, time.Millisecond)
	require.ErrorIs(t, client.Stopped(), ErrFork)
	evidence := client.Evidence()
	require.NotNil(t, evidence)
	require.NotEqual(t, evidence.Ours.Hash(), evidence.Theirs.Hash())
	_, err := client.Prove(within(t), "kms", []byte("height"), 3)
	require.ErrorIs(t, err, ErrFork)
	_, err = client.Next(within(t), 0)
	require.ErrorIs(t, err, ErrFork)
	require.ErrorIs(t, stop(), ErrFork)
}

func TestAnExpiredHeaderAsksForANewOne(t *testing.T) {
	chain := newChain(t)
	cfg := configFor(chain, serve(t, chain, false, nil).node(t))
	cfg.Now = func() time.Time { return timeOf(2).Add(7 * 24 * time.Hour) }
	client, stop := run(t, cfg)
	require.Eventually(t, func() bool { return errors.Is(client.Stopped(), ErrExpired) }, patience, time.Millisecond)
	require.ErrorIs(t, stop(), ErrExpired)
	_, err := client.Latest()
	require.ErrorIs(t, err, ErrNotSynced)

	cfg.Now = func() time.Time { return timeOf(2).Add(7*24*time.Hour - time.Second) }
	client, _ = run(t, cfg)
	_, err = client.HeaderAt(within(t), 3)
	require.NoError(t, err)
}

func TestCatchingUpSkipsHeightsAcrossChangedValidators(t *testing.T) {
	chain := newChain(t)
	for i := range byte(12) {
		chain.rotate(50 + i)
		chain.produce(30)
	}
	node := serve(t, chain, false, nil)
	client, _ := run(t, configFor(chain, node.node(t)))
	header, err := client.HeaderAt(within(t), 363)
	require.NoError(t, err)
	require.EqualValues(t, chain.headers[363].Hash(), header.Hash)
	require.Less(t, node.commits.Load(), int64(100), "bisection, not a walk")
	_, err = client.HeaderAt(within(t), 100)
	require.ErrorIs(t, err, ErrHeightGone)
	chain.rotate(90)
	chain.produce(5)
	for height := int64(364); height < 369; height++ {
		next, err := client.Next(within(t), height-1)
		require.NoError(t, err)
		require.Equal(t, height, next.Height)
	}
}

func TestStrangersCannotTakeOverWhileTheClientCatchesUp(t *testing.T) {
	chain := newChain(t)
	chain.produce(200)
	lie := liars(chain)["signed by strangers, validators forged"]
	client, _ := run(t, configFor(chain, serve(t, chain, false, lie).node(t)))
	require.Eventually(t, func() bool { return client.Nodes()[0].Refused > 0 }, patience, time.Millisecond)
	latest, err := client.Latest()
	require.NoError(t, err)
	require.LessOrEqual(t, latest.Height, int64(3))
}
