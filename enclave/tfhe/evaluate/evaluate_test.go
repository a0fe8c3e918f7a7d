package evaluate_test

import (
	"bytes"
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/enclave/tfhe/evaluate"
	"github.com/tkms-network/tkms/enclave/tfhe/noise"
	"github.com/tkms-network/tkms/testutil/clientkey"
)

// memory is a file in memory.
type memory []byte

func (m memory) WriteAt(b []byte, at int64) (int, error) { return copy(m[at:], b), nil }

// world is a key set of a known client key.
type world struct {
	*evaluate.Evaluator
	t      testing.TB
	p      tfhe.Parameters
	coins  *rand.ChaCha8
	client *tfhe.ClientKey
	file   memory
	keys   *tfhe.KeySet
	public *tfhe.CompactPublicKey
}

func newWorld(t testing.TB, p tfhe.Parameters) *world {
	t.Helper()
	w := &world{t: t, p: p, coins: rand.NewChaCha8([32]byte{7})}
	var err error
	if w.client, err = clientkey.Generate(w.coins, p); err != nil {
		t.Fatal(err)
	}
	seed := [16]byte{1, 2, 3}
	layout, err := p.Layout(tfhe.ObjectXofKeySet, seed)
	if err != nil {
		t.Fatal(err)
	}
	w.file = make(memory, layout.Size())
	if err := clientkey.WriteKeySet(w.coins, w.client, seed, tfhe.ObjectXofKeySet, w.file); err != nil {
		t.Fatal(err)
	}
	w.open(evaluate.Environment{})
	return w
}

func (w *world) open(environment evaluate.Environment) {
	w.t.Helper()
	var err error
	if w.keys, err = tfhe.OpenKeySet(bytes.NewReader(w.file), int64(len(w.file)), w.p); err != nil {
		w.t.Fatal(err)
	}
	if w.public, err = w.keys.CompactPublicKey(); err != nil {
		w.t.Fatal(err)
	}
	if w.Evaluator, err = evaluate.New(w.keys, environment); err != nil {
		w.t.Fatal(err)
	}
}

// fresh encrypts a value under the public key and expands it.
func (w *world) fresh(t tfhe.Type, value uint64, packed bool) evaluate.Value {
	w.t.Helper()
	list, err := w.public.Encrypt(w.coins, t, new(big.Int).SetUint64(value), packed)
	if err != nil {
		w.t.Fatal(err)
	}
	values, err := w.Expand(list)
	if err != nil {
		w.t.Fatal(err)
	}
	return values[0]
}

// decode decodes what marshal wrote.
func (w *world) decode(t tfhe.Type, data []byte, err error) *tfhe.Ciphertext {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := tfhe.Decode(data, t, w.p)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) uint(v evaluate.Value) *tfhe.Ciphertext {
	w.t.Helper()
	data, err := w.Encode(v)
	return w.decode(v.Type, data, err)
}

// expect decrypts with the client key, and adds the noise to s unless it is nil.
func (w *world) expect(c *tfhe.Ciphertext, want uint64, s *noise.Statistics) {
	w.t.Helper()
	got, err := clientkey.Decrypt(w.client, c)
	if err != nil {
		w.t.Fatal(err)
	}
	if !got.IsUint64() || got.Uint64() != want {
		w.t.Errorf("%v under %v is %d, want %d", c.Type(), c.Key(), got, want)
	}
	for i := range c.Len() {
		_, e, err := clientkey.DecryptLWE(w.client, c, i)
		if err != nil {
			w.t.Fatal(err)
		}
		if s != nil {
			s.Add(e)
		}
	}
}

func TestExpandedListsHaveTheirValues(t *testing.T) {
	w := newWorld(t, tfhe.Test())
	for _, packed := range []bool{true, false} {
		w.expect(w.uint(w.fresh(tfhe.EBool, 1, packed)), 1, nil)
		w.expect(w.uint(w.fresh(tfhe.EBool, 0, packed)), 0, nil)
		w.expect(w.uint(w.fresh(tfhe.EUint8, 0xb4, packed)), 0xb4, nil)
		w.expect(w.uint(w.fresh(tfhe.EUint64, 0x0123456789abcdef, packed)), 0x0123456789abcdef, nil)
	}
}

