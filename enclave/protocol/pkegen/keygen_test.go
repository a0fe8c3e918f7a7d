package keygen_test

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/pkegen"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
)

var (
	session        = mpc.Hash("keygen test")
	openingSession = mpc.Hash("keygen test opening")
	keyID          = mpc.Hash("key")
	tiny           = keygen.Parameters{Dimensions: [3]int{64, 48, 10}, NoiseBound: 17}
)

func expand(seed [keygen.SeedSize]byte, n int) ([]uint64, error) {
	g := rand.NewChaCha8(sha256.Sum256(seed[:]))
	out := make([]uint64, n)
	for i := range out {
		out[i] = g.Uint64()
	}
	return out, nil
}

type world struct {
	n          int
	code       *sharing.Code
	keys       []*prss.Keys
	sources    []*prss.Source
	identities []*mpc.Identity
}

func newWorld(t testing.TB, n int) *world {
	w := &world{n: n, keys: mpctest.Keys(t, n, 5), sources: mpctest.Sources(t, n, 4, 5, session), identities: mpctest.Identities(t, n)}
	w.code = w.sources[1].Code()
	return w
}

func (w *world) config(i int) preproc.Config {
	return preproc.Config{Source: w.sources[i], Session: session, From: sharing.AllParties(w.n), Identity: w.identities[i]}
}

// run delivers all messages between machines made by make.
func run[M mpc.Machine](t testing.TB, w *world, network *mpctest.Network, start func(i int) (M, error)) []M {
	t.Helper()
	machines, out := map[int]mpc.Machine{}, make([]M, w.n+1)
	for i := 1; i <= w.n; i++ {
		m, err := start(i)
		if err != nil {
			t.Fatal(err)
		}
		machines[i], out[i] = m, m
	}
	if err := mpctest.FirstError(network.Run(machines, w.n)); err != nil {
		t.Fatal(err)
	}
	return out
}

func (w *world) generate(t testing.TB, p keygen.Parameters) []*preproc.Machine {
	return run(t, w, &mpctest.Network{}, func(i int) (*preproc.Machine, error) { return keygen.NewGeneration(w.config(i), p) })
}

func (w *world) opening(t testing.TB, p keygen.Parameters, network *mpctest.Network) []*keygen.Opening {
	stageA := w.generate(t, p)
	return run(t, w, network, func(i int) (*keygen.Opening, error) {
		return keygen.NewOpening(keygen.OpeningConfig{
			Parameters: p, Session: openingSession, Generation: stageA[i], Posted: stageA[1].Echo(), KeyID: keyID, Expand: expand,
		})
	})
}

// reveal opens one secret of a key. Only tests may.
func reveal(t testing.TB, code *sharing.Code, part func(i int) []uint64) []uint64 {
	t.Helper()
	vectors := make([][]uint64, code.N()+1)
	for i := 1; i <= code.N(); i++ {
		vectors[i] = part(i)
	}
	values := make([]uint64, len(vectors[1]))
	integers := make([]uint64, len(values)/code.Degree())
	if i := code.OpenAll(values, code.T(), sharing.AllParties(code.N()), vectors, 64); i >= 0 {
		t.Fatalf("coefficient %d is not on a polynomial of degree t", i)
	}
	if i := code.Integers(integers, values); i >= 0 {
		t.Fatalf("coefficient %d is no integer", i)
	}
	return integers
}

// noiseOf returns b − a·rev(s) mod X^N+1, by schoolbook.
func noiseOf(seed [keygen.SeedSize]byte, body, s []uint64) []int64 {
	n := len(s)
	a, _ := expand(seed, n)
	e := slices.Clone(body)
	for i, x := range a {
		for j := range n {
			r := s[n-1-j]
			if i+j < n {
				e[i+j] -= x * r
			} else {
				e[i+j-n] += x * r
			}
		}
	}
	out := make([]int64, n)
	for i := range e {
		out[i] = int64(e[i])
	}
	return out
}

// checkTUniform tests samples against TUniform(b): support, mean, variance and the
// frequencies of 16 equal intervals, each within 5 standard deviations.
func checkTUniform(samples []int64, b uint) error {
	n, top := float64(len(samples)), int64(1)<<b
	var sum, squares float64
	var buckets [16]int
	for _, e := range samples {
		if e < -top || e > top {
			return fmt.Errorf("%d is outside ±2^%d", e, b)
		}
		sum += float64(e)
		squares += float64(e) * float64(e)
		buckets[min((e+top)*16/(2*top), 15)]++
	}
	// The variance is (2^(2b+1)+1)/6; that of e², for a wide uniform, 4/45·2^(4b).
	variance := (math.Exp2(float64(2*b+1)) + 1) / 6
	if math.Abs(sum/n) > 5*math.Sqrt(variance/n) {
		return fmt.Errorf("mean %g", sum/n)
	}
	if math.Abs(squares/n-variance) > 5*math.Sqrt(4./45)*math.Exp2(float64(2*b))/math.Sqrt(n) {
		return fmt.Errorf("variance %g, not %g", squares/n, variance)
	}
	for i, c := range buckets {
		if math.Abs(float64(c)-n/16) > 5*math.Sqrt(n/16) {
			return fmt.Errorf("%d of %g samples in interval %d", c, n, i)
		}
	}
	return nil
}

