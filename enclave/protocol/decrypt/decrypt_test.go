package decrypt_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/sharing"
)

const dimension = 2048

var (
	production = preproc.Production()
	chained    = preproc.Shape{K: production.K, W: production.W, Chain: true}
	session    = mpc.Hash("decrypt test")
)

func TestDecryptionGivesTheTopBits(t *testing.T) {
	for _, n := range []int{1, 4, 7} {
		for _, shape := range []preproc.Shape{
			production, {K: 19, W: 5}, {K: 12, W: 3}, {K: 7, W: 5}, {K: 7, W: 1}, {K: 24, W: 5},
			chained, {K: 19, W: 5, Chain: true}, {K: 12, W: 3, Chain: true}, {K: 7, W: 3, Chain: true},
		} {
			t.Run(fmt.Sprintf("n=%d,K=%d,W=%d,chain=%v", n, shape.K, shape.W, shape.Chain), func(t *testing.T) {
				dim := dimension
				if shape.K < 17 {
					dim = 4 // the switch's error is (dim+1)/2 units, of 2^(K−W−1)
				}
				if shape.Low() <= 2 {
					dim = 1
				}
				w := newWorld(t, n, dim, shape)
				for seed := range uint64(3) {
					want := w.messages(33)
					stock := w.stock(t, len(want))
					noise := uint64(1) << (62 - shape.W)
					if dim == 1 {
						noise = 0
					}
					machines, got := w.start(t, w.encrypt(want, noise), stock)
					network := mpctest.Network{Seed: seed, InOrder: seed == 0}
					if err := mpctest.FirstError(network.Run(machines, n)); err != nil {
						t.Fatal(err)
					}
					for i := 1; i <= n; i++ {
						if !slices.Equal(got[i].Values(), want) || got[i].Culprits() != 0 {
							t.Fatalf("party %d: %v, not %v; culprits %v", i, got[i].Values(), want, got[i].Culprits())
						}
					}
					if n > 1 && (network.Rounds != shape.Rounds()+1 || got[1].Rounds() != shape.Rounds()) { // the last is of roots
						t.Errorf("%d online rounds", network.Rounds)
					}
					if n == 1 && network.Messages != 0 {
						t.Error("a single party sends messages")
					}
				}
			})
		}
	}
}

func TestDecryptionWorksOverTheRingOfDegree5(t *testing.T) {
	for _, shape := range []preproc.Shape{production, chained, {K: 24, W: 5}} {
		w := newWorldOver(t, 4, 5, 64, shape)
		want := w.messages(9)
		machines, got := w.start(t, w.encrypt(want, 1<<56), w.stock(t, len(want)))
		network := mpctest.Network{Tap: func(e mpctest.Envelope) []mpctest.Envelope {
			if e.From == 1 {
				e.Payload[1] ^= 2
			}
			return only(e)
		}}
		if err := mpctest.FirstError(network.Run(machines, 4)); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got[3].Values(), want) || got[3].Culprits() != sharing.PartiesOf(1) {
			t.Fatalf("%v, not %v; culprits %v", got[3].Values(), want, got[3].Culprits())
		}
	}
}

func TestNoiseUpToHalfTheBoundDecryptsWhateverTheMaskIs(t *testing.T) {
	// The switch's error aligned by an adversary: every coefficient lies just under
	// half a unit above a multiple, where the secret is 1.
	w := newWorld(t, 4, dimension, production)
	half := uint64(1)<<(63-17) - 1
	data := make([]uint64, 0, 2*(dimension+1))
	for _, sign := range []uint64{1, ^uint64(0)} {
		body := uint64(9)<<59 + sign*(1<<57-1)
		for _, s := range w.secret {
			a := -sign * half * s
			data = append(data, a)
			body += a * s
		}
		data = append(data, body)
	}
	blocks, _ := decrypt.NewLWEs(dimension, data)
	machines, got := w.start(t, blocks, w.stock(t, 2))
	var network mpctest.Network
	if err := mpctest.FirstError(network.Run(machines, 4)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got[1].Values(), []uint64{9, 9}) {
		t.Fatal(got[1].Values())
	}
}