func TestValuesInOneListMayShareACiphertext(t *testing.T) {
	w := newWorld(t, tfhe.Test())
	whole, err := w.public.Encrypt(w.coins, tfhe.EUint16, big.NewInt(0b11_01_00_10_01_11_10_01), true)
	if err != nil {
		t.Fatal(err)
	}
	whole.Values = []tfhe.ListValue{{Boolean: true, Blocks: 1}, {Blocks: 2}, {Blocks: 4}, {Boolean: true, Blocks: 1}}
	data, err := whole.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	list, err := tfhe.UnmarshalCompactCiphertextList(data, w.p)
	if err != nil {
		t.Fatal(err)
	}
	values, err := w.Expand(list)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []uint64{1, 0b11_10, 0b01_00_10_01, 1} {
		w.expect(w.uint(values[i]), want, nil)
	}
}

func TestBlocksAreAddedMultipliedAndCompared(t *testing.T) {
	w := newWorld(t, tfhe.Test())
	a, b := w.fresh(tfhe.EUint8, 0xb7, true), w.fresh(tfhe.EUint8, 0x6e, true)
	sum, err := w.Add(a, b)
	if err != nil {
		t.Fatal(err)
	}
	w.expect(w.uint(sum), (0xb7+0x6e)&0xff, nil)
	for _, f := range []func(x, y uint64) uint64{
		func(x, y uint64) uint64 { return x ^ y },
		func(x, y uint64) uint64 { return x * y % 4 },
		func(x, y uint64) uint64 {
			if x < y {
				return 3
			}
			return 0
		},
	} {
		got, err := w.Combine(a, b, f)
		if err != nil {
			t.Fatal(err)
		}
		want := uint64(0)
		for i := range 4 {
			want |= f(0xb7>>(2*i)&3, 0x6e>>(2*i)&3) << (2 * i)
		}
		w.expect(w.uint(got), want, nil)
	}
}

func TestEveryPlaintextOfABlockIsBootstrapped(t *testing.T) {
	w := newWorld(t, tfhe.Test())
	var blocks [][]uint64
	var functions []func(uint64) uint64
	for x := range uint64(16) {
		// As a sum: with carries.
		block, err := clientkey.EncryptBlock(w.coins, w.client, 3)
		if err != nil {
			t.Fatal(err)
		}
		lwe := block.Data.Uint64s()
		for i := range lwe {
			lwe[i] *= 5
		}
		lwe[len(lwe)-1] -= (15 - x) * w.p.Delta()
		blocks = append(blocks, lwe)
		functions = append(functions, func(x uint64) uint64 { return (7*x + 3) % 16 })
	}
	out, err := w.Bootstrap(blocks, functions)
	if err != nil {
		t.Fatal(err)
	}
	for x, lwe := range out {
		phase := lwe[len(lwe)-1]
		for i, s := range w.client.GLWE {
			phase -= lwe[i] * s
		}
		if got, want := (phase+w.p.Delta()/2)/w.p.Delta(), uint64(7*x+3)%16; got != want {
			t.Errorf("f(%d) is %d, want %d", x, got, want)
		}
	}
}

func TestEveryFormOfAValueHasIt(t *testing.T) {
	w := newWorld(t, tfhe.Test())
	for _, c := range []struct {
		t     tfhe.Type
		value uint64
	}{{tfhe.EBool, 1}, {tfhe.EUint4, 0xd}, {tfhe.EUint8, 77}, {tfhe.EUint64, 0xfedcba9876543210}} {
		for _, form := range w.everyForm(c.t, c.value) {
			w.expect(form, c.value, nil)
		}
	}
}

func TestReRandomizedValuesAreTheSameInOtherCiphertexts(t *testing.T) {
	w := newWorld(t, tfhe.Test())
	for _, c := range []struct {
		t     tfhe.Type
		value uint64
	}{{tfhe.EBool, 1}, {tfhe.EUint16, 0xcafe}} {
		before := w.fresh(c.t, c.value, true)
		after, err := w.ReRandomize(w.coins, before)
		if err != nil {
			t.Fatal(err)
		}
		w.expect(w.uint(after[0]), c.value, nil)
		for i, lwe := range after[0].Blocks {
			same := 0
			for j, x := range lwe {
				if x == before.Blocks[i][j] {
					same++
				}
			}
			if same > 0 {
				t.Errorf("%v block %d: %d words are as before", c.t, i, same)
			}
		}
	}
}

