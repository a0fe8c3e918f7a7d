package decrypt_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// block is one block of which the mask is rotated.
type block struct {
	words     []byte
	dimension int
	rotation  int
	body      uint64
}

func (b block) Len() int                       { return 1 }
func (b block) Dimension() int                 { return b.dimension }
func (b block) View(int) ([]byte, int, uint64) { return b.words, b.rotation, b.body }

// rounded is ⌊x·2^k/2^64 + 1/2⌋ mod 2^k.
func rounded(x uint64, k uint) uint64 { return (x>>(63-k) + 1) >> 1 & ring.Mask(k) }

func TestPhasesAreThoseOfTheRoundedCoefficients(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, shape := range []preproc.Shape{production, {K: 19, W: 5}, {K: 30, W: 5}, {K: 14, W: 5}} {
		for _, d := range []int{4, 5} {
			for _, n := range []int{1, 7, 8, 29, 256} {
				t.Run(fmt.Sprintf("K=%d/d=%d/N=%d", shape.K, d, n), func(t *testing.T) {
					code, err := sharing.New(4, 1, d)
					if err != nil {
						t.Fatal(err)
					}
					share := make([]uint64, n*d)
					for i := range share {
						share[i] = random.Uint64()
					}
					key, err := decrypt.NewKey(code, shape, share)
					if err != nil {
						t.Fatal(err)
					}
					for _, rotation := range []int{0, 1 % n, n / 2, n - 1} {
						b := block{dimension: n, rotation: rotation, body: random.Uint64()}
						want := make([]uint64, d)
						want[0] = rounded(b.body, shape.K) + 1<<(shape.Low()-1)
						for j := range n {
							x := random.Uint64()
							switch random.IntN(4) {
							case 0: // halves, and what is next to them
								x = x>>(64-shape.K)<<(64-shape.K) + 1<<(63-shape.K) + random.Uint64N(3) - 1
							case 1: // what rounds up to 2^K
								x |= ^uint64(0) << (63 - shape.K)
							}
							b.words = binary.LittleEndian.AppendUint64(b.words, x)
							to := j + rotation
							if to >= n {
								to, x = to-n, -x
							}
							for c := range want {
								want[c] -= rounded(x, shape.K) * share[to*d+c]
							}
						}
						ring.Reduce(want, shape.K)
						p, err := key.Phases(b)
						if err != nil {
							t.Fatal(err)
						}
						for c, got := range decrypt.PhaseShares(p) {
							if got != want[c] {
								t.Errorf("rotation %d, coordinate %d: %x, not %x", rotation, c, got, want[c])
							}
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
	words := make([]byte, 8*64)
	for what, b := range map[string]block{
		"short":         {words: words[8:], dimension: 64},
		"long":          {words: append(words, 0), dimension: 64},
		"rotated back":  {words: words, dimension: 64, rotation: -1},
		"rotated round": {words: words, dimension: 64, rotation: 64},
		"other key's":   {words: words[8:], dimension: 63},
	} {
		if _, err := w.keys[1].Phases(b); !errors.Is(err, decrypt.ErrConfig) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
