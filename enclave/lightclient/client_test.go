package lightclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/cometbft/cometbft/crypto/tmhash"
	cmtcrypto "github.com/cometbft/cometbft/proto/tendermint/crypto"
	"github.com/cometbft/cometbft/types"
	ics23 "github.com/cosmos/ics23/go"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/seal"
)

const patience = 20 * time.Second

func configFor(c *chain, nodes ...Node) Config {
	return Config{
		ChainID: testChain, TrustedHeight: 2, TrustedHash: c.headers[2].Hash(), Nodes: nodes, Store: InMemory(),
		Now:  func() time.Time { height, _ := c.latest(); return timeOf(height).Add(time.Second) },
		Poll: 2 * time.Millisecond, Stagger: 20 * time.Millisecond,
	}
}

// run starts a client; the returned function stops it and gives Run's error.
func run(t testing.TB, cfg Config) (*Client, func() error) {
	t.Helper()
	c, err := New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stopped := false
	stop := func() error {
		stopped = true
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(patience):
			return errors.New("Run does not end")
		}
	}
	t.Cleanup(func() {
		if !stopped {
			_ = stop()
		}
	})
	return c, stop
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

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

func TestValuesAndAbsenceAreProven(t *testing.T) {
	chain := newChain(t)
	client, _ := run(t, configFor(chain, serve(t, chain, false, nil).node(t)))
	chain.produce(5)
	for height := int64(2); height < 8; height++ {
		value, err := client.Prove(within(t), "kms", []byte("height"), height)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("state after %d", height), string(value))
	}
	value, err := client.Prove(within(t), "acl", []byte("always"), 5)
	require.NoError(t, err)
	require.Equal(t, "there", string(value))
	for _, absent := range []string{"a", "zzz", "heighu"} {
		value, err = client.Prove(within(t), "kms", []byte(absent), 5)
		require.NoError(t, err)
		require.Nil(t, value)
	}
	value, err = client.Prove(within(t), "kms", []byte("key 6"), 5)
	require.NoError(t, err)
	require.Nil(t, value, "not written yet at that height")
}

