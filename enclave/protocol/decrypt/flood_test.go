package decrypt_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
)

func TestFloodingGivesTheValuesInOneRound(t *testing.T) {
	for _, c := range []struct{ n, d int }{{1, 4}, {4, 4}, {4, 5}, {7, 4}, {10, 4}, {13, 4}} {
		t.Run(fmt.Sprintf("n=%d,d=%d", c.n, c.d), func(t *testing.T) {
			w := newFloodWorld(t, c.n, c.d, 48)
			for seed, counts := range [][]int{{16}, {1}, {5, 1, 8}} {
				var want []uint64
				var blocks []decrypt.WideBlocks
				for i, count := range counts {
					values := w.messages(count)
					want = append(want, values...)
					blocks = append(blocks, w.encryptWide(values, []int{48, 12, 24}[i], loudest))
				}
				machines, got := w.startFlooding(t, blocks...)
				network := mpctest.Network{Seed: uint64(seed), InOrder: seed == 0}
				if err := mpctest.FirstError(network.Run(machines, c.n)); err != nil {
					t.Fatal(err)
				}
				for i := 1; i <= c.n; i++ {
					if !got[i].Done() || !slices.Equal(got[i].Values(), want) || got[i].Culprits() != 0 {
						t.Fatalf("party %d: %v, not %v; culprits %v", i, got[i].Values(), want, got[i].Culprits())
					}
					got[i].Release()
				}
				if c.n > 1 && (network.Rounds != 2 || got[1].Rounds() != 1) { // the last is of roots
					t.Errorf("%d rounds", network.Rounds)
				}
				if c.n == 1 && network.Messages+got[1].Rounds() != 0 {
					t.Error("a single party sends messages")
				}
			}
		})
	}
}

// The other way to decrypt blocks mod 2^128 takes offline items, and opens nothing but
// the values.
func TestSwitchedWideBlocksDecryptLikeFloodedOnes(t *testing.T) {
	for _, n := range []int{1, 4, 7, 10} {
		w := newFloodWorld(t, n, 4, 96)
		w.flooded = false
		want := w.messages(9)
		blocks := w.encryptWide(want, 32, loudest)
		stock := w.stock(t, len(want))
		machines, got := map[int]mpc.Machine{}, make([]*decrypt.Machine, n+1)
		for i := 1; i <= n; i++ {
			p, err := w.shared[i].WidePhases(blocks)
			if err != nil {
				t.Fatal(err)
			}
			if got[i], err = decrypt.New(w.configOf(i, []*decrypt.Phases{p}, stock[i])); err != nil {
				t.Fatal(err)
			}
			machines[i] = got[i]
		}
		var network mpctest.Network
		if err := mpctest.FirstError(network.Run(machines, n)); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got[n].Values(), want) {
			t.Errorf("n=%d: %v, not %v", n, got[n].Values(), want)
		}
	}
}

func TestFloodingCheatsDoNotChangeTheResultAndAreNamed(t *testing.T) {
	for _, n := range []int{4, 7} {
		w := newFloodWorld(t, n, 4, 8)
		replay := map[string][]byte{}
		machines, _ := w.startFlooding(t, w.encryptWide(w.messages(5), 8, loudest))
		record := mpctest.Network{Tap: func(e mpctest.Envelope) []mpctest.Envelope {
			replay[fmt.Sprint(e.From, e.Round)] = bytes.Clone(e.Payload)
			return only(e)
		}}
		if err := mpctest.FirstError(record.Run(machines, n)); err != nil {
			t.Fatal(err)
		}
		// What every coordinate's upper and lower half says is signed.
		table := append(cheats(w.world, replay), cheat{name: "wrong upper half, signed", signed: true, named: true, convicted: true, tap: func(e mpctest.Envelope) []mpctest.Envelope {
			e.Payload[15] ^= 0x80
			return only(e)
		}})
		for _, evil := range []sharing.Parties{sharing.PartiesOf(2), sharing.AllParties(w.code.T())} {
			for _, c := range table {
				what := fmt.Sprintf("%s by %v of %d", c.name, evil, n)
				want := w.messages(5)
				machines, got := w.startFlooding(t, w.encryptWide(want, 8, loudest))
				network := mpctest.Network{Seed: 1, Tap: w.liars(c, evil, -1)}
				if err := mpctest.FirstError(network.Run(machines, n)); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				for _, i := range sharing.AllParties(n).Without(evil).List() {
					if !slices.Equal(got[i].Values(), want) {
						t.Fatalf("%s: party %d got %v, not %v", what, i, got[i].Values(), want)
					}
					w.checkVerdict(t, what, c, evil, i, got[i])
				}
			}
		}
	}
}

