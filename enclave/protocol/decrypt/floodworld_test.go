package decrypt_test

import (
	"math/rand/v2"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/ring/wide"
)

// wideLWEs are blocks mod 2^128 in memory, as polynomials of size coefficients that
// rotate by the block's number.
type wideLWEs struct {
	dimension, size int
	words           [][]byte
	bodies          []wide.Word
}

func (l *wideLWEs) Len() int        { return len(l.bodies) }
func (l *wideLWEs) Dimension() int  { return l.dimension }
func (l *wideLWEs) Polynomial() int { return l.size }
func (l *wideLWEs) ViewWide(i int) ([]byte, int, wide.Word) {
	return l.words[i], i % l.size, l.bodies[i]
}

// floodWorld is a key dealt over R_128 and parties that hold its shares.
type floodWorld struct {
	*world
	floodKeys []*decrypt.FloodKey
	shared    []*decrypt.Key // the same key, for modulus 2^19
}

// squashed is the shape of blocks mod 2^128.
var squashed = preproc.Shape{K: 19, W: 5}

func newFloodWorld(t testing.TB, n, d, dim int) *floodWorld {
	t.Helper()
	w := &floodWorld{world: newWorldOver(t, n, d, dim, squashed), floodKeys: make([]*decrypt.FloodKey, n+1), shared: make([]*decrypt.Key, n+1)}
	w.flooded = true
	secret := make([]wide.Word, dim)
	for i, s := range w.secret {
		secret[i].Lo = s
	}
	shares, err := w.code.DealWide(rand.NewChaCha8([32]byte{5}), w.code.T(), secret)
	if err != nil {
		t.Fatal(err)
	}
	for i, share := range shares {
		if w.floodKeys[i+1], err = decrypt.NewFloodKey(w.code, squashed.W, share); err != nil {
			t.Fatal(err)
		}
		if w.shared[i+1], err = decrypt.NewWideKey(w.code, squashed, share); err != nil {
			t.Fatal(err)
		}
	}
	w.floodFor(t, session)
	return w
}

// floodFor makes sessions draw what floods in a context.
func (w *floodWorld) floodFor(t testing.TB, context mpc.Digest) {
	t.Helper()
	w.sources = mpctest.Sources(t, w.n, w.code.Degree(), 3, context)
}

// encryptWide returns blocks of the messages with noise of that magnitude and any sign.
func (w *floodWorld) encryptWide(messages []uint64, size int, noise wide.Word) *wideLWEs {
	out := &wideLWEs{dimension: len(w.secret), size: size}
	for i, m := range messages {
		body := wide.Word{Lo: m}.Shl(128 - squashed.W)
		if w.random.IntN(2) == 0 {
			body = body.Add(noise)
		} else {
			body = body.Sub(noise)
		}
		var words []byte
		for j := range w.secret {
			x := wide.Word{Lo: w.random.Uint64(), Hi: w.random.Uint64()}
			words = x.Append(words)
			to := j%size + i%size
			if to >= size {
				to, x = to-size, x.Neg()
			}
			body = body.Add(x.Mul(wide.Word{Lo: w.secret[j/size*size+to]}))
		}
		out.words, out.bodies = append(out.words, words), append(out.bodies, body)
	}
	return out
}

func (w *floodWorld) floodConfig(t testing.TB, i int, blocks ...decrypt.WideBlocks) decrypt.FloodConfig {
	t.Helper()
	c := decrypt.FloodConfig{Code: w.code, Self: i, Session: session, Identity: w.identities[i], Source: w.sources[i]}
	for _, b := range blocks {
		p, err := w.floodKeys[i].Phases(b)
		if err != nil {
			t.Fatal(err)
		}
		c.Phases = append(c.Phases, p)
	}
	return c
}

func (w *floodWorld) startFlooding(t testing.TB, blocks ...decrypt.WideBlocks) (map[int]mpc.Machine, []*decrypt.Flooding) {
	t.Helper()
	machines, out := map[int]mpc.Machine{}, make([]*decrypt.Flooding, w.n+1)
	for i := 1; i <= w.n; i++ {
		m, err := decrypt.NewFlooding(w.floodConfig(t, i, blocks...))
		if err != nil {
			t.Fatal(err)
		}
		machines[i], out[i] = m, m
		if w.n > 1 {
			w.layout = m.Layout()
		}
	}
	return machines, out
}

// loudest is the noise that ciphertexts may have.
var loudest = wide.Word{Hi: 1 << (70 - 64)}
