package fault_test

import (
	"io/fs"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// written is what a party keeps and publishes of a key of one component.
type written struct {
	kept  map[string][]byte
	words []byte
}

func (w *written) Put(name string, data []byte) error {
	w.kept[name] = slices.Clone(data)
	return nil
}

func (w *written) Get(name string) ([]byte, error) {
	if data, ok := w.kept[name]; ok {
		return slices.Clone(data), nil
	}
	return nil, fs.ErrNotExist
}

func (w *written) WriteBodies(_ tfhe.Component, _ int64, words []byte) error {
	w.words = slices.Clone(words)
	return nil
}

// generation is an attempt at a compact public key: its secrets, its seed, its row.
type generation struct {
	w        *world
	name     mpc.Digest
	session  func(step int) mpc.Digest
	attempts []*keygen.Attempt
	written  []*written
}

func (w *world) generation(t testing.TB, name mpc.Digest) *generation {
	t.Helper()
	g := &generation{
		w: w, name: name, attempts: make([]*keygen.Attempt, w.n+1), written: make([]*written, w.n+1),
		session: func(step int) mpc.Digest { return mpc.Hash("step", name[:], mpc.Uint64(uint64(step))) },
	}
	for i := 1; i <= w.n; i++ {
		g.written[i] = &written{kept: map[string][]byte{}}
	}
	g.open(t)
	return g
}

// open opens all parties' attempts, as far as they had come.
func (g *generation) open(t testing.TB) {
	t.Helper()
	for i := 1; i <= g.w.n; i++ {
		var err error
		g.attempts[i], err = keygen.New(keygen.Config{
			Parameters: tfhe.ProductionPKE(), Mode: keygen.PRSS, KeyID: g.name, Source: g.w.source(t, i, g.session(0)), Session: g.session,
			From: sharing.AllParties(g.w.n), Identity: g.w.identities[i], Store: g.written[i], Bodies: g.written[i],
		})
		require.NoError(t, err)
	}
}

// machines makes the machines of a step.
func (g *generation) machines(t testing.TB, step int) map[int]mpc.Machine {
	t.Helper()
	out := map[int]mpc.Machine{}
	for i := 1; i <= g.w.n; i++ {
		m, err := g.attempts[i].Machine(step)
		require.NoError(t, err)
		out[i] = m
	}
	return out
}

// upToRows runs all steps but the last one, which it returns, honestly.
func (g *generation) upToRows(t testing.TB) int {
	t.Helper()
	steps := g.attempts[1].Steps()
	for step, s := range steps[:len(steps)-1] {
		if s.Stage == keygen.StageSeed {
			for i := 1; i <= g.w.n; i++ {
				require.NoError(t, g.attempts[i].Agree(g.attempts[1].Digest()))
			}
		}
		machines := g.machines(t, step)
		require.NoError(t, mpctest.FirstError((&mpctest.Network{}).Run(machines, g.w.n)))
		for i, m := range machines {
			require.NoError(t, g.attempts[i].Finish(step, m.(keygen.Machine)))
		}
	}
	return len(steps) - 1
}
