package evaluate_test

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/enclave/tfhe/evaluate"
	"github.com/tkms-network/tkms/testutil/clientkey"
)

const vectors = "../testdata/rs/test/"

func vector(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(vectors + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The client key and the ciphertexts are of TFHE-rs 1.7.0 itself; the key set is made
// for that client key.
func TestCiphertextsOfTheRustLibraryAreComputedOn(t *testing.T) {
	w := &world{t: t, p: tfhe.Test(), coins: rand.NewChaCha8([32]byte{8})}
	var err error
	if w.client, err = tfhe.UnmarshalClientKey(vector(t, "client_key.bin"), w.p); err != nil {
		t.Fatal(err)
	}
	layout, err := w.p.Layout(tfhe.ObjectXofKeySet, [16]byte{9})
	if err != nil {
		t.Fatal(err)
	}
	w.file = make(memory, layout.Size())
	if err := clientkey.WriteKeySet(w.coins, w.client, [16]byte{9}, tfhe.ObjectXofKeySet, w.file); err != nil {
		t.Fatal(err)
	}
	w.open(evaluate.Environment{})
	var meta []struct {
		File, Object string
		Values       [][2]string
	}
	if err := json.Unmarshal(vector(t, "meta.json"), &meta); err != nil {
		t.Fatal(err)
	}
	for _, m := range meta {
		got := w.compute(m.Object, vector(t, m.File))
		if len(got) != 0 && len(got) != len(m.Values) {
			t.Errorf("%s: %d values", m.File, len(got))
			continue
		}
		for i, v := range got {
			want, err := strconv.ParseUint(m.Values[i][1], 10, 64)
			if err != nil || v.Type.String() != m.Values[i][0] {
				t.Errorf("%s value %d is %v: %v", m.File, i, v.Type, err)
				continue
			}
			w.expect(w.uint(v), want, nil)
			squashed, err := w.Squash(v)
			if err != nil {
				t.Fatal(err)
			}
			data, err := w.EncodeSquashed(squashed[0])
			w.expect(w.decode(v.Type, data, err), want, nil)
		}
	}
}

// compute returns values under the compute key of a TFHE-rs object, none of one that
// nothing can be computed on.
func (w *world) compute(object string, data []byte) []evaluate.Value {
	w.t.Helper()
	if object == "high_level_api::CompactCiphertextList" {
		list, err := tfhe.UnmarshalCompactCiphertextList(data, w.p)
		if err != nil {
			w.t.Fatal(err)
		}
		values, err := w.Expand(list)
		if err != nil {
			w.t.Fatal(err)
		}
		return values
	}
	all, err := tfhe.DecodeAny(data, w.p)
	if err != nil {
		w.t.Fatal(err)
	}
	var values []evaluate.Value
	for _, c := range all {
		var v evaluate.Value
		switch c.Key() {
		case tfhe.ComputeKey:
			v, err = w.Read(c)
		case tfhe.CompressionKey:
			v, err = w.Decompress(c)
		default:
			return nil
		}
		if err != nil {
			w.t.Fatal(err)
		}
		values = append(values, v)
	}
	return values
}
