package party

import (
	"context"
	"crypto/sha3"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/recall"
	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/enclave/tfhe/evaluate"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// errTested reports that this party's own shares were wrong in a test decryption: it
// must not hold the key like this.
var errTested = errors.New("party: this party's own shares were wrong in the test decryptions")

// trial is a decryption that tests a key: a ciphertext, or the same by other means.
type trial struct {
	evaluate.Trial
	protocol string
	taken    *intake
	shape    preproc.Shape // of the items that it takes
}

// examination tests a key: whether the shares that the members hold decrypt what is
// encrypted under the public keys.
type examination struct {
	sessions
	party      *Party
	key        *kmstypes.Key
	parameters tfhe.Parameters
	// compute makes the ciphertexts.
	compute func(ctx context.Context) ([]evaluate.Trial, error)
}

// test decrypts by MPC fresh ciphertexts in every form that the parameter set has,
// computed with the new public keys by coins that everybody can derive, and notes in
// which forms they came out right.
func (g *examination) test(ctx context.Context, held *heldKey, material *kmstypes.KeyMaterial) error {
	trials, err := g.trials(ctx, held)
	if err != nil {
		return err
	}
	defer func() {
		for _, t := range trials {
			t.taken.zero()
		}
	}()
	items, err := g.testItems(ctx, held, trials)
	if err != nil {
		return err
	}
	failed := map[string]bool{}
	for _, t := range trials {
		right, err := g.try(ctx, t, items)
		if err != nil {
			return fmt.Errorf("%s: %w", t.protocol, err)
		}
		if !right {
			g.party.cfg.Log.Error("a test decryption came out wrong", "key", fmt.Sprintf("%x", g.key.Id), "form", t.Form, "test", t.Shows)
			failed[t.Form] = true
		}
	}
	set, _ := kmstypes.ParameterSetByName(g.parameters.Name)
	for _, form := range set.Tested {
		if !failed[form] && slices.ContainsFunc(trials, func(t *trial) bool { return t.Form == form }) {
			material.Tested = append(material.Tested, form)
		}
	}
	material.TestDecryptionOk = len(failed) == 0 && len(material.Tested) == len(set.Tested)
	return nil
}

// trials computes the ciphertexts and takes them in, those that can be decrypted by
// flooding also by the way that takes items.
func (g *examination) trials(ctx context.Context, held *heldKey) ([]*trial, error) {
	computed, err := g.compute(ctx)
	if err != nil {
		return nil, err
	}
	var out []*trial
	for i, c := range computed {
		ciphertext, err := tfhe.Decode(c.Ciphertext, c.Type, g.parameters)
		if err != nil {
			return out, err
		}
		for _, user := range []bool{false, true} {
			taken, err := held.take(ciphertext, user)
			if err != nil {
				return out, err
			}
			out = append(out, &trial{Trial: c, protocol: fmt.Sprintf("key test %d", len(out)), taken: taken, shape: held.keys[ciphertext.Key()].Shape()})
			if taken.flooded == nil {
				break
			}
		}
		computed[i].Ciphertext = nil
	}
	return out, nil
}

// computeTrials computes fresh ciphertexts under a key in every form, by coins that
// everybody can derive: with the key set where there is one.
func (p *Party) computeTrials(ctx context.Context, id []byte, public *tfhe.CompactPublicKey, keys *tfhe.KeySet) (trials []evaluate.Trial, err error) {
	coins := sha3.NewSHAKE256()
	_, _ = coins.Write([]byte("tkms/v1/key-test"))
	_, _ = coins.Write(id)
	if keys == nil {
		return evaluate.Fresh(coins, public)
	}
	evaluator, err := evaluate.New(keys, evaluate.Environment{
		Parallel: p.inBackground, Yield: func() error { return context.Cause(ctx) },
	})
	if err != nil {
		return nil, err
	}
	p.inBackground(1, func(int) { trials, err = evaluate.Check(coins, evaluator, public) })
	return trials, err
}

// inBackground calls f(0) … f(n−1), out of the way of what users wait for, as many at
// a time as there are processors.
func (p *Party) inBackground(n int, f func(i int)) {
	var next atomic.Int64
	var running sync.WaitGroup
	for range min(n, runtime.NumCPU()) {
		running.Add(1)
		p.cfg.Background(func() {
			defer running.Done()
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	running.Wait()
}

// testItems makes offline items that only this attempt uses, for the trials in order.
func (g *examination) testItems(ctx context.Context, held *heldKey, trials []*trial) (map[preproc.Shape]*stocked, error) {
	out := map[preproc.Shape]*stocked{}
	for _, shape := range held.shapes() {
		count := 0
		for _, t := range trials {
			if t.taken.phases != nil && t.shape == shape {
				count += t.taken.blocks()
			}
		}
		if count == 0 || g.seat.code.N() == 1 {
			continue
		}
		protocol := fmt.Sprintf("key test items %d-%d", shape.K, shape.W)
		demand, err := preproc.Demand(shape.Sections(0, count))
		if err == nil {
			err = g.dealFor(ctx, protocol, demand)
		}
		if err != nil {
			return nil, err
		}
		machine, err := preproc.NewBatch(g.offline(protocol), shape, 0, count)
		if err != nil {
			return nil, err
		}
		if err := g.runOffline(ctx, protocol, machine, recall.Short); err != nil {
			return nil, err
		}
		batch, err := preproc.FromMachine(machine, shape)
		if err != nil {
			return nil, err
		}
		out[shape] = &stocked{batch: batch}
	}
	return out, nil
}

// stocked is a batch of which the first items are used.
type stocked struct {
	batch *preproc.Batch
	next  uint64
}

func (s *stocked) take(count int) (*preproc.Batch, error) {
	first := s.next
	s.next += uint64(count) // #nosec G115 -- not negative
	return s.batch.Cut(first, count)
}

// try runs one decryption and reports whether it came out right.
func (g *examination) try(ctx context.Context, t *trial, items map[preproc.Shape]*stocked) (bool, error) {
	id := g.session(t.protocol).ID()
	machine, err := g.decryption(id, t, items)
	if err != nil {
		return false, err
	}
	var values []uint64
	var wrong sharing.Parties
	read := func() { values, wrong = machine.Values(), machine.Culprits() }
	if err := g.runOpening(ctx, t.protocol, machine, recall.Short, openingLinger, read, machine.Release); err != nil {
		return false, err
	}
	// Wrong shares of others are corrected, and they are named. Were they a reason to say
	// nothing, one liar that shows them to few could keep any key from becoming active.
	if self := g.seat.identity.Self(); wrong.Has(self) {
		return false, &mpc.CulpritError{Culprits: sharing.PartiesOf(self), Err: errTested}
	}
	got, err := t.taken.outline.Recompose(values)
	return err == nil && got.Cmp(t.Value) == 0, nil
}

// valued is a machine that ends with values in the clear.
type valued interface {
	decryption
	Values() []uint64
}

// decryption returns the machine of a trial.
func (g *examination) decryption(id mpc.Digest, t *trial, items map[preproc.Shape]*stocked) (valued, error) {
	if t.taken.flooded != nil {
		source, err := g.seat.source(id)
		if err != nil {
			return nil, err
		}
		return decrypt.NewFlooding(decrypt.FloodConfig{
			Code: g.seat.code, Self: g.seat.identity.Self(), Session: id, Identity: g.seat.identity,
			Phases: []*decrypt.FloodPhases{t.taken.flooded}, Source: source,
		})
	}
	var stock []*preproc.Batch
	if ready := items[t.shape]; ready != nil {
		piece, err := ready.take(t.taken.blocks())
		if err != nil {
			return nil, err
		}
		stock = append(stock, piece)
	}
	return decrypt.New(decrypt.Config{
		Code: g.seat.code, Self: g.seat.identity.Self(), Session: id, Identity: g.seat.identity,
		Phases: []*decrypt.Phases{t.taken.phases}, Stock: stock,
	})
}
