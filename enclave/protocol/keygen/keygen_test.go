package keygen_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/tfhe"
)

// termsOf is the number of TUniform samples in the noise of a component.
func (w *world) termsOf(q tfhe.Part) int {
	if q.Width == 64 && w.mode == keygen.Exact {
		return 1
	}
	terms := 1
	for i := range w.code.T() { // C(n, t)
		terms = terms * (w.n - i) / (i + 1)
	}
	return terms
}

// check tests the key of all parties: their shares, and rows rows of each component.
func (w *world) check(rows int) {
	w.t.Helper()
	secrets := map[tfhe.Secret][]uint64{}
	for _, s := range w.parameters.Secrets() {
		secrets[s] = w.secret(s)
		ones := 0
		for i, x := range secrets[s] {
			if x > 1 {
				w.t.Fatalf("coefficient %d of %v is %d", i, s, x)
			}
			ones += int(x)
		}
		if n := len(secrets[s]); (2*ones-n)*(2*ones-n) > 36*n {
			w.t.Errorf("%d ones in %d coefficients of %v", ones, n, s)
		}
	}
	first := w.from.List()[0]
	for _, i := range w.from.List() {
		if !w.attempts[i].Complete() || w.attempts[i].Seed() != w.first().Seed() {
			w.t.Fatalf("party %d disagrees", i)
		}
		for c, b := range w.memories[first].bodies {
			if !bytes.Equal(b, w.memories[i].bodies[c]) {
				w.t.Fatalf("party %d has another %v", i, c)
			}
		}
	}
	for _, q := range w.parameters.Parts() {
		if err := checkNoise(w.noiseOf(q, rows, secrets), uint(q.Noise), w.termsOf(q)); err != nil {
			w.t.Errorf("%v: %v", q.Component, err)
		}
	}
}

func TestTheGeneratedKeySetIsAKeySet(t *testing.T) {
	for _, c := range []struct {
		n, d int
		mode keygen.Mode
	}{{1, 4, keygen.Exact}, {4, 4, keygen.Exact}, {4, 5, keygen.PRSS}, {7, 4, keygen.PRSS}, {10, 4, keygen.PRSS}} {
		t.Run(fmt.Sprintf("n=%d d=%d %v", c.n, c.d, c.mode), func(t *testing.T) {
			w := generate(t, c.n, c.d, tfhe.Test(), c.mode)
			rows := 64
			if c.n == 4 {
				rows = 1 << 20
			}
			w.check(rows)
			for _, o := range []tfhe.Object{tfhe.ObjectXofKeySet, tfhe.ObjectServerKey} {
				if w.keySet(1, o).Seed() != w.first().Seed() {
					t.Errorf("%v has another seed", o)
				}
			}
		})
	}
}

func TestExactNoiseIsExactForAllNumbersOfParties(t *testing.T) {
	for _, c := range []struct{ n, d int }{{4, 5}, {7, 4}, {10, 4}} {
		t.Run(fmt.Sprintf("n=%d d=%d", c.n, c.d), func(t *testing.T) {
			w := generate(t, c.n, c.d, tfhe.ProductionPKE(), keygen.Exact)
			w.check(1)
		})
	}
}

func TestStepsTakeTheRoundsAndBytesThatTheyMust(t *testing.T) {
	w := newWorld(t, 4, 4, tfhe.Test(), keygen.PRSS)
	w.stepBytes = 1 << 20
	networks := map[int]*mpctest.Network{}
	w.network = func(step int) *mpctest.Network {
		networks[step] = &mpctest.Network{InOrder: true}
		return networks[step]
	}
	w.start()
	w.finish()
	for step, s := range w.first().Steps() {
		m, err := w.first().Machine(step)
		if err != nil {
			t.Fatal(err)
		}
		layout, shares := m.Layout(), 0
		for run := range layout.Runs {
			shares += layout.Bytes(run)
		}
		rounds, rest := len(layout.Runs)+1, 200 // a root
		if s.Offline {
			rounds, rest = preproc.Rounds, 1000 // a signature, an ECHO
		}
		if got := networks[step].Rounds; got != rounds {
			t.Errorf("%s takes %d rounds, not %d", s.Name, got, rounds)
		}
		if sent := networks[step].Bytes[1]; sent < 3*shares || sent > 3*(shares+rest) {
			t.Errorf("%s sends %d bytes for shares of %d", s.Name, sent, shares)
		}
		if shares > 1<<20 {
			t.Errorf("%s sends %d bytes to everybody", s.Name, shares)
		}
	}
}

func TestASmallerSetHasOnlyWhatItNeeds(t *testing.T) {
	w := generate(t, 4, 4, tfhe.ProductionPKE(), keygen.Exact)
	w.check(1)
	for _, s := range w.first().Steps() {
		if s.Stage == keygen.StageProducts || s.Stage == keygen.StageFactors {
			t.Errorf("a step %s", s.Name)
		}
	}
	if len(w.memories[1].bodies) != 1 {
		t.Errorf("%d components", len(w.memories[1].bodies))
	}
}

func TestSessionsOfStepsAndModesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, mode := range []keygen.Mode{keygen.Exact, keygen.PRSS} {
		for step := range 30 {
			seen[keygen.Protocol(mode, step)] = true
		}
	}
	if len(seen) != 60 {
		t.Errorf("%d names", len(seen))
	}
}
