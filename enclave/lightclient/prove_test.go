package lightclient

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	cmtcrypto "github.com/cometbft/cometbft/proto/tendermint/crypto"
	ics23 "github.com/cosmos/ics23/go"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/stateproof"
)

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
		"a step beyond the bound": func(r *abci.ResponseQuery) { r.ProofOps.Ops[0].Data = make([]byte, 64<<10+1) },
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
		err := proof.verify(appHash, "kms", []byte(key), 1<<20)
		require.NotContains(t, fmt.Sprint(err), "panic")
		if !changed {
			require.NoError(t, err)
			accepted++
		}
		if random.IntN(8) == 0 && err == nil {
			proof.Value = append(bytes.Clone(proof.Value), 'x')
			require.ErrorIs(t, proof.verify(appHash, "kms", []byte(key), 1<<20), ErrProof)
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
			{Type: stateproof.OpStore, Key: []byte("height"), Data: inner}, {Type: stateproof.OpApp, Key: []byte("kms"), Data: outer},
		}}
		err := proof.verify(appHash, "kms", []byte("height"), 1<<20)
		if err == nil {
			require.Equal(t, answer.Value, value, "nothing but the true value is provable")
			return
		}
		require.ErrorIs(t, err, ErrProof)
		require.NotContains(t, err.Error(), "panic")
	})
}
