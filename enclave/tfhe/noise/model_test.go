package noise

import (
	"errors"
	"math"
	"testing"

	"github.com/tkms-network/tkms/enclave/tfhe"
)

func model(t *testing.T, p tfhe.Parameters, mode Mode, parties int) *Model {
	t.Helper()
	m, err := New(p, mode, parties)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: %.4f, want %.4f", what, got, want)
	}
}

func failure(t *testing.T, m *Model, o Operation) float64 {
	t.Helper()
	variance, limit, ok := m.Variance(o)
	if !ok {
		t.Fatalf("the set does not do %v", o)
	}
	return log2Tail(limit, variance)
}

func TestExactNoiseFailsAsOftenAsTFHErsPublishes(t *testing.T) {
	m := model(t, tfhe.Production(), Exact, 4)
	near(t, "bootstrap", failure(t, m, Bootstrap), -129.581, 0.001)
	near(t, "after decompression", failure(t, m, DecompressedBootstrap), -129.275, 0.001)
	worst, log2 := m.Failure()
	if worst != DecompressedBootstrap {
		t.Errorf("the worst is %v at 2^%.3f", worst, log2)
	}
	_, log2 = model(t, tfhe.ProductionCompute(), Exact, 4).Failure()
	near(t, "production-compute", log2, tfhe.ProductionCompute().Log2FailureProbability, 0.001)
}

func TestTheNoiseOfCiphertextsIsWhatWasMeasured(t *testing.T) {
	// Of a key set that TFHE-rs 1.7.0 generated itself, noise exact.
	m := model(t, tfhe.Production(), Exact, 1)
	log2 := func(variance float64) float64 { return math.Log2(variance) / 2 }
	near(t, "fresh", log2(m.Fresh()), 21.7, 0.1)
	near(t, "after the key switch", log2(m.Switched(tfhe.ComponentCasting, 1, m.Fresh())), 53, 0.1)
	near(t, "bootstrapped by TFHE-rs", log2(m.Bootstrapped(tfhe.ComponentBootstrap, false)), 49.2, 0.2)
	near(t, "squashed exactly", log2(m.Bootstrapped(tfhe.ComponentSquashing, true)), 64.4, 0.1)
	near(t, "squashed and packed", log2(m.Squashed()), 64.6, 0.2)
}

func TestSummedNoiseCostsFailureProbability(t *testing.T) {
	bsk := tfhe.ProductionCompute()
	for _, c := range []struct {
		parties   int
		bootstrap float64 // of prss noise in the bootstrapping key alone
		both      float64
	}{{1, -129.581, -129.581}, {4, -127.13, -88.79}, {7, -114.83, -33.10}} {
		exact, prss := model(t, bsk, Exact, c.parties), model(t, bsk, PRSS, c.parties)
		shape := exact.shape(tfhe.ComponentBootstrap)
		level := float64(bsk.MaxNoiseLevel)
		sum := level * level * (shape.bootstrap(prss.variance(tfhe.ComponentBootstrap)) + shape.transform())
		limit := math.Ldexp(1, 58)
		near(t, "bootstrapping key", log2Tail(limit, exact.blindRotation(tfhe.ComponentKeySwitch, sum)), c.bootstrap, 0.01)
		near(t, "both keys", failure(t, prss, Bootstrap), c.both, 0.01)
	}
	// In the key-switching key alone, at four parties.
	exact, prss := model(t, bsk, Exact, 4), model(t, bsk, PRSS, 4)
	in := 25 * exact.Bootstrapped(tfhe.ComponentBootstrap, false)
	near(t, "key-switching key", log2Tail(math.Ldexp(1, 58), prss.blindRotation(tfhe.ComponentKeySwitch, in)), -89.96, 0.01)
}

func TestSquashedNoiseGrowsWithTheNumberOfSets(t *testing.T) {
	for parties, want := range map[int]float64{1: 64.36, 4: 64.79, 7: 65.70, 10: 66.89, 13: 68.16} {
		m := model(t, tfhe.Production(), Exact, parties)
		near(t, "squashed", math.Log2(m.Bootstrapped(tfhe.ComponentSquashing, true))/2, want, 0.01)
	}
}

func TestAKeyThatFailsTooOftenIsRefused(t *testing.T) {
	for _, c := range []struct {
		parameters tfhe.Parameters
		mode       Mode
		parties    int
		want       error
	}{
		{tfhe.Production(), Exact, 1, nil},
		{tfhe.Production(), Exact, 4, nil},
		{tfhe.Production(), Exact, 10, nil},
		{tfhe.Production(), Exact, 13, ErrSquashed},
		{tfhe.Production(), PRSS, 1, nil},
		{tfhe.Production(), PRSS, 4, ErrFailure},
		{tfhe.ProductionCompute(), Exact, 13, nil},
		{tfhe.ProductionCompute(), PRSS, 4, ErrFailure},
		{tfhe.ProductionPKE(), PRSS, 10, nil},
		{tfhe.Test(), Exact, 10, nil},
		{tfhe.Test(), PRSS, 4, nil},
		{tfhe.Test(), PRSS, 7, ErrFailure},
	} {
		err := model(t, c.parameters, c.mode, c.parties).Check()
		if !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s %s by %d: %v, want %v", c.parameters.Name, c.mode, c.parties, err, c.want)
		}
	}
	var failed *FailureError
	err := model(t, tfhe.ProductionCompute(), PRSS, 4).Check()
	if !errors.As(err, &failed) || failed.Operation != Bootstrap || math.Abs(failed.Log2+88.79) > 0.01 {
		t.Errorf("the error does not name the number: %v", err)
	}
}

func TestModesAndCommitteesThatDoNotExistAreRefused(t *testing.T) {
	if _, err := New(tfhe.Test(), "none", 4); !errors.Is(err, ErrMode) {
		t.Error(err)
	}
	for _, parties := range []int{0, -1, 32} {
		if _, err := New(tfhe.Test(), Exact, parties); !errors.Is(err, ErrParties) {
			t.Error(parties, err)
		}
	}
}