func TestAProofWaitsForTheNextHeaderAndNoLonger(t *testing.T) {
	chain := newChain(t)
	client, _ := run(t, configFor(chain, serve(t, chain, true, nil).node(t)))
	_, err := client.HeaderAt(within(t), 3)
	require.NoError(t, err)
	short, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err = client.Prove(short, "kms", []byte("height"), 3)
	require.ErrorIs(t, err, ErrNotSynced)
	got := make(chan string, 1)
	go func() {
		value, _ := client.Prove(within(t), "kms", []byte("height"), 3)
		got <- string(value)
	}()
	time.Sleep(20 * time.Millisecond)
	chain.produce(1)
	require.Equal(t, "state after 3", <-got)
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

// proofLies change the answer to a query for "height" in store kms at height 5.
func proofLies(chain *chain) map[string]func(*abci.ResponseQuery) {
	ask := func(store, key string, height int64) *rpcAnswer {
		chain.mu.Lock()
		defer chain.mu.Unlock()
		return query(chain, store, key, height)
	}
	older, otherKey, otherStore, absent := ask("kms", "height", 4), ask("kms", "key 3", 5), ask("acl", "always", 5), ask("kms", "nothing", 5)
	flip := func(step, at int) func(*abci.ResponseQuery) {
		return func(r *abci.ResponseQuery) {
			data := bytes.Clone(r.ProofOps.Ops[step].Data)
			if at < 0 {
				at += len(data)
			}
			data[at] ^= 1
			r.ProofOps.Ops[step].Data = data
		}
	}
	return map[string]func(*abci.ResponseQuery){
		"another value":                   func(r *abci.ResponseQuery) { r.Value = []byte("forged") },
		"no value with the value's proof": func(r *abci.ResponseQuery) { r.Value = nil },
		"changed leaf":                    flip(0, 5),
		"changed path":                    flip(0, -1),
		"changed root of stores":          flip(1, -1),
		"no proof":                        func(r *abci.ResponseQuery) { r.ProofOps = nil },
		"half a proof":                    func(r *abci.ResponseQuery) { r.ProofOps.Ops = r.ProofOps.Ops[:1] },
		"a step too many":                 func(r *abci.ResponseQuery) { r.ProofOps.Ops = append(r.ProofOps.Ops, r.ProofOps.Ops[1]) },
		"steps swapped":                   func(r *abci.ResponseQuery) { o := r.ProofOps.Ops; o[0], o[1] = o[1], o[0] },
		"an old state":                    func(r *abci.ResponseQuery) { r.Value, r.ProofOps = older.Value, older.ProofOps },
		"an old state that says so":       func(r *abci.ResponseQuery) { r.Height, r.Value, r.ProofOps = 4, older.Value, older.ProofOps },
		"another key":                     func(r *abci.ResponseQuery) { r.Value, r.ProofOps = otherKey.Value, otherKey.ProofOps },
		"another key relabelled": func(r *abci.ResponseQuery) {
			r.Value, r.ProofOps = otherKey.Value, otherKey.ProofOps
			r.ProofOps.Ops[0].Key = []byte("height")
		},
		"another store": func(r *abci.ResponseQuery) { r.Value, r.ProofOps = otherStore.Value, otherStore.ProofOps },
		"another store relabelled": func(r *abci.ResponseQuery) {
			r.ProofOps.Ops[1] = otherStore.ProofOps.Ops[1]
			r.ProofOps.Ops[1].Key = []byte("kms")
		},
		"absence of another key": func(r *abci.ResponseQuery) { r.Value, r.ProofOps = nil, absent.ProofOps },
		"absence of another key relabelled": func(r *abci.ResponseQuery) {
			r.Value, r.ProofOps = nil, absent.ProofOps
			r.ProofOps.Ops[0].Key = []byte("height")
		},
		"a proof of another kind": func(r *abci.ResponseQuery) { r.ProofOps.Ops[0].Type = "ics23:smt" },
		"a step beyond the bound": func(r *abci.ResponseQuery) { r.ProofOps.Ops[0].Data = make([]byte, maxProof+1) },
		"garbage":                 func(r *abci.ResponseQuery) { r.ProofOps.Ops[0].Data = []byte{0xff, 0xff} },
		"batch proof": func(r *abci.ResponseQuery) {
			var single ics23.CommitmentProof
			require.NoError(chain.t, single.Unmarshal(r.ProofOps.Ops[0].Data))
			batch := &ics23.CommitmentProof{Proof: &ics23.CommitmentProof_Batch{Batch: &ics23.BatchProof{Entries: []*ics23.BatchEntry{
				{Proof: &ics23.BatchEntry_Exist{Exist: single.GetExist()}},
			}}}}
			data, err := batch.Marshal()
			require.NoError(chain.t, err)
			r.ProofOps.Ops[0].Data = data
		},
	}
}

type rpcAnswer struct {
	Value    []byte
	ProofOps *cmtcrypto.ProofOps
}

func query(c *chain, store, key string, height int64) *rpcAnswer {
	result, err := c.store.Query(queryFor(store, key, height))
	require.NoError(c.t, err)
	return &rpcAnswer{result.Value, result.ProofOps}
}

func TestForgedProofsAreRefusedAndAnHonestNodeAnswers(t *testing.T) {
	chain := newChain(t)
	chain.produce(5)
	for name := range proofLies(chain) {
		t.Run(name, func(t *testing.T) {
			lying := serve(t, chain, false, func(n *rpcNode) { n.query = proofLies(chain)[name] })
			alone, _ := run(t, configFor(chain, lying.node(t)))
			_, err := alone.HeaderAt(within(t), 8)
			require.NoError(t, err)
			value, err := alone.Prove(within(t), "kms", []byte("height"), 5)
			require.ErrorIs(t, err, ErrProof)
			require.Nil(t, value)
			require.EqualValues(t, 1, alone.Nodes()[0].Refused)

			honest := serve(t, chain, false, nil)
			both, _ := run(t, configFor(chain, lying.node(t), honest.node(t)))
			_, err = both.HeaderAt(within(t), 8)
			require.NoError(t, err)
			value, err = both.Prove(within(t), "kms", []byte("height"), 5)
			require.NoError(t, err)
			require.Equal(t, "state after 5", string(value))
		})
	}
}

func TestAValueThatExistsCannotBeProvenAbsentNorOneThatDoesNotPresent(t *testing.T) {
	chain := newChain(t)
	chain.produce(5)
	lying := serve(t, chain, false, func(n *rpcNode) { n.query = func(r *abci.ResponseQuery) { r.Value = []byte("made up") } })
	client, _ := run(t, configFor(chain, lying.node(t)))
	_, err := client.HeaderAt(within(t), 8)
	require.NoError(t, err)
	_, err = client.Prove(within(t), "kms", []byte("nothing"), 5)
	require.ErrorIs(t, err, ErrProof)
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

func TestARestartGoesOnFromTheSealedState(t *testing.T) {
	chain := newChain(t)
	wrapper, err := seal.NewSimulatedDevice(make([]byte, 32))
	require.NoError(t, err)
	sealed, err := seal.Open(t.TempDir(), wrapper, testChain, "alice")
	require.NoError(t, err)
	node := serve(t, chain, false, nil)
	cfg := configFor(chain, node.node(t))
	cfg.Store = Sealed(sealed)
	client, stop := run(t, cfg)
	chain.produce(10)
	_, err = client.HeaderAt(within(t), 13)
	require.NoError(t, err)
	require.NoError(t, stop())

	again, err := New(cfg)
	require.NoError(t, err)
	latest, err := again.Latest()
	require.NoError(t, err)
	require.EqualValues(t, 13, latest.Height, "before any node is asked")

	other := cfg
	other.ChainID = "tkms-other"
	_, err = New(other)
	require.ErrorIs(t, err, ErrState)
	other = cfg
	other.TrustedHeight = 14
	_, err = New(other)
	require.ErrorIs(t, err, ErrState)
	other = cfg
	other.TrustedHeight, other.TrustedHash = 13, tmhash.Sum(nil)
	_, err = New(other)
	require.ErrorIs(t, err, ErrState)
	require.NoError(t, cfg.Store.Save([]byte("garbage")))
	_, err = New(cfg)
	require.ErrorIs(t, err, ErrState)
}

func TestAnotherHeaderThanTheProvisionedIsRefused(t *testing.T) {
	chain := newChain(t)
	cfg := configFor(chain, serve(t, chain, false, nil).node(t))
	cfg.TrustedHash = tmhash.Sum([]byte("another"))
	client, _ := run(t, cfg)
	require.Eventually(t, func() bool { return client.Nodes()[0].Refused > 0 }, patience, time.Millisecond)
	_, err := client.Latest()
	require.ErrorIs(t, err, ErrNotSynced)
}

func TestQueriesAndTransactionsReachANodeThatWorks(t *testing.T) {
	chain := newChain(t)
	dead, err := HTTP("http://127.0.0.1:1")
	require.NoError(t, err)
	client, err := New(configFor(chain, dead, serve(t, chain, false, nil).node(t)))
	require.NoError(t, err)
	value, err := client.UntrustedQuery(within(t), "/hello", []byte("bob"), 0)
	require.NoError(t, err)
	require.Equal(t, "hello bob", string(value))
	result, err := client.BroadcastTx(within(t), []byte("odd"))
	require.NoError(t, err)
	require.EqualValues(t, 1, result.Code)
	require.Equal(t, tmhash.Sum([]byte("odd")), result.Hash)
	require.Equal(t, [][]byte{[]byte("odd")}, chain.txs)

	alone, err := New(configFor(chain, dead))
	require.NoError(t, err)
	_, err = alone.BroadcastTx(within(t), []byte("x"))
	require.ErrorIs(t, err, ErrNode)
	_, err = alone.Prove(within(t), "kms", []byte("x"), 1)
	require.ErrorIs(t, err, ErrNotSynced)
}

func TestANodeThatTalksWithoutEndIsCutOff(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		chunk := []byte(strings.Repeat(" ", 1<<20))
		for range 64 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	node, err := HTTP(server.URL)
	require.NoError(t, err)
	_, err = node.SignedHeader(within(t), 1)
	require.ErrorIs(t, err, errTooLong)
}

func TestAValidatorSetThatOverflowsIsRefusedWithoutAPanic(t *testing.T) {
	chain := newChain(t)
	lie := func(n *rpcNode) {
		n.validators = func(_ int64, set []*types.Validator) []*types.Validator {
			for _, v := range set {
				v.VotingPower = types.MaxTotalVotingPower
			}
			return set
		}
	}
	client, _ := run(t, configFor(chain, serve(t, chain, false, lie).node(t)))
	require.Eventually(t, func() bool { return client.Nodes()[0].Refused > 0 }, patience, time.Millisecond)
}

func TestConfigurationsThatCannotWorkAreRefused(t *testing.T) {
	chain := newChain(t)
	node := serve(t, chain, false, nil).node(t)
	for name, change := range map[string]func(*Config){
		"chain": func(c *Config) { c.ChainID = "" }, "height": func(c *Config) { c.TrustedHeight = 0 },
		"hash": func(c *Config) { c.TrustedHash = c.TrustedHash[:31] }, "nodes": func(c *Config) { c.Nodes = nil },
		"store": func(c *Config) { c.Store = nil }, "clock": func(c *Config) { c.Now = nil },
	} {
		cfg := configFor(chain, node)
		change(&cfg)
		_, err := New(cfg)
		require.ErrorIs(t, err, ErrConfig, name)
	}
	client, err := New(configFor(chain, node))
	require.NoError(t, err)
	for _, q := range []struct {
		store, key string
		height     int64
	}{{"", "k", 1}, {"a/b", "k", 1}, {"kms", "", 1}, {"kms", string(make([]byte, 1025)), 1}, {"kms", "k", 0}} {
		_, err := client.Prove(within(t), q.store, []byte(q.key), q.height)
		require.ErrorIs(t, err, ErrConfig)
	}
	_, err = HTTP("::")
	require.ErrorIs(t, err, ErrConfig)
}

func TestValuesBeyondTheBoundAreRefused(t *testing.T) {
	chain := newChain(t)
	chain.produce(3)
	cfg := configFor(chain, serve(t, chain, false, nil).node(t))
	cfg.MaxValue = len("state after 4") - 1
	client, _ := run(t, cfg)
	_, err := client.Prove(within(t), "kms", []byte("height"), 4)
	require.ErrorIs(t, err, ErrProof)
}

// The fuzzer is slow in so large a binary; this covers the neighbourhood of
// valid proofs in every run.
func TestMutatedProofsNeverProveAnythingElse(t *testing.T) {
	chain := newChain(t)
	chain.produce(2)
	appHash := chain.store.LastCommitID().Hash
	random := rand.New(rand.NewPCG(1, 2))
	accepted := 0
	for range 20_000 {
		key := "height"
		if random.IntN(2) == 0 {
			key = "nothing"
		}
		answer := query(chain, "kms", key, 5)
		proof := &Proof{Value: answer.Value, Ops: answer.ProofOps.Ops}
		changed := false
		for range random.IntN(3) {
			data := proof.Ops[random.IntN(2)].Data
			at, value := random.IntN(len(data)), byte(random.Uint32())
			changed = changed || data[at] != value
			data[at] = value
		}
		err := verifyProof(appHash, "kms", []byte(key), proof, 1<<20)
		require.NotContains(t, fmt.Sprint(err), "panic")
		if !changed {
			require.NoError(t, err)
			accepted++
		}
		if random.IntN(8) == 0 && err == nil {
			proof.Value = append(bytes.Clone(proof.Value), 'x')
			require.ErrorIs(t, verifyProof(appHash, "kms", []byte(key), proof, 1<<20), ErrProof)
		}
	}
	require.Positive(t, accepted)
}

func FuzzVerifyProof(f *testing.F) {
	chain := newChain(f)
	chain.produce(2)
	answer := query(chain, "kms", "height", 5)
	absent := query(chain, "kms", "nothing", 5)
	appHash := chain.store.LastCommitID().Hash
	f.Add(answer.Value, answer.ProofOps.Ops[0].Data, answer.ProofOps.Ops[1].Data)
	f.Add([]byte(nil), absent.ProofOps.Ops[0].Data, absent.ProofOps.Ops[1].Data)
	f.Fuzz(func(t *testing.T, value, inner, outer []byte) {
		proof := &Proof{Value: value, Ops: []cmtcrypto.ProofOp{
			{Type: opIAVL, Key: []byte("height"), Data: inner}, {Type: opSimple, Key: []byte("kms"), Data: outer},
		}}
		err := verifyProof(appHash, "kms", []byte("height"), proof, 1<<20)
		if err == nil {
			require.Equal(t, answer.Value, value, "nothing but the true value is provable")
			return
		}
		require.ErrorIs(t, err, ErrProof)
		require.NotContains(t, err.Error(), "panic")
	})
}

func FuzzDecodeState(f *testing.F) {
	chain := newChain(f)
	state, err := encodeState(&types.LightBlock{SignedHeader: chain.headers[2], ValidatorSet: chain.sets[2]})
	require.NoError(f, err)
	f.Add(state)
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := decodeState(data, testChain)
		if err != nil {
			require.ErrorIs(t, err, ErrState)
			return
		}
		require.NoError(t, b.ValidateBasic(testChain))
	})
}

// BenchmarkProof is a block's way to a proven value: produced, followed, proven.
func BenchmarkProof(b *testing.B) {
	chain := newChain(b)
	client, _ := run(b, configFor(chain, serve(b, chain, true, nil).node(b), serve(b, chain, true, nil).node(b)))
	_, err := client.HeaderAt(context.Background(), 3)
	require.NoError(b, err)
	for b.Loop() {
		b.StopTimer()
		height, _ := chain.latest()
		b.StartTimer()
		chain.produce(1)
		if _, err := client.Prove(context.Background(), "kms", []byte("height"), height); err != nil {
			b.Fatal(err)
		}
	}
}
