package noise

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/tkms-network/tkms/enclave/tfhe"
)

// draw measures noise of so many TUniform(b) summed.
func draw(t *testing.T, random *rand.ChaCha8, b tfhe.Noise, sets, count int) *Statistics {
	t.Helper()
	s := new(Statistics)
	for range count {
		e, err := tfhe.SampleNoise(random, b, sets)
		if err != nil {
			t.Fatal(err)
		}
		var sum int64
		for _, x := range e {
			sum += int64(x)
		}
		s.Add(float64(sum))
	}
	return s
}

func TestMeasuredKeysAreComparedWithTheModel(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	p := tfhe.Production()
	exact, prss := model(t, p, Exact, 7), model(t, p, PRSS, 7)
	const sets = 21
	one, sum := draw(t, random, p.LWENoise, 1, 20000), draw(t, random, p.LWENoise, sets, 20000)
	shifted, few, large := *one, draw(t, random, p.LWENoise, 1, 99), *one
	shifted.Add(1 << 52)
	large.Add(1<<45 + 1)
	shifted.most = 0
	for _, c := range []struct {
		name string
		m    *Model
		s    *Statistics
		ok   bool
	}{
		{"exact", exact, one, true},
		{"sums", prss, sum, true},
		{"sums instead of exact", exact, sum, false},
		{"exact instead of sums", prss, one, false},
		{"a mean that is off", exact, &shifted, false},
		{"too few samples", exact, few, false},
		{"one sample beyond the bound", exact, &large, false},
	} {
		err := c.m.Measured(tfhe.ComponentKeySwitch, c.s)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, ErrMeasured) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := exact.Measured(tfhe.ComponentSquashing, draw(t, random, p.Squashing.Noise, sets, 5000)); err != nil {
		t.Error("the squashing key's noise is summed always:", err)
	}
	without := model(t, tfhe.ProductionPKE(), Exact, 4)
	if err := without.Measured(tfhe.ComponentKeySwitch, one); !errors.Is(err, ErrMeasured) {
		t.Error("a component that the set has not:", err)
	}
}

func TestStatisticsOfPartsAreThoseOfTheWhole(t *testing.T) {
	var whole, a, b Statistics
	for i := range 10 {
		x := float64(i*i) - 20
		whole.Add(x)
		if i < 4 {
			a.Add(x)
		} else {
			b.Add(x)
		}
	}
	a.Merge(b)
	if a != whole || whole.Count() != 10 || whole.Most() != 61 || whole.Mean() != 8.5 || whole.Variance() != 793.3 {
		t.Errorf("%+v, want %+v", a, whole)
	}
	if err := new(Statistics).Compare("nothing", 1); !errors.Is(err, ErrMeasured) {
		t.Error(err)
	}
}