func TestTheGeneratedKeyIsAKey(t *testing.T) {
	for _, n := range mpc.SupportedParties {
		p := tiny
		if n == 4 {
			p = keygen.Production()
		}
		w := newWorld(t, n)
		network := mpctest.Network{InOrder: true}
		got := w.opening(t, p, &network)
		if n > 1 && network.Rounds != keygen.OpeningRounds+1 { // the last has the roots
			t.Errorf("%d rounds", network.Rounds)
		}
		for i := 1; i <= n; i++ {
			if !got[i].Done() || got[i].Culprits() != 0 || got[i].Seed() != got[1].Seed() || !slices.Equal(got[i].Body(), got[1].Body()) {
				t.Fatalf("n=%d: party %d disagrees", n, i)
			}
		}
		for s, dimension := range p.Dimensions {
			bits := reveal(t, w.code, func(i int) []uint64 { return got[i].Share().Part(keygen.Secret(s)) })
			ones := 0
			for _, b := range bits {
				if b > 1 {
					t.Fatalf("n=%d: coefficient %d of %v", n, b, keygen.Secret(s))
				}
				ones += int(b)
			}
			if len(bits) != dimension || math.Abs(float64(2*ones-dimension)) > 5*math.Sqrt(float64(dimension)) {
				t.Errorf("n=%d: %d ones in %d coefficients", n, ones, len(bits))
			}
			if keygen.Secret(s) != keygen.PublicKey {
				continue
			}
			noise := noiseOf(got[1].Seed(), got[1].Body(), bits)
			for _, e := range noise {
				if e < -1<<p.NoiseBound || e > 1<<p.NoiseBound {
					t.Fatalf("n=%d: noise %d", n, e)
				}
			}
			if n != 4 {
				continue
			}
			if err := checkTUniform(noise, p.NoiseBound); err != nil {
				t.Error(err)
			}
			if checkTUniform(make([]int64, dimension), p.NoiseBound) == nil || checkTUniform(noise, p.NoiseBound+1) == nil {
				t.Error("the check takes a key without noise, or of other noise, for a good one")
			}
		}
	}
}

func TestNoiseIsExactlyTUniform(t *testing.T) {
	const bound, count = 1, 1 << 14
	w := newWorld(t, 4)
	machines := run(t, w, &mpctest.Network{}, func(i int) (*preproc.Machine, error) {
		c := w.config(i)
		c.Sections = keygen.NoiseSections("test", bound, 0, count)
		return preproc.New(c)
	})
	samples := reveal(t, w.code, func(i int) []uint64 {
		e, err := keygen.Noise(w.code, bound, machines[i].Material())
		if err != nil {
			t.Fatal(err)
		}
		return e
	})
	got := map[int64]int{}
	for _, e := range samples {
		got[int64(e)]++
	}
	for e, p := range map[int64]float64{-2: 1. / 8, -1: 1. / 4, 0: 1. / 4, 1: 1. / 4, 2: 1. / 8} {
		if math.Abs(float64(got[e])-p*count) > 5*math.Sqrt(p*(1-p)*count) {
			t.Errorf("%d comes %d times, not %g", e, got[e], p*count)
		}
		delete(got, e)
	}
	if len(got) != 0 {
		t.Errorf("outside the support: %v", got)
	}
	if _, err := keygen.Noise(w.code, bound+1, machines[1].Material()); !errors.Is(err, keygen.ErrMaterial) {
		t.Error(err)
	}
}

func TestAUint8UnderTheGeneratedKeyDecrypts(t *testing.T) {
	shape := preproc.Shape{K: 17, W: 5}
	for _, n := range []int{4, 7} {
		w := newWorld(t, n)
		p := keygen.Parameters{Dimensions: [3]int{16, 2048, 16}, NoiseBound: 17}
		got := w.opening(t, p, &mpctest.Network{})
		noise := run(t, w, &mpctest.Network{}, func(i int) (*preproc.Machine, error) {
			c := w.config(i)
			c.Sections = keygen.NoiseSections("check", 17, 0, 4)
			return preproc.New(c)
		})
		const value = 0xb7
		mask, _ := expand([16]byte{1}, 4*2048)
		messages := make([]uint64, 4)
		for i := range messages {
			messages[i] = value >> (2 * i) & 3 << 59
		}
		ciphertexts := run(t, w, &mpctest.Network{}, func(i int) (*keygen.Encryption, error) {
			e, err := keygen.Noise(w.code, 17, noise[i].Material())
			if err != nil {
				return nil, err
			}
			return keygen.NewEncryption(keygen.EncryptionConfig{
				Code: w.code, Session: mpc.Hash("encryption"), Identity: w.identities[i], Key: got[i].Share().Part(keygen.Compute),
				Mask: mask, Messages: messages, Noise: e,
			})
		})
		stock := run(t, w, &mpctest.Network{}, func(i int) (*preproc.Machine, error) { return preproc.NewBatch(w.config(i), shape, 0, 4) })
		results := run(t, w, &mpctest.Network{}, func(i int) (*decrypt.Machine, error) {
			blocks, err := decrypt.NewLWEs(2048, ciphertexts[i].LWEs())
			if err != nil {
				return nil, err
			}
			key, err := decrypt.NewKey(w.code, shape, got[i].Share().Part(keygen.Compute))
			if err != nil {
				return nil, err
			}
			batch, err := preproc.FromMachine(stock[i], shape)
			if err != nil {
				return nil, err
			}
			phases, err := key.Phases(blocks)
			if err != nil {
				return nil, err
			}
			return decrypt.New(decrypt.Config{
				Code: w.code, Self: i, Session: mpc.Hash("decryption"), Identity: w.identities[i], Phases: []*decrypt.Phases{phases}, Stock: []*preproc.Batch{batch},
			})
		})
		for i := 1; i <= n; i++ {
			x := uint64(0)
			for j, v := range results[i].Values() {
				x += v << (2 * j)
			}
			if x != value {
				t.Errorf("n=%d: party %d decrypts %#x", n, i, x)
			}
		}
	}
}