func TestTheMaskedPhasesOfOneBlockAreUniform(t *testing.T) {
	const count = 1 << 12
	w := newWorld(t, 4, 4, production)
	one := w.encrypt([]uint64{3}, 0)
	machines, _ := w.start(t, repeated{one, count}, w.stock(t, count))
	vectors := make([][]uint64, 5)
	network := mpctest.Network{Tap: func(e mpctest.Envelope) []mpctest.Envelope {
		if e.Round == 0 && vectors[e.From] == nil {
			vectors[e.From] = make([]uint64, 4*count)
			if err := ring.Unpack(vectors[e.From], e.Payload, production.K); err != nil {
				t.Fatal(err)
			}
		}
		return only(e)
	}}
	if err := mpctest.FirstError(network.Run(machines, 4)); err != nil {
		t.Fatal(err)
	}
	values, c := make([]uint64, 4*count), make([]uint64, count)
	if w.code.OpenAll(values, 1, sharing.AllParties(4), vectors, production.K) >= 0 || w.code.Integers(c, values) >= 0 {
		t.Fatal("no sharing of integers")
	}
	for _, shift := range []uint{0, 5, production.K - 4} { // low, middle and top bits
		var buckets [16]int
		for _, x := range c {
			buckets[x>>shift&15]++
		}
		for v, got := range buckets {
			if d := float64(got) - count/16; d*d > 25*count/16 {
				t.Errorf("bits %d…: %d comes %d times of %d", shift, v, got, count)
			}
		}
	}
}

// repeated is the first block of others, many times.
type repeated struct {
	*decrypt.LWEs
	count int
}

func (r repeated) Len() int                       { return r.count }
func (r repeated) View(int) ([]byte, int, uint64) { return r.LWEs.View(0) }

func TestABlockMayTakeItsItemFromAnyBatch(t *testing.T) {
	w := newWorld(t, 4, dimension, production)
	want := w.messages(7)
	first, second := w.stock(t, 9), w.stock(t, 2)
	stock := make([][]*preproc.Batch, 5)
	for i := 1; i <= 4; i++ {
		cut, err := first[i][0].Cut(3, 5)
		if err != nil {
			t.Fatal(err)
		}
		stock[i] = []*preproc.Batch{second[i][0], cut}
	}
	machines, got := w.start(t, w.encrypt(want, 1<<56), stock)
	var network mpctest.Network
	if err := mpctest.FirstError(network.Run(machines, 4)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got[2].Values(), want) {
		t.Fatal(got[2].Values())
	}
	if slices.Max(second[1][0].Bits(0)) != 0 {
		t.Error("used items are not erased")
	}
}