func TestMoreThanTFaultsGiveNoFloodedAnswer(t *testing.T) {
	for _, n := range []int{4, 7} {
		w := newFloodWorld(t, n, 4, 8)
		machines, got := w.startFlooding(t, w.encryptWide(w.messages(5), 8, loudest))
		network := mpctest.Network{Tap: func(e mpctest.Envelope) []mpctest.Envelope {
			if e.From <= w.code.T()+1 {
				e.Payload[0] ^= byte(e.From)
			}
			return only(e)
		}}
		if err := mpctest.FirstError(network.Run(machines, n)); err != nil {
			t.Fatal(err)
		}
		for i := w.code.T() + 2; i <= n; i++ {
			if got[i].Done() || got[i].Values() != nil {
				t.Fatalf("n=%d: party %d has an answer", n, i)
			}
		}
	}
}

func TestALateFloodingLiarIsConvicted(t *testing.T) {
	for _, lies := range []bool{false, true} {
		w := newFloodWorld(t, 4, 4, 8)
		lie := cheat{signed: true}
		if lies {
			lie.tap = func(e mpctest.Envelope) []mpctest.Envelope {
				e.Payload[0] ^= 1
				return only(e)
			}
		}
		want := w.messages(5)
		machines, got := w.startFlooding(t, w.encryptWide(want, 8, loudest))
		network := mpctest.Network{Tap: w.liars(lie, sharing.PartiesOf(4), 0), Late: func(e mpctest.Envelope) bool { return e.From == 4 }}
		if err := mpctest.FirstError(network.Run(machines, 4)); err != nil {
			t.Fatal(err)
		}
		for i := 1; i < 4; i++ {
			named, convicted := got[i].Culprits(), w.judged(t, got[i])
			if !slices.Equal(got[i].Values(), want) || named.Has(4) != lies || convicted != named {
				t.Errorf("party %d names %v and convicts %v", i, named, convicted)
			}
		}
	}
}

// noises returns what was opened less the values, of count blocks without noise of
// their own, and what party 1 sent.
func (w *floodWorld) noises(t *testing.T, blocks *wideLWEs, want []uint64) ([]*big.Int, []byte) {
	t.Helper()
	vectors := make([][]wide.Word, w.n+1)
	var sent []byte
	machines, _ := w.startFlooding(t, blocks)
	network := mpctest.Network{Tap: func(e mpctest.Envelope) []mpctest.Envelope {
		if e.Round == 0 && vectors[e.From] == nil {
			vectors[e.From] = make([]wide.Word, len(e.Payload)/wide.Size)
			if err := wide.Unpack(vectors[e.From], e.Payload, 128); err != nil {
				t.Fatal(err)
			}
			if e.From == 1 {
				sent = bytes.Clone(e.Payload)
			}
		}
		return only(e)
	}}
	if err := mpctest.FirstError(network.Run(machines, w.n)); err != nil {
		t.Fatal(err)
	}
	opened := make([]wide.Word, len(vectors[1]))
	if w.code.OpenAllWide(opened, w.code.T(), sharing.AllParties(w.n), vectors, 128) >= 0 {
		t.Fatal("no sharing")
	}
	var out []*big.Int
	for i, v := range want {
		x := opened[i].Sub(wide.Word{Lo: v}.Shl(123))
		n := new(big.Int).SetUint64(x.Hi)
		n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(x.Lo))
		if n.Bit(127) == 1 {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), 128))
		}
		out = append(out, n)
	}
	return out, sent
}