func TestAnOpeningThatIsNoIntegerIsNoticed(t *testing.T) {
	w := newWorld(t, 4)
	stageA := w.generate(t, tiny)
	machines := map[int]mpc.Machine{}
	for i := 1; i <= 4; i++ {
		key := slices.Clone(stageA[i].Material()[keygen.Compute].Bits)
		key[1]++ // everybody's share of s + Y
		c := keygen.EncryptionConfig{
			Code: w.code, Session: openingSession, Identity: w.identities[i], Key: key,
			Mask: slices.Repeat([]uint64{1}, 48), Messages: []uint64{0}, Noise: make([]uint64, 4),
		}
		m, err := keygen.NewEncryption(c)
		if err != nil {
			t.Fatal(err)
		}
		machines[i] = m
		c.Mask = c.Mask[1:]
		if _, err := keygen.NewEncryption(c); !errors.Is(err, keygen.ErrMaterial) {
			t.Error(err)
		}
	}
	var network mpctest.Network
	for i, err := range network.Run(machines, 4) {
		if !errors.Is(err, keygen.ErrInconsistent) || machines[i].Done() {
			t.Errorf("party %d: %v", i, err)
		}
	}
}

func TestNothingIsOpenedWithoutTheDigestOnTheChain(t *testing.T) {
	w := newWorld(t, 4)
	stageA := w.generate(t, tiny)
	c := keygen.OpeningConfig{
		Parameters: tiny, Session: openingSession, Generation: stageA[1], Posted: mpc.Hash("other"), KeyID: keyID, Expand: expand,
	}
	if _, err := keygen.NewOpening(c); !errors.Is(err, keygen.ErrDigest) {
		t.Error(err)
	}
	fresh, err := keygen.NewGeneration(w.config(1), tiny)
	if err != nil {
		t.Fatal(err)
	}
	c.Generation, c.Posted = fresh, fresh.Echo()
	if _, err := keygen.NewOpening(c); !errors.Is(err, keygen.ErrMaterial) {
		t.Error(err)
	}
	c.Generation, c.Posted = stageA[1], stageA[1].Echo()
	c.Parameters.NoiseBound++
	if _, err := keygen.NewOpening(c); !errors.Is(err, keygen.ErrMaterial) {
		t.Error(err)
	}
}

func TestRandomnessOfAnotherContextIsRefused(t *testing.T) {
	w := newWorld(t, 4)
	c := w.config(1)
	c.Session = mpc.Hash("attempt 2")
	if _, err := keygen.NewGeneration(c, tiny); !errors.Is(err, keygen.ErrMaterial) {
		t.Error(err)
	}
}

func FuzzOpeningReceive(f *testing.F) {
	w := newWorld(f, 4)
	p := keygen.Parameters{Dimensions: [3]int{16, 1, 1}, NoiseBound: 1}
	stageA := w.generate(f, p)
	f.Add(2, uint16(0), binary.LittleEndian.AppendUint64(nil, 5))
	f.Add(3, uint16(1), w.signedRoot(transcript.Layout{Degree: 4, Runs: []transcript.Run{{K: 64, Count: 1}}}, 3, mpc.Hash("root")))
	f.Fuzz(func(t *testing.T, from int, round uint16, payload []byte) {
		m, err := keygen.NewEncryption(keygen.EncryptionConfig{
			Code: w.code, Session: openingSession, Identity: w.identities[1], Key: stageA[1].Material()[1].Bits,
			Mask: []uint64{1}, Messages: []uint64{0}, Noise: make([]uint64, 4),
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Receive(from, round, payload); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Start(); err != nil || m.Done() {
			t.Fatal(err)
		}
	})
}

func BenchmarkKeyGeneration(b *testing.B) {
	for _, n := range []int{4, 7} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			w := newWorld(b, n)
			for b.Loop() {
				w.opening(b, keygen.Production(), &mpctest.Network{InOrder: true})
			}
		})
	}
}
