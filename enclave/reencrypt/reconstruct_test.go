package reencrypt_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tkms-network/tkms/enclave/reencrypt"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/testutil/dealer"
)

// dealt returns shares of blocks by party, as several parties send them.
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

// digits are blocks of one digit each.
func digits(count int) []uint64 {
	out := make([]uint64, count)
	g := rand.New(rand.NewPCG(uint64(count), 1))
	for i := range out {
		out[i] = g.Uint64N(4)
	}
	return out
}

func joined(blocks []uint64, width uint) *big.Int {
	out := new(big.Int)
	for i, b := range blocks {
		out.Add(out, new(big.Int).Lsh(new(big.Int).SetUint64(b), width*uint(i)))
	}
	return out
}

func reconstruct(t testing.TB, n, blocks int, shares map[int][]byte) (*big.Int, []int, error) {
	t.Helper()
	return layout(t, blocks, sharing.Threshold(n)).Reconstruct(n, shares)
}

// committees are sizes of several parties.
var committees = []int{4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

func TestAllSharesGiveTheValue(t *testing.T) {
	for _, n := range committees {
		for _, count := range []int{1, 2, 3, 4, 5, 32, 80, 128} {
			got, wrong, err := reconstruct(t, n, count, dealt(t, 1, n, digits(count)))
			if err != nil || len(wrong) > 0 || got.Cmp(joined(digits(count), 2)) != 0 {
				t.Errorf("n=%d, %d blocks: %v, wrong %v, %v", n, count, got, wrong, err)
			}
		}
	}
}

func TestBlocksMayHoldTwoDigits(t *testing.T) {
	l, err := reencrypt.NewLayout(24, 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	blocks := []uint64{15, 0, 9, 4, 1, 12}
	got, _, err := l.Reconstruct(4, dealt(t, 1, 4, blocks))
	if err != nil || got.Cmp(joined(blocks, 4)) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestASinglePartysBytesAreTheValue(t *testing.T) {
	for _, c := range []struct {
		bits, packing int
		share         []byte
		want          int64 // negative: refused
	}{
		{1, 1, []byte{1}, 1}, {1, 2, []byte{1}, 1}, {1, 1, []byte{2}, -1}, {1, 2, []byte{4}, -1},
		{4, 1, []byte{9}, 9}, {4, 2, []byte{15}, 15}, {4, 1, []byte{16}, -1},
		{16, 1, []byte{0x39, 0x80}, 0x8039}, {16, 2, []byte{0x39, 0x80}, 0x8039}, {16, 1, []byte{1}, -1}, {16, 1, []byte{1, 0, 0}, -1},
	} {
		l, err := reencrypt.NewLayout(c.bits, c.packing, 0)
		if err != nil {
			t.Fatal(err)
		}
		got, wrong, err := l.Reconstruct(1, map[int][]byte{1: c.share})
		if c.want < 0 && err == nil || c.want >= 0 && (err != nil || got.Int64() != c.want || len(wrong) > 0) {
			t.Errorf("%d bits, packing %d, %x: %v, wrong %v, %v", c.bits, c.packing, c.share, got, wrong, err)
		}
	}
}

// spoil makes some shares wrong in a coefficient each, of another element each.
func spoil(shares map[int][]byte, who ...int) {
	for a, i := range who {
		shares[i][8+64*(a%(len(shares[i])/64))+15] ^= 0x80
	}
}

func TestUpToTWrongOrMissingSharesAreMadeUpFor(t *testing.T) {
	for _, n := range committees {
		tol := sharing.Threshold(n)
		for wrong := range tol + 1 {
			shares := dealt(t, 2, n, digits(33))
			for i := range tol - wrong {
				delete(shares, n-i)
			}
			var who []int
			for i := range wrong {
				who = append(who, 1+2*i)
			}
			spoil(shares, who...)
			got, named, err := reconstruct(t, n, 33, shares)
			if err != nil || !slices.Equal(named, who) || got.Cmp(joined(digits(33), 2)) != 0 {
				t.Errorf("n=%d, %v wrong, %d missing: named %v, %v", n, who, tol-wrong, named, err)
			}
		}
	}
}

func TestTwoTPlusOneSharesSuffice(t *testing.T) {
	for _, n := range committees {
		shares := dealt(t, 3, n, digits(8))
		for len(shares) > 2*sharing.Threshold(n)+1 {
			delete(shares, len(shares))
		}
		if got, _, err := reconstruct(t, n, 8, shares); err != nil || got.Cmp(joined(digits(8), 2)) != 0 {
			t.Errorf("n=%d: %v", n, err)
		}
		delete(shares, 1)
		if _, _, err := reconstruct(t, n, 8, shares); !errors.Is(err, reencrypt.ErrUndecodable) {
			t.Errorf("n=%d, one fewer: %v", n, err)
		}
	}
}

func TestMoreThanTWrongSharesAreNoticedNotUsed(t *testing.T) {
	for _, n := range []int{4, 7, 10, 13} {
		tol := sharing.Threshold(n)
		shares := dealt(t, 4, n, digits(32))
		var who []int
		for i := range tol + 1 {
			who = append(who, i+1)
		}
		spoil(shares, who...)
		if got, _, err := reconstruct(t, n, 32, shares); !errors.Is(err, reencrypt.ErrUndecodable) {
			t.Errorf("n=%d: %v, %v", n, got, err)
		}
		shares = dealt(t, 4, n, digits(32))
		delete(shares, n)
		spoil(shares, who[:tol]...)
		if _, _, err := reconstruct(t, n, 32, shares); !errors.Is(err, reencrypt.ErrUndecodable) {
			t.Errorf("n=%d, %d wrong and one missing: %v", n, tol, err)
		}
	}
}

func TestAShareOfAnotherFormIsAWrongOne(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"nothing":          func([]byte) []byte { return nil },
		"an element less":  func(b []byte) []byte { return b[:len(b)-64] },
		"an element more":  func(b []byte) []byte { return append(b, make([]byte, 64)...) },
		"half a word":      func(b []byte) []byte { return b[:len(b)-8] },
		"another count":    func(b []byte) []byte { b[0]++; return b },
		"a huge count":     func(b []byte) []byte { b[7] = 0x80; return b },
		"a bit below 2^64": func(b []byte) []byte { b[15] |= 0x80; return b },
		"bit 0":            func(b []byte) []byte { b[8] |= 1; return b },
		"bit 122":          func(b []byte) []byte { b[len(b)-1] |= 4; return b },
		"the value":        func([]byte) []byte { return make([]byte, 8) },
	} {
		shares := dealt(t, 5, 4, digits(32))
		shares[3] = change(shares[3])
		got, wrong, err := reconstruct(t, 4, 32, shares)
		if err != nil || !slices.Equal(wrong, []int{3}) || got.Cmp(joined(digits(32), 2)) != 0 {
			t.Errorf("%s: wrong %v, %v", name, wrong, err)
		}
	}
}

func TestWhatIsNoValueOfTheTypeIsRefused(t *testing.T) {
	for bits, blocks := range map[int][]uint64{8: {1, 2, 3, 4}, 6: {1, 2, 3, 1}, 4: {1, 2, 1}, 1: {2}, 5: {0, 0, 2}} {
		l, err := reencrypt.NewLayout(bits, 1, 1)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := l.Reconstruct(4, dealt(t, 6, 4, blocks)); !errors.Is(err, reencrypt.ErrValue) {
			t.Errorf("%d bits of %v: %v, %v", bits, blocks, got, err)
		}
	}
}

func TestSharesFitTheCommitteeOfTheLayout(t *testing.T) {
	shares := dealt(t, 6, 4, digits(4))
	for _, n := range []int{-1, 0, 1, 2, 3, 7, 16, 31} {
		if _, _, err := layout(t, 4, 1).Reconstruct(n, shares); !errors.Is(err, reencrypt.ErrLayout) {
			t.Errorf("n=%d: %v", n, err)
		}
	}
	for _, n := range []int{2, 3, 4} { // whose shares would be elements
		if _, _, err := layout(t, 4, 0).Reconstruct(n, map[int][]byte{1: {0}, 2: {0}, 3: {0}}); !errors.Is(err, reencrypt.ErrLayout) {
			t.Errorf("n=%d, degree 0: %v", n, err)
		}
	}
	if _, _, err := (reencrypt.Layout{}).Reconstruct(1, shares); !errors.Is(err, reencrypt.ErrLayout) {
		t.Errorf("no layout: %v", err)
	}
	shares[5], shares[0], shares[-1] = shares[1], shares[1], nil // nobody's
	if got, wrong, err := reconstruct(t, 4, 4, shares); err != nil || len(wrong) > 0 || got.Cmp(joined(digits(4), 2)) != 0 {
		t.Errorf("%v, wrong %v, %v", got, wrong, err)
	}
}

func FuzzReconstruct(f *testing.F) {
	f.Add(dealt(f, 7, 4, digits(8))[2], byte(2))
	f.Add([]byte{}, byte(4))
	f.Fuzz(func(t *testing.T, data []byte, who byte) {
		shares := dealt(t, 7, 4, digits(8))
		i := int(who%4) + 1
		right := bytes.Equal(shares[i], data)
		shares[i] = data
		got, wrong, err := reconstruct(t, 4, 8, shares)
		if err != nil || got.Cmp(joined(digits(8), 2)) != 0 || (len(wrong) == 0) != right {
			t.Fatalf("%v, wrong %v, %v", got, wrong, err)
		}
	})
}

func BenchmarkReconstruct(b *testing.B) {
	for _, wrong := range []int{0, 4} {
		shares := dealt(b, 8, 13, digits(128))
		for i := range wrong {
			spoil(shares, i+1)
		}
		b.Run(fmt.Sprintf("wrong=%d", wrong), func(b *testing.B) {
			for b.Loop() {
				if _, _, err := reconstruct(b, 13, 128, shares); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