func TestConfigurationsThatDoNotFitAreRefused(t *testing.T) {
	w, other := newWorld(t, 4, 64, production), newWorld(t, 7, 64, production)
	blocks, stock := w.encrypt(w.messages(2), 0), w.stock(t, 2)
	long, _ := decrypt.NewLWEs(65, make([]uint64, 2*66))
	empty, _ := decrypt.NewLWEs(64, nil)
	small, one := newWorld(t, 4, 64, preproc.Shape{K: 12, W: 5}), w.encrypt(w.messages(1), 0)
	good := w.config(t, 1, blocks, stock[1])
	for name, change := range map[string]func(*decrypt.Config){
		"no blocks":       func(c *decrypt.Config) { c.Phases = nil },
		"no stock":        func(c *decrypt.Config) { c.Stock = nil },
		"too much stock":  func(c *decrypt.Config) { c.Stock = append(c.Stock[:1:1], stock[1]...) },
		"another's stock": func(c *decrypt.Config) { c.Stock = stock[2] },
		"other parties":   func(c *decrypt.Config) { c.Code = other.code },
		"other shape":     func(c *decrypt.Config) { c.Phases = small.phases(t, 1, small.encrypt(small.messages(2), 0)) },
		"two shapes": func(c *decrypt.Config) {
			c.Phases = append(w.phases(t, 1, one), small.phases(t, 1, small.encrypt(small.messages(1), 0))...)
		},
		"no identity":      func(c *decrypt.Config) { c.Identity = nil },
		"another identity": func(c *decrypt.Config) { c.Identity = w.identities[2] },
	} {
		c := good
		change(&c)
		if _, err := decrypt.New(c); !errors.Is(err, decrypt.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := decrypt.New(good); err != nil {
		t.Error(err)
	}
	// The same stock once more, for the same blocks or others.
	if _, err := decrypt.New(good); !errors.Is(err, preproc.ErrSpent) {
		t.Error(err)
	}
	erased := w.stock(t, 2)[1]
	erased[0].Zero()
	good.Stock = erased
	for _, blocks := range []decrypt.Blocks{long, empty} {
		if _, err := w.keys[1].Phases(blocks); !errors.Is(err, decrypt.ErrConfig) {
			t.Error(err)
		}
	}
	if _, err := decrypt.New(good); !errors.Is(err, preproc.ErrSpent) {
		t.Error(err)
	}
	whole := w.stock(t, 4)[1][0]
	first, _ := whole.Range()
	for from, want := range map[uint64]error{first: decrypt.ErrConfig, first + 1: decrypt.ErrConfig, first + 2: nil} {
		a, _ := whole.Cut(first, 2)
		b, _ := whole.Cut(from, 2)
		good.Phases, good.Stock = w.phases(t, 1, w.encrypt(w.messages(4), 0)), []*preproc.Batch{b, a}
		if _, err := decrypt.New(good); !errors.Is(err, want) {
			t.Errorf("items from %d: %v", from-first, err)
		}
	}
	for _, share := range [][]uint64{nil, make([]uint64, 5), make([]uint64, 4*(decrypt.MaxDimension+1))} {
		if _, err := decrypt.NewKey(w.code, production, share); !errors.Is(err, decrypt.ErrDimension) {
			t.Errorf("%d words: %v", len(share), err)
		}
	}
	if _, err := decrypt.NewLWEs(64, make([]uint64, 66)); !errors.Is(err, decrypt.ErrDimension) {
		t.Error(err)
	}
}

func TestSecretsDoNotShowThemselves(t *testing.T) {
	w := newWorld(t, 4, 64, production)
	_, m := w.start(t, w.encrypt(w.messages(1), 0), w.stock(t, 1))
	for _, v := range []any{w.keys[1], m[1], w.phases(t, 1, w.encrypt(w.messages(1), 0))[0]} {
		if s := fmt.Sprintf("%v %+v %#v", v, v, v); len(s) > 200 || strings.Count(s, "redacted") != 3 {
			t.Error(s)
		}
	}
}

func FuzzReceive(f *testing.F) {
	w := newWorld(f, 4, 4, preproc.Shape{K: 6, W: 3})
	blocks := w.encrypt(w.messages(2), 0)
	stock := w.stock(f, 2)
	raw := make([][]byte, 5)
	for i := 1; i <= 4; i++ {
		raw[i], _ = stock[i][0].MarshalBinary()
	}
	f.Add(2, uint16(0), []byte{1, 2, 3, 4, 5, 6})
	f.Add(3, uint16(3), []byte{1, 2, 3})
	kept := mpctest.Sources(f, 4, 4, 3, purpose)
	f.Fuzz(func(t *testing.T, from int, round uint16, payload []byte) {
		if w.keep = nil; from&1 == 1 {
			w.keep = kept
		}
		b, err := preproc.UnmarshalBatch(raw[1])
		if err != nil {
			t.Fatal(err)
		}
		m, err := decrypt.New(w.config(t, 1, blocks, []*preproc.Batch{b}))
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
