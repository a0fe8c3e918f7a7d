package decrypt_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// block is one block of which the polynomials of the mask are rotated.
type block struct {
	words     []byte
	dimension int
	size      int // of a polynomial, dimension if 0
	rotation  int
	body      wide.Word // or its upper half
}

func (b block) Len() int       { return 1 }
func (b block) Dimension() int { return b.dimension }
func (b block) Polynomial() int {
	if b.size != 0 {
		return b.size
	}
	return b.dimension
}
func (b block) View(int) ([]byte, int, uint64)        { return b.words, b.rotation, b.body.Hi }
func (b block) ViewWide(int) ([]byte, int, wide.Word) { return b.words, b.rotation, b.body }

// rounded is ⌊x·2^k/2^128 + 1/2⌋ mod 2^k.
func rounded(x wide.Word, k uint) uint64 {
	return x.Shr(127-k).Add(wide.Word{Lo: 1}).Shr(1).Lo & ring.Mask(k)
}

// hard is a word that is often next to a half of a unit of 2^k, or rounds up to 2^k. Of
// a block of 64 bits it is the upper half.
func hard(random *rand.Rand, k uint, narrow bool) wide.Word {
	x := wide.Word{Lo: random.Uint64(), Hi: random.Uint64()}
	half := wide.Word{Lo: 1}.Shl(127 - k)
	switch random.IntN(6) {
	case 0: // halves, and what is next to them in the upper half
		x = wide.Word{Hi: x.Hi >> (64 - k) << (64 - k)}.Add(half).Add(wide.Word{Hi: random.Uint64N(3) - 1})
	case 1: // and in the lower one
		x = wide.Word{Hi: x.Hi >> (64 - k) << (64 - k)}.Add(half).Add(wide.Word{Lo: random.Uint64N(3)}).Sub(wide.Word{Lo: 1})
	case 2:
		x.Hi |= ^uint64(0) << (63 - k)
	}
	if narrow {
		x.Lo = 0
	}
	return x
}

// switched makes a block whose masks and body are hard to round, and what its phase
// is for a share.
func switched(random *rand.Rand, k uint, low, d, size, rotation int, share []uint64, narrow bool) (block, []uint64) {
	n := len(share) / d
	b := block{dimension: n, size: size, rotation: rotation, body: hard(random, k, narrow)}
	want := make([]uint64, d)
	want[0] = rounded(b.body, k) + 1<<(low-1)
	for j := range n {
		x := hard(random, k, narrow)
		if narrow {
			b.words = binary.LittleEndian.AppendUint64(b.words, x.Hi)
		} else {
			b.words = x.Append(b.words)
		}
		to := j%size + rotation
		if to >= size {
			to, x = to-size, x.Neg()
		}
		for c := range want {
			want[c] -= rounded(x, k) * share[(j/size*size+to)*d+c]
		}
	}
	ring.Reduce(want, k)
	return b, want
}

func TestPhasesAreThoseOfTheRoundedCoefficients(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, shape := range []preproc.Shape{production, {K: 19, W: 5}, {K: 30, W: 5}, {K: 14, W: 5}, compressed} {
		for _, d := range []int{4, 5} {
			for _, form := range []struct{ polynomials, size int }{{1, 1}, {1, 7}, {1, 8}, {1, 29}, {1, 256}, {2, 64}, {4, 32}, {6, 17}} {
				t.Run(fmt.Sprintf("K=%d/d=%d/N=%d*%d", shape.K, d, form.polynomials, form.size), func(t *testing.T) {
					code, err := sharing.New(4, 1, d)
					if err != nil {
						t.Fatal(err)
					}
					share := make([]uint64, form.polynomials*form.size*d)
					wideShare := make([]wide.Word, len(share))
					for i := range share {
						share[i] = random.Uint64()
						wideShare[i] = wide.Word{Lo: share[i], Hi: random.Uint64()}
					}
					narrow, err := decrypt.NewKey(code, shape, share)
					if err != nil {
						t.Fatal(err)
					}
					key, err := decrypt.NewWideKey(code, shape, wideShare)
					if err != nil {
						t.Fatal(err)
					}
					for _, rotation := range []int{0, 1 % form.size, form.size / 2, form.size - 1} {
						b, want := switched(random, shape.K, shape.Low(), d, form.size, rotation, share, true)
						p, err := narrow.Phases(b)
						if err != nil || !slices.Equal(decrypt.PhaseShares(p), want) {
							t.Errorf("64 bits, rotation %d: %v, not %x", rotation, err, want)
						}
						b, want = switched(random, shape.K, shape.Low(), d, form.size, rotation, share, false)
						if p, err = key.WidePhases(b); err != nil || !slices.Equal(decrypt.PhaseShares(p), want) {
							t.Errorf("128 bits, rotation %d: %v, not %x", rotation, err, want)
						}
					}
				})
			}
		}
	}
}

func TestLanesHoldTheLargestSums(t *testing.T) {
	for _, shape := range []preproc.Shape{production, {K: 19, W: 5}} {
		for _, n := range []int{2048, 8192, 8193} {
			code, _ := sharing.New(4, 1, 4)
			share := make([]uint64, n*4)
			for i := range share {
				share[i] = ^uint64(0)
			}
			key, err := decrypt.NewKey(code, shape, share)
			if err != nil {
				t.Fatal(err)
			}
			b := block{dimension: n}
			for range n { // 2^K − 1 when rounded
				b.words = binary.LittleEndian.AppendUint64(b.words, ring.Mask(shape.K)<<(64-shape.K))
			}
			p, err := key.Phases(b)
			if err != nil {
				t.Fatal(err)
			}
			for c, got := range decrypt.PhaseShares(p) {
				want := -uint64(n) // #nosec G115 -- positive
				if c == 0 {
					want += 1 << (shape.Low() - 1)
				}
				if got != want&ring.Mask(shape.K) {
					t.Errorf("K=%d N=%d, coordinate %d: %x", shape.K, n, c, got)
				}
			}
		}
	}
}

func TestBlocksOfAnotherFormAreRefused(t *testing.T) {
	w := newWorld(t, 4, 64, production)
	words := make([]byte, wide.Size*64)
	for what, b := range map[string]block{
		"short":              {words: words[8:], dimension: 64},
		"long":               {words: append(words, 0), dimension: 64},
		"rotated back":       {words: words, dimension: 64, rotation: -1},
		"rotated round":      {words: words, dimension: 64, rotation: 64},
		"rotated too far":    {words: words, dimension: 64, size: 32, rotation: 32},
		"other polynomials":  {words: words, dimension: 64, size: 24},
		"longer polynomials": {words: words, dimension: 64, size: 128},
		"no polynomials":     {words: words, dimension: 64, size: -1},
		"other key's":        {words: words, dimension: 63},
	} {
		if _, err := w.keys[1].WidePhases(b); !errors.Is(err, decrypt.ErrConfig) {
			t.Errorf("%s: %v", what, err)
		}
		b.words = b.words[len(b.words)/2:]
		if _, err := w.keys[1].Phases(b); !errors.Is(err, decrypt.ErrConfig) {
			t.Errorf("%s, 64 bits: %v", what, err)
		}
	}
	for _, share := range [][]wide.Word{nil, make([]wide.Word, 5), make([]wide.Word, 4*(decrypt.MaxDimension+1))} {
		if _, err := decrypt.NewWideKey(w.code, production, share); !errors.Is(err, decrypt.ErrDimension) {
			t.Errorf("%d words: %v", len(share), err)
		}
	}
}