func TestListsOfManyValuesFillSeveralGLWEs(t *testing.T) {
	w := newWorld(t, tfhe.Test())
	v := w.fresh(tfhe.EUint64, 0x0f1e2d3c4b5a6978, true)
	b := w.fresh(tfhe.EBool, 1, true)
	list, err := w.Compress(v, b, v, v)
	if err != nil {
		t.Fatal(err)
	}
	squashed, err := w.Squash(b, v, v, v)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := w.CompressSquashed(squashed...)
	if err != nil {
		t.Fatal(err)
	}
	if len(list.GLWEs) != 2 || len(packed.GLWEs) != 2 {
		t.Errorf("%d and %d GLWE ciphertexts", len(list.GLWEs), len(packed.GLWEs))
	}
	for _, marshal := range []func() ([]byte, error){list.MarshalBinary, packed.MarshalBinary} {
		data, err := marshal()
		if err != nil {
			t.Fatal(err)
		}
		all, err := tfhe.DecodeAny(data, w.p)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range all {
			if c.Type() == tfhe.EBool {
				w.expect(c, 1, nil)
			} else {
				w.expect(c, 0x0f1e2d3c4b5a6978, nil)
			}
		}
	}
}

func TestRandomBitsAreBits(t *testing.T) {
	w := newWorld(t, tfhe.Test())
	const count = 64
	blocks, err := w.Random(w.coins, count)
	if err != nil {
		t.Fatal(err)
	}
	ones := 0
	for _, lwe := range blocks {
		v := evaluate.Value{Type: tfhe.EBool, Blocks: [][]uint64{lwe}}
		bit, err := clientkey.Decrypt(w.client, w.uint(v))
		if err != nil {
			t.Fatal(err)
		}
		plain, _, err := clientkey.DecryptLWE(w.client, w.uint(v), 0)
		if err != nil || plain > 1 {
			t.Fatalf("a random bit is %d: %v", plain, err)
		}
		ones += int(bit.Int64())
	}
	if ones < count/8 || ones > 7*count/8 {
		t.Errorf("%d of %d bits are 1", ones, count)
	}
}

func TestNoiseIsWhatTheModelSays(t *testing.T) {
	w := newWorld(t, tfhe.Test())
	m, err := noise.New(w.p, noise.Exact, 1)
	if err != nil {
		t.Fatal(err)
	}
	const value, blocks, count = 0x5a5a1234deadbeef, 32, 4
	bootstrapped := m.Bootstrapped(tfhe.ComponentBootstrap, true)
	squashed := m.Bootstrapped(tfhe.ComponentSquashing, true)
	// Each list of one value, 32 blocks to a GLWE ciphertext, 16 after squashing.
	compressed := m.Switched(tfhe.ComponentCompression, blocks, 16*bootstrapped)
	compressed += noise.Rounding(w.p.Dimension(tfhe.SecretCompression), uint(w.p.Compression.StorageLog))
	steps := []struct {
		what     string
		variance float64
		measured noise.Statistics
	}{
		{what: "fresh", variance: m.Fresh()},
		{what: "bootstrapped", variance: bootstrapped},
		{what: "compressed", variance: compressed},
		{what: "decompressed", variance: m.Bootstrapped(tfhe.ComponentDecompression, true)},
		{what: "squashed", variance: squashed},
		{what: "packed", variance: m.Switched(tfhe.ComponentSquashingCompression, blocks/2, squashed)},
	}
	for range count {
		for i, c := range w.everyForm(tfhe.EUint64, value) {
			w.expect(c, value, &steps[i].measured)
		}
	}
	for _, s := range steps {
		t.Logf("%s: rms 2^%.2f of %d, model 2^%.2f", s.what, s.measured.Log2RMS(), s.measured.Count(), math.Log2(s.variance)/2)
		if err := s.measured.Compare(s.what, s.variance); err != nil {
			t.Error(err)
		}
	}
}

