package evaluate_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/enclave/tfhe/evaluate"
	"github.com/tkms-network/tkms/testutil/clientkey"
)

// right reports whether a trial decrypts to its value.
func (w *world) right(trial evaluate.Trial) bool {
	w.t.Helper()
	c, err := tfhe.Decode(trial.Ciphertext, trial.Type, w.p)
	if err != nil {
		w.t.Fatal(err)
	}
	got, err := clientkey.Decrypt(w.client, c)
	return err == nil && got.Cmp(trial.Value) == 0
}

func (w *world) check(seed byte) []evaluate.Trial {
	w.t.Helper()
	trials, err := evaluate.Check(rand.NewChaCha8([32]byte{seed}), w.Evaluator, w.public)
	if err != nil {
		w.t.Fatal(err)
	}
	return trials
}

func TestARightKeySetPassesInEveryForm(t *testing.T) {
	w := newWorld(t, tfhe.Test())
	for seed := range byte(3) {
		var forms []string
		for _, trial := range w.check(seed) {
			if !w.right(trial) {
				t.Errorf("%s: it is not %v", trial.Shows, trial.Value)
			}
			forms = append(forms, trial.Form)
		}
		want := []string{
			"CompactCiphertextList", "FheUint", "FheUint", "CompressedCiphertextList", "FheUint",
			"SquashedNoiseFheUint", "CompressedSquashedNoiseCiphertextList",
		}
		if !slices.Equal(forms, want) {
			t.Errorf("forms %q", forms)
		}
	}
}

func TestAWrongRowInAnyComponentIsNoticed(t *testing.T) {
	w := newWorld(t, tfhe.Test())
	layout, err := w.p.Layout(tfhe.ObjectXofKeySet, w.keys.Seed())
	if err != nil {
		t.Fatal(err)
	}
	good := bytes.Clone(w.file)
	for _, part := range w.p.Parts() {
		// All bodies of a quarter of the rows are something else: how many bits of the key
		// that hits is more than any noise makes up for.
		at, _ := layout.Offset(part.Component)
		size := int64(part.Rows()*part.BodyWords()) * int64(part.Width/8)
		copy(w.file, good)
		_, _ = io.ReadFull(w.coins, w.file[at:at+(size+3)/4])
		w.open(evaluate.Environment{})
		if !slices.ContainsFunc(w.check(1), func(trial evaluate.Trial) bool { return !w.right(trial) }) {
			t.Errorf("%v: nothing went wrong", part.Component)
		}
	}
}

func TestSmallerSetsAreCheckedInTheirForms(t *testing.T) {
	p := tfhe.Test()
	for _, c := range []tfhe.Component{
		tfhe.ComponentCompression, tfhe.ComponentDecompression, tfhe.ComponentSquashing, tfhe.ComponentSquashingCompression,
	} {
		p.Components &^= 1 << c
	}
	p.Compression, p.Squashing, p.SquashingCompression = tfhe.CompressionParameters{}, tfhe.SquashingParameters{}, tfhe.SquashingCompressionParameters{}
	w := newWorld(t, p)
	trials := w.check(9)
	if len(trials) != 3 {
		t.Errorf("%d trials", len(trials))
	}
	fresh, err := evaluate.Fresh(rand.NewChaCha8([32]byte{9}), w.public)
	if err != nil || len(fresh) != 1 || !bytes.Equal(fresh[0].Ciphertext, trials[0].Ciphertext) {
		t.Errorf("the fresh ciphertext is another: %v", err)
	}
	for _, trial := range append(trials, fresh...) {
		if !w.right(trial) {
			t.Errorf("%s: it is not %v", trial.Shows, trial.Value)
		}
	}
}

func TestEverybodyGetsTheSameBytes(t *testing.T) {
	w := newWorld(t, tfhe.Test())
	alone := w.check(5)
	w.open(evaluate.Environment{Parallel: concurrent})
	for i, trial := range w.check(5) {
		if !bytes.Equal(trial.Ciphertext, alone[i].Ciphertext) || trial.Value.Cmp(alone[i].Value) != 0 {
			t.Errorf("%s: bytes differ", trial.Shows)
		}
	}
	other := w.check(6)
	if bytes.Equal(other[0].Ciphertext, alone[0].Ciphertext) {
		t.Error("other coins make no difference")
	}
}

func TestACheckEndsWhenItIsToldTo(t *testing.T) {
	w := newWorld(t, tfhe.Test())
	var calls atomic.Int64
	w.open(evaluate.Environment{Parallel: concurrent, Yield: func() error { calls.Add(1); return nil }})
	w.check(5)
	all := calls.Load()
	stop := errors.New("stop")
	for _, after := range []int64{1, all / 4, all / 2, 3 * all / 4, all} {
		calls.Store(0)
		w.open(evaluate.Environment{Yield: func() error {
			if calls.Add(1) >= after {
				return stop
			}
			return nil
		}})
		if _, err := evaluate.Check(w.coins, w.Evaluator, w.public); !errors.Is(err, stop) {
			t.Errorf("after %d of %d: %v", after, all, err)
		}
		if calls.Load() != after {
			t.Errorf("it went on for %d calls after %d", calls.Load()-after, after)
		}
	}
}

func TestAFileThatFailsIsAnError(t *testing.T) {
	w := newWorld(t, tfhe.Test())
	reader := &failing{Reader: bytes.NewReader(w.file)}
	keys, err := tfhe.OpenKeySet(reader, int64(len(w.file)), w.p)
	if err != nil {
		t.Fatal(err)
	}
	e, err := evaluate.New(keys, evaluate.Environment{})
	if err != nil {
		t.Fatal(err)
	}
	reader.broken.Store(true)
	if _, err := evaluate.Check(w.coins, e, w.public); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}

type failing struct {
	*bytes.Reader
	broken atomic.Bool
}

func (f *failing) ReadAt(b []byte, at int64) (int, error) {
	if f.broken.Load() {
		return 0, io.ErrUnexpectedEOF
	}
	return f.Reader.ReadAt(b, at)
}

func TestCoinsThatEndAreAnError(t *testing.T) {
	w := newWorld(t, tfhe.Test())
	if _, err := evaluate.Check(bytes.NewReader(make([]byte, 100)), w.Evaluator, w.public); err == nil {
		t.Error("too few coins are accepted")
	}
}
