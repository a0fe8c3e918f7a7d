package keygen_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/pkegen"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/testutil/dealer"
)

func TestAnyTPartiesStoresFitTwoKeys(t *testing.T) {
	for _, n := range []int{4, 7} {
		w := newWorld(t, n)
		got := w.opening(t, tiny, &mpctest.Network{})
		r := w.code.Ring()
		first := reveal(t, w.code, func(i int) []uint64 { return got[i].Share().Part(keygen.Compute) })
		for mask := sharing.Parties(0); mask <= sharing.AllParties(n); mask += 2 {
			if mask.Count() != w.code.T() {
				continue
			}
			// The second key flips every bit: add (1−2s)·∏(1 − X/α_c) over the corrupt c.
			second := make([]*keygen.KeyShare, n+1)
			for i := 1; i <= n; i++ {
				f := ring.Integer(1)
				for _, c := range mask.List() {
					inverse, err := r.Inverse(r.Point(c))
					if err != nil {
						t.Fatal(err)
					}
					f = r.Mul(f, r.Sub(ring.Integer(1), r.Mul(r.Point(i), inverse)))
				}
				share := got[i].Share()
				parts := [3][]uint64{share.Part(0), slices.Clone(share.Part(1)), share.Part(2)}
				for j, s := range first {
					r.Set(parts[1], j, r.Add(r.At(parts[1], j), r.Scale(f, 1-2*s)))
				}
				var err error
				if second[i], err = keygen.NewKeyShare(tiny, keyID, w.code, i, parts); err != nil {
					t.Fatal(err)
				}
				before, _ := share.MarshalBinary()
				after, _ := second[i].MarshalBinary()
				if bytes.Equal(before, after) != mask.Has(i) {
					t.Fatalf("n=%d: party %d of corrupt %v", n, i, mask)
				}
				if keys := mpctest.Keys(t, n, 5); mask.Has(i) {
					// Nor do they hold the key of the set that none of them is in.
					raw, _ := keys[i].MarshalBinary()
					sets, _ := prss.Sets(n, w.code.T())
					if len(raw) != 4+2*mpc.DigestSize+prss.KeySize*len(slices.DeleteFunc(sets, func(a sharing.Parties) bool { return !a.Has(i) })) {
						t.Fatal("a party holds keys of other sets")
					}
				}
			}
			for j, s := range reveal(t, w.code, func(i int) []uint64 { return second[i].Part(keygen.Compute) }) {
				if s != 1-first[j] {
					t.Fatalf("n=%d: coefficient %d of the second key is %d", n, j, s)
				}
			}
		}
	}
}

func TestAnAbsentPartyRebuildsItsShare(t *testing.T) {
	w := newWorld(t, 4)
	got := w.generate(t, tiny)
	opened, err := keygen.OpenedSecrets(got[1], tiny)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := keygen.OpenedSecrets(got[2], tiny)
	if err != nil || keygen.OpenedDigest(keyID, opened) != keygen.OpenedDigest(keyID, theirs) {
		t.Fatal("parties vouch for different values")
	}
	share, err := keygen.RebuildShare(w.sources[3], tiny, keyID, opened)
	if err != nil {
		t.Fatal(err)
	}
	for s := range tiny.Dimensions {
		if !slices.Equal(share.Part(keygen.Secret(s)), got[3].Material()[s].Bits) {
			t.Fatal("another share")
		}
	}
	if _, err := keygen.RebuildShare(w.sources[3], tiny, keyID, opened[1:]); !errors.Is(err, preproc.ErrEncoding) {
		t.Error(err)
	}
}

func TestParametersOutsideTheirBoundsAreRefused(t *testing.T) {
	if err := keygen.Production().Check(); err != nil {
		t.Error(err)
	}
	for _, p := range []keygen.Parameters{
		{}, {Dimensions: [3]int{15, 1, 1}, NoiseBound: 1}, {Dimensions: [3]int{48, 1, 1}, NoiseBound: 1},
		{Dimensions: [3]int{16, 0, 1}, NoiseBound: 1}, {Dimensions: [3]int{16, 1, 1 << 15}, NoiseBound: 1},
		{Dimensions: [3]int{16, 1, 1}}, {Dimensions: [3]int{16, 1, 1}, NoiseBound: 61},
	} {
		if err := p.Check(); !errors.Is(err, keygen.ErrParameters) {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

func dealt(t testing.TB, p keygen.Parameters) []*keygen.KeyShare {
	t.Helper()
	var bits [3][]uint64
	for s, n := range p.Dimensions {
		bits[s] = make([]uint64, n)
	}
	bits[0][0] = 1
	shares, err := dealer.KeyShares(rand.NewChaCha8([32]byte{1}), p, keyID, 4, 1, 4, bits)
	if err != nil {
		t.Fatal(err)
	}
	return shares
}

func TestKeySharesSurviveSealingAndHideThemselves(t *testing.T) {
	share := dealt(t, tiny)[2]
	raw, _ := share.MarshalBinary()
	again, err := keygen.UnmarshalKeyShare(raw)
	if err != nil {
		t.Fatal(err)
	}
	if second, _ := again.MarshalBinary(); !bytes.Equal(raw, second) || again.Self() != 3 || again.N() != 4 || again.ID() != keyID || again.Parameters() != tiny {
		t.Error("the share changed")
	}
	j, _ := json.Marshal(share)
	for _, s := range []string{fmt.Sprint(share), fmt.Sprintf("%#v", share), string(j)} {
		if !strings.Contains(s, "redacted") || len(s) > 80 {
			t.Errorf("shows %q", s)
		}
	}
	for name, bad := range map[string][]byte{"short": raw[:len(raw)-1], "long": append(bytes.Clone(raw), 0), "empty": nil, "header": raw[:20]} {
		if _, err := keygen.UnmarshalKeyShare(bad); !errors.Is(err, keygen.ErrEncoding) {
			t.Errorf("%s: %v", name, err)
		}
	}
	share.Zero()
	if slices.Max(share.Part(keygen.PublicKey)) != 0 {
		t.Error("not erased")
	}
}

func FuzzUnmarshalKeyShare(f *testing.F) {
	raw, _ := dealt(f, keygen.Parameters{Dimensions: [3]int{16, 1, 1}, NoiseBound: 1})[0].MarshalBinary()
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		k, err := keygen.UnmarshalKeyShare(raw)
		if err != nil {
			if !errors.Is(err, keygen.ErrEncoding) {
				t.Fatal(err)
			}
			return
		}
		if again, _ := k.MarshalBinary(); !bytes.Equal(again, raw) {
			t.Fatal("two encodings of one share")
		}
	})
}