// everyForm returns a value fresh, expanded, compressed, decompressed, squashed, and
// squashed and packed.
func (w *world) everyForm(t tfhe.Type, value uint64) []*tfhe.Ciphertext {
	w.t.Helper()
	list, err := w.public.Encrypt(w.coins, t, new(big.Int).SetUint64(value), false)
	if err != nil {
		w.t.Fatal(err)
	}
	data, err := list.MarshalBinary()
	forms := []*tfhe.Ciphertext{w.decode(t, data, err)}
	expanded, err := w.Expand(list)
	if err != nil {
		w.t.Fatal(err)
	}
	forms = append(forms, w.uint(expanded[0]))
	compressed, err := w.Compress(expanded...)
	if err != nil {
		w.t.Fatal(err)
	}
	data, err = compressed.MarshalBinary()
	forms = append(forms, w.decode(t, data, err))
	restored, err := w.Decompress(forms[len(forms)-1])
	if err != nil {
		w.t.Fatal(err)
	}
	forms = append(forms, w.uint(restored))
	squashed, err := w.Squash(expanded...)
	if err != nil {
		w.t.Fatal(err)
	}
	data, err = w.EncodeSquashed(squashed[0])
	forms = append(forms, w.decode(t, data, err))
	packed, err := w.CompressSquashed(squashed...)
	if err != nil {
		w.t.Fatal(err)
	}
	data, err = packed.MarshalBinary()
	return append(forms, w.decode(t, data, err))
}

func TestOperandsThatDoNotFitAreRefused(t *testing.T) {
	w := newWorld(t, tfhe.Test())
	v := w.fresh(tfhe.EUint4, 9, true)
	other := w.fresh(tfhe.EUint8, 9, true)
	short := evaluate.Value{Type: tfhe.EUint4, Blocks: [][]uint64{v.Blocks[0], v.Blocks[1][1:]}}
	for name, f := range map[string]func() error{
		"types":     func() error { _, err := w.Add(v, other); return err },
		"combine":   func() error { _, err := w.Combine(v, other, nil); return err },
		"short":     func() error { _, err := w.Compress(short); return err },
		"blocks":    func() error { _, err := w.Squash(evaluate.Value{Type: tfhe.EUint8, Blocks: v.Blocks}); return err },
		"dimension": func() error { _, err := w.Bootstrap(short.Blocks, make([]func(uint64) uint64, 2)); return err },
		"functions": func() error { _, err := w.Bootstrap(v.Blocks, nil); return err },
		"squashed":  func() error { _, err := w.EncodeSquashed(evaluate.Squashed{Type: tfhe.EUint4}); return err },
		"wide": func() error {
			_, err := w.CompressSquashed(evaluate.Squashed{Type: tfhe.EUint4, Blocks: nil})
			return err
		},
		"kind": func() error { _, err := w.Decompress(w.uint(v)); return err },
	} {
		if err := f(); !errors.Is(err, evaluate.ErrOperand) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatAKeySetLacksIsNamed(t *testing.T) {
	p := tfhe.Test()
	var without tfhe.Components
	for _, part := range p.Parts() {
		switch part.Component {
		case tfhe.ComponentCompression, tfhe.ComponentDecompression, tfhe.ComponentSquashing,
			tfhe.ComponentSquashingCompression, tfhe.ComponentOPRF, tfhe.ComponentReRandomization:
		default:
			without |= 1 << part.Component
		}
	}
	p.Components = without
	p.Compression, p.Squashing, p.SquashingCompression = tfhe.CompressionParameters{}, tfhe.SquashingParameters{}, tfhe.SquashingCompressionParameters{}
	w := newWorld(t, p)
	v := w.fresh(tfhe.EUint4, 9, true)
	for name, f := range map[string]func() error{
		"compress":     func() error { _, err := w.Compress(v); return err },
		"squash":       func() error { _, err := w.Squash(v); return err },
		"random":       func() error { _, err := w.Random(w.coins, 1); return err },
		"re-randomize": func() error { _, err := w.ReRandomize(w.coins, v); return err },
		"squashed":     func() error { _, err := w.CompressSquashed(); return err },
	} {
		if err := f(); !errors.Is(err, evaluate.ErrComponent) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
