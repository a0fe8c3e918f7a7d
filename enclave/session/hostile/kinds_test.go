package hostile

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/protocol/reshare"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/enclave/vss"
	"github.com/tkms-network/tkms/testutil/dealer"
)

const (
	parties = 4
	// liar is the malicious party, victim the one that is looked at.
	liar, victim = 4, 1
	degree       = 4
)

// kind is a kind of session of all parties.
type kind struct {
	name string
	// machine makes a party's, always in the same state.
	machine func(i int) (mpc.Machine, error)
}

// world is what the kinds' machines are made of. It is made once.
type world struct {
	code       *sharing.Code
	keys       []*prss.Keys
	identities []*mpc.Identity
	kinds      []kind
}

var worldOnce = sync.OnceValues(makeWorld)

func allKinds(t testing.TB) []kind {
	t.Helper()
	w, err := worldOnce()
	if err != nil {
		t.Fatal(err)
	}
	return w.kinds
}

func makeWorld() (w *world, err error) {
	// The set-up of the tests' helpers reports to a test; a failure shows below.
	t := new(testing.T)
	w = &world{keys: mpctest.Keys(t, parties, 7), identities: mpctest.Identities(t, parties)}
	if w.code, err = sharing.New(parties, sharing.Threshold(parties), degree); err != nil {
		return nil, err
	}
	for _, add := range []func() error{w.addSetup, w.addDealing, w.addDecryptions, w.addFlooding, w.addKeygen} {
		if err := add(); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (w *world) add(name string, machine func(i int) (mpc.Machine, error)) {
	w.kinds = append(w.kinds, kind{name, machine})
}

func (w *world) source(i int, context string) (*prss.Source, error) {
	return prss.NewSource(w.keys[i], w.code, mpc.Hash(context))
}

// run runs honest machines to their end.
func run(machine func(i int) (mpc.Machine, error)) (map[int]mpc.Machine, error) {
	machines := map[int]mpc.Machine{}
	for i := 1; i <= parties; i++ {
		m, err := machine(i)
		if err != nil {
			return nil, err
		}
		machines[i] = m
	}
	var network mpctest.Network
	return machines, mpctest.FirstError(network.Run(machines, parties))
}

func (w *world) addSetup() error {
	contributions, roots := make([]*prss.Contribution, parties+1), map[int]mpc.Digest{}
	for i := 1; i <= parties; i++ {
		c, err := prss.NewContribution(mpctest.Random(1), mpctest.Epoch, i, parties, w.code.T())
		if err != nil {
			return err
		}
		contributions[i], roots[i] = c, c.Root()
	}
	w.add("set-up", func(i int) (mpc.Machine, error) { return prss.NewSetup(contributions[i], roots) })
	w.add("comparison of keys", func(i int) (mpc.Machine, error) { return prss.NewComparison(w.keys[i]), nil })
	return nil
}

func (w *world) addDealing() error {
	w.add("dealing", func(i int) (mpc.Machine, error) {
		return vss.New(vss.Config{
			Code: w.code, Session: mpc.Hash("dealing"), Context: mpc.Hash("dealt"), From: sharing.AllParties(parties), Identity: w.identities[i], Secret: [vss.SeedSize]byte{byte(i)},
			Demand: []prss.Demand{{Address: prss.Address{Kind: "bit", K: 17}, Layout: prss.Layout{Integers: 1, Zeros: 1}, Count: 4}},
		})
	})
	return nil
}

// blocks of a decryption.
const (
	blocks    = 3
	dimension = 8
)

func (w *world) addDecryptions() error {
	secret := make([]uint64, dimension)
	secret[1], secret[4] = 1, 1
	shares, err := dealer.Deal(rand.NewChaCha8([32]byte{1}), parties, w.code.T(), degree, secret)
	if err != nil {
		return err
	}
	lwes, err := decrypt.NewLWEs(dimension, make([]uint64, blocks*(dimension+1)))
	if err != nil {
		return err
	}
	for _, chain := range []bool{false, true} {
		shape := preproc.Production()
		shape.Chain = chain
		if err := w.addDecryption(fmt.Sprintf("chain %t", chain), shape, shares, lwes); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) addDecryption(name string, shape preproc.Shape, shares [][]uint64, lwes *decrypt.LWEs) error {
	offline := func(i int) (mpc.Machine, error) {
		source, err := w.source(i, name)
		if err != nil {
			return nil, err
		}
		return preproc.NewBatch(preproc.Config{Source: source, Session: mpc.Hash("offline", []byte(name)), From: sharing.AllParties(parties), Identity: w.identities[i]}, shape, 0, blocks)
	}
	w.add("offline batch, "+name, offline)
	made, err := run(offline)
	if err != nil {
		return err
	}
	opened := make([][]byte, parties+1)
	for i, m := range made {
		batch, err := preproc.FromMachine(m.(*preproc.Machine), shape)
		if err != nil {
			return err
		}
		opened[i] = batch.Opened()
	}
	for _, kept := range []bool{false, true} {
		w.add(fmt.Sprintf("decryption, %s, kept %t", name, kept), func(i int) (mpc.Machine, error) {
			source, err := w.source(i, name)
			if err != nil {
				return nil, err
			}
			batch, err := preproc.RebuildBatch(source, shape, 0, blocks, opened[i])
			if err != nil {
				return nil, err
			}
			key, err := decrypt.NewKey(w.code, shape, shares[i-1])
			if err != nil {
				return nil, err
			}
			phases, err := key.Phases(lwes)
			if err != nil {
				return nil, err
			}
			c := decrypt.Config{Code: w.code, Self: i, Session: mpc.Hash("online", []byte(name)), Identity: w.identities[i], Phases: []*decrypt.Phases{phases}, Stock: []*preproc.Batch{batch}}
			if kept {
				if c.Keep, err = w.source(i, "kept"); err != nil {
					return nil, err
				}
			}
			return decrypt.New(c)
		})
	}
	return nil
}

// zeros are encryptions of 0 mod 2^128 without noise or masks.
type zeros struct{}

func (zeros) Len() int        { return blocks }
func (zeros) Dimension() int  { return dimension }
func (zeros) Polynomial() int { return dimension }
func (zeros) ViewWide(int) ([]byte, int, wide.Word) {
	return make([]byte, dimension*wide.Size), 0, wide.Word{}
}

func (w *world) addFlooding() error {
	shares, err := w.code.DealWide(rand.NewChaCha8([32]byte{2}), w.code.T(), make([]wide.Word, dimension))
	if err != nil {
		return err
	}
	w.add("flooding", func(i int) (mpc.Machine, error) {
		source, err := w.source(i, "flooding")
		if err != nil {
			return nil, err
		}
		key, err := decrypt.NewFloodKey(w.code, 5, shares[i-1])
		if err != nil {
			return nil, err
		}
		phases, err := key.Phases(zeros{})
		if err != nil {
			return nil, err
		}
		return decrypt.NewFlooding(decrypt.FloodConfig{Code: w.code, Self: i, Session: mpc.Hash("flooding"), Identity: w.identities[i], Source: source, Phases: []*decrypt.FloodPhases{phases}})
	})
	return nil
}

// disk is what an attempt at a key keeps.
type disk map[string][]byte

func (d disk) Put(name string, data []byte) error { d[name] = bytes.Clone(data); return nil }

func (d disk) Get(name string) ([]byte, error) {
	data, ok := d[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return bytes.Clone(data), nil
}

func (disk) WriteBodies(tfhe.Component, int64, []byte) error { return nil }

// addKeygen adds a step of each stage of a key generation, and the resharing of the key.
func (w *world) addKeygen() error {
	attempts := make([]*keygen.Attempt, parties+1)
	session := func(step int) mpc.Digest { return mpc.Hash("attempt", []byte(keygen.Protocol(keygen.PRSS, step))) }
	for i := 1; i <= parties; i++ {
		source, err := prss.NewSource(w.keys[i], w.code, session(0))
		if err != nil {
			return err
		}
		attempts[i], err = keygen.New(keygen.Config{
			Parameters: tfhe.Test(), Mode: keygen.PRSS, KeyID: mpc.Hash("key"), Source: source, Session: session, From: sharing.AllParties(parties),
			Identity: w.identities[i], Store: disk{}, Bodies: disk{},
		})
		if err != nil {
			return err
		}
	}
	steps, last := attempts[victim].Steps(), map[keygen.Stage]int{}
	for number, step := range steps {
		if !step.Offline {
			for _, a := range attempts[1:] {
				if err := a.Agree(attempts[victim].Digest()); err != nil && !a.Agreed() {
					return err
				}
			}
		}
		machines, err := run(func(i int) (mpc.Machine, error) { return attempts[i].Machine(number) })
		if err != nil {
			return fmt.Errorf("%s: %w", step.Name, err)
		}
		for i, m := range machines {
			if err := attempts[i].Finish(number, m.(keygen.Machine)); err != nil {
				return err
			}
		}
		last[step.Stage] = number
	}
	for number, step := range steps {
		if last[step.Stage] == number {
			w.add("key generation: "+step.Name, func(i int) (mpc.Machine, error) { return attempts[i].Machine(number) })
		}
	}
	return w.addReshare(attempts)
}

func (w *world) addReshare(attempts []*keygen.Attempt) error {
	config := func(i int) (reshare.Config, error) {
		masks, err := w.source(i, "resharing")
		return reshare.Config{
			Session: mpc.Hash("resharing"), Items: []reshare.Item{{KeyID: mpc.Hash("key"), Parameters: tfhe.Test()}}, Old: w.code, New: w.code, OldSelf: i, NewSelf: i,
			Union: []int{1, 2, 3, 4}, Masks: masks, Shares: []*keygen.KeyShare{attempts[i].Share()}, Members: sharing.AllParties(parties),
		}, err
	}
	handover := func(i int) (mpc.Machine, error) {
		c, err := config(i)
		if err != nil {
			return nil, err
		}
		return reshare.NewHandover(c)
	}
	w.add("handover of keys", handover)
	machines, err := run(handover)
	if err != nil {
		return err
	}
	vectors := map[int][]byte{}
	for i, m := range machines {
		vectors[i], _ = m.(*reshare.Handover).Vector()
	}
	w.add("conclusion of a resharing", func(i int) (mpc.Machine, error) {
		c, err := config(i)
		if err != nil {
			return nil, err
		}
		return reshare.NewConclusion(c, vectors)
	})
	return nil
}
