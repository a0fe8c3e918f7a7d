package reencrypt_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tkms-network/tkms/enclave/reencrypt"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/testutil/dealer"
)

// dealt returns raw shares by party.
func dealt(t testing.TB, seed byte, n int, blocks []uint64) map[int][]byte {
	t.Helper()
	shares, err := dealer.BlockShares(source(seed), n, sharing.Threshold(n), blocks)
	if err != nil {
		t.Fatal(err)
	}
	out := map[int][]byte{}
	for i, s := range shares {
		out[i+1] = raw(s)
	}
	return out
}

func blocks(count int) []uint64 {
	out := make([]uint64, count)
	g := rand.New(rand.NewPCG(uint64(count), 1))
	for i := range out {
		out[i] = g.Uint64N(32)
	}
	return out
}

func TestAllSharesGiveTheBlocks(t *testing.T) {
	for n := 1; n <= reencrypt.MaxParties; n++ {
		for _, count := range []int{1, 2, 3, 4, 5, 32, 80, 128} {
			got, wrong, err := reencrypt.Reconstruct(n, dealt(t, 1, n, blocks(count)), count)
			if err != nil || len(wrong) > 0 || !slices.Equal(got, blocks(count)) {
				t.Errorf("n=%d, %d blocks: %v, wrong %v, %v", n, count, got, wrong, err)
			}
		}
	}
}

// spoil makes some shares wrong in a coefficient each, of another element each.
func spoil(shares map[int][]byte, who ...int) {
	for a, i := range who {
		shares[i][64*(a%(len(shares[i])/64))+15] ^= 0x80
	}
}

func TestUpToTWrongOrMissingSharesAreMadeUpFor(t *testing.T) {
	for _, n := range []int{4, 5, 7, 10, 12, 13, 15} {
		tol := sharing.Threshold(n)
		for wrong := range tol + 1 {
			shares := dealt(t, 2, n, blocks(33))
			for i := range tol - wrong {
				delete(shares, n-i)
			}
			var who []int
			for i := range wrong {
				who = append(who, 1+2*i)
			}
			spoil(shares, who...)
			got, named, err := reencrypt.Reconstruct(n, shares, 33)
			if err != nil || !slices.Equal(named, who) || !slices.Equal(got, blocks(33)) {
				t.Errorf("n=%d, %v wrong, %d missing: named %v, %v", n, who, tol-wrong, named, err)
			}
		}
	}
}

func TestTwoTPlusOneSharesSuffice(t *testing.T) {
	for _, n := range []int{1, 4, 7, 9, 13, 15} {
		shares := dealt(t, 3, n, blocks(8))
		for len(shares) > 2*sharing.Threshold(n)+1 {
			delete(shares, len(shares))
		}
		if got, _, err := reencrypt.Reconstruct(n, shares, 8); err != nil || !slices.Equal(got, blocks(8)) {
			t.Errorf("n=%d: %v", n, err)
		}
		delete(shares, 1)
		if _, _, err := reencrypt.Reconstruct(n, shares, 8); !errors.Is(err, reencrypt.ErrUndecodable) {
			t.Errorf("n=%d, one fewer: %v", n, err)
		}
	}
}

func TestMoreThanTWrongSharesAreNoticedNotUsed(t *testing.T) {
	for _, n := range []int{4, 7, 10, 13} {
		tol := sharing.Threshold(n)
		shares := dealt(t, 4, n, blocks(32))
		var who []int
		for i := range tol + 1 {
			who = append(who, i+1)
		}
		spoil(shares, who...)
		if got, _, err := reencrypt.Reconstruct(n, shares, 32); !errors.Is(err, reencrypt.ErrUndecodable) {
			t.Errorf("n=%d: %v, %v", n, got, err)
		}
		shares = dealt(t, 4, n, blocks(32))
		delete(shares, n)
		spoil(shares, who[:tol]...)
		if _, _, err := reencrypt.Reconstruct(n, shares, 32); !errors.Is(err, reencrypt.ErrUndecodable) {
			t.Errorf("n=%d, %d wrong and one missing: %v", n, tol, err)
		}
	}
}

func TestAShareOfAnotherFormIsAWrongOne(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"nothing":          func([]byte) []byte { return nil },
		"an element less":  func(b []byte) []byte { return b[64:] },
		"an element more":  func(b []byte) []byte { return append(b, make([]byte, 64)...) },
		"half a word":      func(b []byte) []byte { return b[:len(b)-8] },
		"a bit below 2^64": func(b []byte) []byte { b[7] |= 0x80; return b },
		"bit 0":            func(b []byte) []byte { b[0] |= 1; return b },
		"bit 122":          func(b []byte) []byte { b[len(b)-1] |= 4; return b },
	} {
		shares := dealt(t, 5, 4, blocks(32))
		shares[3] = change(shares[3])
		got, wrong, err := reencrypt.Reconstruct(4, shares, 32)
		if err != nil || !slices.Equal(wrong, []int{3}) || !slices.Equal(got, blocks(32)) {
			t.Errorf("%s: wrong %v, %v", name, wrong, err)
		}
	}
}

func TestSharesOfWhatIsNoPackingOfTheBlocksAreRefused(t *testing.T) {
	shares := dealt(t, 6, 4, []uint64{1, 2, 3, 4})
	for count := 1; count < 4; count++ {
		if _, _, err := reencrypt.Reconstruct(4, shares, count); !errors.Is(err, reencrypt.ErrUndecodable) {
			t.Errorf("%d blocks: %v", count, err)
		}
	}
	for _, n := range []int{-1, 0, 16, 31} {
		if _, _, err := reencrypt.Reconstruct(n, shares, 4); !errors.Is(err, reencrypt.ErrUndecodable) {
			t.Errorf("n=%d: %v", n, err)
		}
	}
	if _, _, err := reencrypt.Reconstruct(4, shares, 0); !errors.Is(err, reencrypt.ErrUndecodable) {
		t.Errorf("no blocks: %v", err)
	}
	shares[5], shares[0], shares[-1] = shares[1], shares[1], nil // nobody's
	if got, wrong, err := reencrypt.Reconstruct(4, shares, 4); err != nil || len(wrong) > 0 || !slices.Equal(got, []uint64{1, 2, 3, 4}) {
		t.Errorf("%v, wrong %v, %v", got, wrong, err)
	}
}

func FuzzReconstruct(f *testing.F) {
	f.Add(dealt(f, 7, 4, blocks(8))[2], byte(2))
	f.Add([]byte{}, byte(4))
	f.Fuzz(func(t *testing.T, data []byte, who byte) {
		shares := dealt(t, 7, 4, blocks(8))
		i := int(who%4) + 1
		right := bytes.Equal(shares[i], data)
		shares[i] = data
		got, wrong, err := reencrypt.Reconstruct(4, shares, 8)
		if err != nil || !slices.Equal(got, blocks(8)) || (len(wrong) == 0) != right {
			t.Fatalf("%v, wrong %v, %v", got, wrong, err)
		}
	})
}

func BenchmarkReconstruct(b *testing.B) {
	for _, wrong := range []int{0, 4} {
		shares := dealt(b, 8, 13, blocks(128))
		for i := range wrong {
			spoil(shares, i+1)
		}
		b.Run([]string{"right", "", "", "", "4-wrong"}[wrong], func(b *testing.B) {
			for b.Loop() {
				if _, _, err := reencrypt.Reconstruct(13, shares, 128); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