func TestWhatFloodsIsTheSumOfTwoDrawsOfEverySet(t *testing.T) {
	const count = 1 << 12
	for _, n := range []int{4, 7} {
		w := newFloodWorld(t, n, 4, 4)
		want := w.messages(count)
		got, _ := w.noises(t, w.encryptWide(want, 4, wide.Word{}), want)
		terms := float64(2 * binomial(n, w.code.T()))
		var mean, square float64
		for _, x := range got {
			f, _ := new(big.Float).SetInt(x).Float64()
			f /= math.Exp2(110)
			if math.Abs(f) > terms {
				t.Fatalf("n=%d: a noise of %v·2^110", n, f)
			}
			mean, square = mean+f/count, square+f*f/count
		}
		deviation := math.Sqrt(terms / 3) // uniform in ±1: variance 1/3
		if math.Abs(mean) > 5*deviation/math.Sqrt(count) || math.Abs(square/(terms/3)-1) > 5*math.Sqrt(2.0/count) {
			t.Errorf("n=%d: mean %v, variance %v, want 0 and %v", n, mean, square, terms/3)
		}
	}
}

func binomial(n, k int) int64 { return new(big.Int).Binomial(int64(n), int64(k)).Int64() }

// A party that runs a session again sends the same, one that runs another something
// unlike it.
func TestWhatFloodsBelongsToTheContext(t *testing.T) {
	w := newFloodWorld(t, 4, 4, 4)
	want := w.messages(8)
	blocks := w.encryptWide(want, 4, loudest)
	first, sent := w.noises(t, blocks, want)
	if _, again := w.noises(t, blocks, want); !bytes.Equal(sent, again) {
		t.Error("a session that is run again sends something else")
	}
	w.floodFor(t, mpc.Hash("another request"))
	other, sent2 := w.noises(t, blocks, want)
	if bytes.Equal(sent, sent2) {
		t.Error("two contexts flood with the same")
	}
	for i := range first {
		if first[i].Cmp(other[i]) == 0 {
			t.Errorf("block %d is flooded with the same in two contexts", i)
		}
		for j := range i {
			if first[i].Cmp(first[j]) == 0 {
				t.Errorf("blocks %d and %d are flooded with the same", i, j)
			}
		}
	}
}

