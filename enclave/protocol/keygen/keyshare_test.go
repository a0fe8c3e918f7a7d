package keygen_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// someShare returns a key share of a set, with made up words.
func someShare(t testing.TB, p tfhe.Parameters, n, d int) *keygen.KeyShare {
	t.Helper()
	code, err := sharing.New(n, sharing.Threshold(n), d)
	if err != nil {
		t.Fatal(err)
	}
	narrow, broad, next := map[tfhe.Secret][]uint64{}, map[tfhe.Secret][]wide.Word{}, uint64(1)
	for _, s := range p.Secrets() {
		for range p.Dimension(s) * d {
			next = next*6364136223846793005 + 1442695040888963407
			if p.SecretWidth(s) == 64 {
				narrow[s] = append(narrow[s], next)
			} else {
				broad[s] = append(broad[s], wide.Word{Lo: next, Hi: ^next * 3})
			}
		}
	}
	k, err := keygen.NewKeyShare(p, keyID, code, n, narrow, broad)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestAKeyShareIsReadAsItWasWritten(t *testing.T) {
	for _, p := range []tfhe.Parameters{tfhe.Test(), tfhe.ProductionPKE(), tfhe.Production()} {
		k := someShare(t, p, 4, 4)
		raw, err := k.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		got, err := keygen.UnmarshalKeyShare(raw)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := got.MarshalBinary()
		if !bytes.Equal(raw, again) || got.ID() != k.ID() || got.N() != 4 || got.Self() != 4 || got.Parameters().Name != p.Name {
			t.Errorf("%s: another share", p.Name)
		}
		for _, s := range p.Secrets() {
			if words := got.Part(s); len(words) != 4*p.Dimension(s) || (got.PartWide(s) == nil) != (p.SecretWidth(s) == 64) {
				t.Errorf("%s: %v has %d words", p.Name, s, len(words))
			} else if broad := got.PartWide(s); broad != nil && broad[5].Lo != words[5] {
				t.Errorf("%s: %v over R_64 is another", p.Name, s)
			}
		}
		for _, bad := range [][]byte{nil, raw[:4], raw[:40], raw[:len(raw)-1], append(bytes.Clone(raw), 0), append([]byte{1}, raw[1:]...)} {
			if _, err := keygen.UnmarshalKeyShare(bad); !errors.Is(err, keygen.ErrEncoding) {
				t.Errorf("%d bytes: %v", len(bad), err)
			}
		}
		for i := range 9 { // version, n, d, self, the name
			bad := bytes.Clone(raw)
			bad[i] ^= 0x55
			if _, err := keygen.UnmarshalKeyShare(bad); !errors.Is(err, keygen.ErrEncoding) {
				t.Errorf("byte %d: %v", i, err)
			}
		}
	}
	if someShare(t, tfhe.Test(), 4, 4).Part(200) != nil {
		t.Error("a secret that there is not")
	}
}

func TestAKeyShareOfOtherPartsIsRefused(t *testing.T) {
	p := tfhe.Test()
	k := someShare(t, p, 4, 4)
	code, err := sharing.New(4, 1, 4)
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(narrow map[tfhe.Secret][]uint64, broad map[tfhe.Secret][]wide.Word) int{
		"party 0": func(map[tfhe.Secret][]uint64, map[tfhe.Secret][]wide.Word) int { return 0 },
		"party 5": func(map[tfhe.Secret][]uint64, map[tfhe.Secret][]wide.Word) int { return 5 },
		"missing": func(n map[tfhe.Secret][]uint64, _ map[tfhe.Secret][]wide.Word) int {
			delete(n, tfhe.SecretPKE)
			return 1
		},
		"short": func(n map[tfhe.Secret][]uint64, _ map[tfhe.Secret][]wide.Word) int {
			n[tfhe.SecretPKE] = n[tfhe.SecretPKE][1:]
			return 1
		},
		"narrow": func(_ map[tfhe.Secret][]uint64, b map[tfhe.Secret][]wide.Word) int {
			delete(b, tfhe.SecretSmall)
			return 1
		},
		"too many": func(n map[tfhe.Secret][]uint64, _ map[tfhe.Secret][]wide.Word) int {
			n[tfhe.SecretSmall] = make([]uint64, 4)
			return 1
		},
	} {
		narrow, broad := map[tfhe.Secret][]uint64{}, map[tfhe.Secret][]wide.Word{}
		for _, s := range p.Secrets() {
			if v := k.PartWide(s); v != nil {
				broad[s] = v
			} else {
				narrow[s] = k.Part(s)
			}
		}
		self := change(narrow, broad)
		if _, err := keygen.NewKeyShare(p, keyID, code, self, narrow, broad); !errors.Is(err, keygen.ErrMaterial) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestNothingPrintsAKey(t *testing.T) {
	w := newWorld(t, 4, 4, tfhe.ProductionPKE(), keygen.Exact)
	w.start()
	w.run(0, w.from)
	k := someShare(t, tfhe.Test(), 4, 4)
	text, err := json.Marshal(k)
	if err != nil || string(text) != `"redacted"` {
		t.Errorf("%s, %v", text, err)
	}
	for _, v := range []any{k, w.first()} {
		for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
			if s := fmt.Sprintf(format, v); !bytes.Contains([]byte(s), []byte("redacted")) || len(s) > 60 {
				t.Errorf("%s prints %.80s", format, s)
			}
		}
	}
	k.Zero()
	if k.Part(tfhe.SecretPKE)[3] != 0 || k.PartWide(tfhe.SecretSmall)[3] != (wide.Word{}) {
		t.Error("it is still there")
	}
}

func TestAPartyThatWasAwayRebuildsItsShare(t *testing.T) {
	w := newWorld(t, 4, 4, tfhe.Test(), keygen.PRSS)
	w.from = sharing.PartiesOf(1, 2, 4)
	w.start()
	w.finish()
	w.check(8)
	opened, err := w.first().OpenedSecrets()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range w.from.List() {
		again, err := w.attempts[i].OpenedSecrets()
		if err != nil || keygen.OpenedDigest(keyID, again) != keygen.OpenedDigest(keyID, opened) {
			t.Fatalf("party %d opened other values, %v", i, err)
		}
	}
	if keygen.OpenedDigest(mpc.Hash("another key"), opened) == keygen.OpenedDigest(keyID, opened) {
		t.Error("the digest is not of the key")
	}
	share, err := keygen.RebuildShare(w.sources[3], w.parameters, keyID, opened)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range w.parameters.Secrets() {
		vectors := make([][]uint64, 5)
		for _, i := range w.from.List() {
			vectors[i] = w.attempts[i].Share().Part(s)
		}
		vectors[3] = share.Part(s)
		values := make([]uint64, len(vectors[3]))
		if off := w.code.OpenAll(values, 1, sharing.AllParties(4), vectors, 64); off >= 0 {
			t.Errorf("%v: coefficient %d is another's", s, off)
		}
	}
	if _, err := keygen.RebuildShare(w.sources[3], w.parameters, keyID, opened[1:]); err == nil {
		t.Error("values of another length")
	}
	fresh := newWorld(t, 4, 4, tfhe.Test(), keygen.PRSS)
	fresh.start()
	if _, err := fresh.first().OpenedSecrets(); !errors.Is(err, keygen.ErrStep) {
		t.Error(err)
	}
}

func FuzzKeyShare(f *testing.F) {
	raw, err := someShare(f, tfhe.Test(), 4, 4).MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add(raw[:60])
	f.Fuzz(func(t *testing.T, raw []byte) {
		k, err := keygen.UnmarshalKeyShare(raw)
		if err != nil {
			if !errors.Is(err, keygen.ErrEncoding) {
				t.Fatal(err)
			}
			return
		}
		again, err := k.MarshalBinary()
		if err != nil || !bytes.Equal(raw, again) {
			t.Fatal("another encoding")
		}
	})
}
