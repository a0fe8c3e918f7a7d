package noise_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/enclave/tfhe/noise"
	"github.com/tkms-network/tkms/testutil/clientkey"
)

type memory []byte

func (m memory) WriteAt(b []byte, at int64) (int, error) { return copy(m[at:], b), nil }

func TestTheNoiseOfAKeySetIsMeasured(t *testing.T) {
	coins, seed := rand.NewChaCha8([32]byte{4}), [16]byte{5}
	p := tfhe.Test()
	client, err := clientkey.Generate(coins, p)
	if err != nil {
		t.Fatal(err)
	}
	layout, err := p.Layout(tfhe.ObjectXofKeySet, seed)
	if err != nil {
		t.Fatal(err)
	}
	file := make(memory, layout.Size())
	if err := clientkey.WriteKeySet(coins, client, seed, tfhe.ObjectXofKeySet, file); err != nil {
		t.Fatal(err)
	}
	keys, err := tfhe.OpenKeySet(bytes.NewReader(file), layout.Size(), p)
	if err != nil {
		t.Fatal(err)
	}
	// A dealer's noise is exact in all components, as that of one party is.
	dealt, err := noise.New(p, noise.Exact, 1)
	if err != nil {
		t.Fatal(err)
	}
	summed, err := noise.New(p, noise.PRSS, 4)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range p.Parts() {
		rows, err := clientkey.NewRows(client, seed, part.Component)
		if err != nil {
			t.Fatal(err)
		}
		var s noise.Statistics
		for row := range min(part.Rows(), 400) {
			samples, err := rows.Noise(keys, row)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range samples {
				s.Add(float64(e))
			}
		}
		if err := dealt.Measured(part.Component, &s); err != nil {
			t.Error(err)
		}
		if err := summed.Measured(part.Component, &s); !errors.Is(err, noise.ErrMeasured) {
			t.Errorf("%v: exact noise passes for a sum of four: %v", part.Component, err)
		}
	}
}