func TestFloodingIsRefusedWhereItWouldChangeValues(t *testing.T) {
	for _, c := range []struct {
		n, t int
		w    uint
		want bool
	}{
		{1, 0, 5, true}, {4, 1, 5, true}, {7, 2, 5, true}, {10, 3, 5, true}, {13, 4, 5, true},
		{16, 5, 5, false}, {16, 5, 3, true}, {4, 1, 13, true}, {4, 1, 14, false}, {4, 1, 127, false}, {4, 1, 200, false},
	} {
		if got := decrypt.Floods(c.n, c.t, c.w); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	code, err := sharing.New(16, 5, 5)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decrypt.NewFloodKey(code, 5, make([]wide.Word, 5)); !errors.Is(err, decrypt.ErrFlood) {
		t.Error(err)
	}
	code, _ = sharing.New(4, 1, 4)
	for _, share := range [][]wide.Word{nil, make([]wide.Word, 5), make([]wide.Word, 4*(decrypt.MaxDimension+1))} {
		if _, err := decrypt.NewFloodKey(code, 5, share); !errors.Is(err, decrypt.ErrDimension) {
			t.Errorf("%d words: %v", len(share), err)
		}
	}
	if _, err := decrypt.NewFloodKey(code, 0, make([]wide.Word, 4)); !errors.Is(err, decrypt.ErrDimension) {
		t.Error(err)
	}
}

func TestFloodingConfigurationsThatDoNotFitAreRefused(t *testing.T) {
	w, other := newFloodWorld(t, 4, 4, 8), newFloodWorld(t, 7, 4, 8)
	blocks := w.encryptWide(w.messages(2), 8, wide.Word{})
	good := w.floodConfig(t, 1, blocks)
	narrow, err := decrypt.NewFloodKey(w.code, 3, make([]wide.Word, 4*8))
	if err != nil {
		t.Fatal(err)
	}
	less, err := narrow.Phases(blocks)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*decrypt.FloodConfig){
		"no blocks":        func(c *decrypt.FloodConfig) { c.Phases = nil },
		"other parties":    func(c *decrypt.FloodConfig) { c.Code = other.code },
		"other values":     func(c *decrypt.FloodConfig) { c.Phases = []*decrypt.FloodPhases{c.Phases[0], less} },
		"no identity":      func(c *decrypt.FloodConfig) { c.Identity = nil },
		"another identity": func(c *decrypt.FloodConfig) { c.Identity = w.identities[2] },
		"no source":        func(c *decrypt.FloodConfig) { c.Source = nil },
		"another's source": func(c *decrypt.FloodConfig) { c.Source = w.sources[2] },
		"others' source":   func(c *decrypt.FloodConfig) { c.Source = other.sources[1] },
	} {
		c := good
		change(&c)
		if _, err := decrypt.NewFlooding(c); !errors.Is(err, decrypt.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, bad := range []*wideLWEs{
		{dimension: 8, size: 8}, {dimension: 9, size: 9, words: [][]byte{make([]byte, 9*16)}, bodies: make([]wide.Word, 1)},
		{dimension: 8, size: 3, words: blocks.words, bodies: blocks.bodies}, {dimension: 8, size: 8, words: [][]byte{nil}, bodies: make([]wide.Word, 1)},
	} {
		if _, err := w.floodKeys[1].Phases(bad); !errors.Is(err, decrypt.ErrConfig) {
			t.Error(err)
		}
	}
	m, err := decrypt.NewFlooding(good)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{w.floodKeys[1], m, good.Phases[0]} {
		if s := fmt.Sprintf("%v %+v %#v", v, v, v); len(s) > 200 || strings.Count(s, "redacted") != 3 {
			t.Error(s)
		}
	}
	m.Release()
	if out, err := m.Receive(2, 0, make([]byte, 64)); out != nil || err != nil || m.Done() {
		t.Error("a session that was released goes on")
	}
}

// Where an element has room for more than the phases in it, what is opened there is
// noise only.
func TestAFloodedKeyThatIsNoIntegerIsNoticed(t *testing.T) {
	w := newFloodWorld(t, 4, 4, 8)
	share := make([]wide.Word, 4*8)
	for i := range share {
		share[i].Lo = uint64(i)
	}
	for i := range w.floodKeys[1:] { // everybody's: a constant polynomial
		var err error
		if w.floodKeys[i+1], err = decrypt.NewFloodKey(w.code, squashed.W, share); err != nil {
			t.Fatal(err)
		}
	}
	machines, got := w.startFlooding(t, w.encryptWide(w.messages(1), 8, wide.Word{}))
	var network mpctest.Network
	errs := network.Run(machines, 4)
	for i := 1; i <= 4; i++ {
		if !errors.Is(errs[i], decrypt.ErrInconsistent) || got[i].Done() {
			t.Errorf("party %d: done=%v, %v", i, got[i].Done(), errs[i])
		}
	}
}

func FuzzFloodingReceive(f *testing.F) {
	w := newFloodWorld(f, 4, 4, 4)
	blocks := w.encryptWide(w.messages(2), 4, wide.Word{})
	f.Add(2, uint16(0), make([]byte, 64))
	f.Add(3, uint16(1), []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, from int, round uint16, payload []byte) {
		m, err := decrypt.NewFlooding(w.floodConfig(t, 1, blocks))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Receive(from, round, bytes.Clone(payload)); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Start(); err != nil || m.Done() {
			t.Fatal(err)
		}
		if _, err := m.Receive(from, round, payload); err != nil || m.Done() {
			t.Fatal(err)
		}
	})
}
