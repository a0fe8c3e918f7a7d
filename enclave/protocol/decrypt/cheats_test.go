package decrypt_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/testutil/dealer"
)

// cheat is a way to misbehave in one round (or in all, if it is negative).
type cheat struct {
	name string
	tap  func(mpctest.Envelope) []mpctest.Envelope
	// named reports whether every honest party names the cheat.
	named bool
}

func only(e mpctest.Envelope) []mpctest.Envelope { return []mpctest.Envelope{e} }

func cheats(replay map[string][]byte) []cheat {
	alter := func(f func(*mpctest.Envelope)) func(mpctest.Envelope) []mpctest.Envelope {
		return func(e mpctest.Envelope) []mpctest.Envelope { f(&e); return only(e) }
	}
	return []cheat{
		{"wrong share", alter(func(e *mpctest.Envelope) { e.Payload[0] ^= 1 }), true},
		{"wrong last share", alter(func(e *mpctest.Envelope) { e.Payload[len(e.Payload)-2] ^= 0x10 }), true},
		{"silent", func(mpctest.Envelope) []mpctest.Envelope { return nil }, false},
		{"garbage", alter(func(e *mpctest.Envelope) { e.Payload = []byte("garbage") }), true},
		{"empty", alter(func(e *mpctest.Envelope) { e.Payload = nil }), true},
		{"zeros", alter(func(e *mpctest.Envelope) { clear(e.Payload) }), true},
		{"another session's", alter(func(e *mpctest.Envelope) {
			e.Payload = bytes.Clone(replay[fmt.Sprint(e.From, e.Round)])
		}), true},
		{"good to odd, bad to even", alter(func(e *mpctest.Envelope) {
			if e.To%2 == 0 {
				e.Payload[0] ^= 1
			}
		}), false},
		{"twice", func(e mpctest.Envelope) []mpctest.Envelope { return []mpctest.Envelope{e, e} }, false},
	}
}

func TestOnlineCheatsDoNotChangeTheResultAndAreNamed(t *testing.T) {
	for _, n := range []int{4, 7} {
		w := newWorld(t, n, 64, production)
		replay := map[string][]byte{}
		machines, _ := w.start(t, w.encrypt(w.messages(5), 1<<56), w.stock(t, 5))
		record := mpctest.Network{Tap: func(e mpctest.Envelope) []mpctest.Envelope {
			replay[fmt.Sprint(e.From, e.Round)] = bytes.Clone(e.Payload)
			return only(e)
		}}
		if err := mpctest.FirstError(record.Run(machines, n)); err != nil {
			t.Fatal(err)
		}
		// Offline material for all runs at once: signatures would take most of the time.
		stock, runs := w.stock(t, 5*2*len(cheats(nil))*7), uint64(0)
		first, _ := stock[1][0].Range()
		cut := func() [][]*preproc.Batch {
			out := make([][]*preproc.Batch, n+1)
			for i := 1; i <= n; i++ {
				b, err := stock[i][0].Cut(first+5*runs, 5)
				if err != nil {
					t.Fatal(err)
				}
				out[i] = []*preproc.Batch{b}
			}
			runs++
			return out
		}
		// One cheat, and t at once: the first parties, so that they are in every fast path.
		for _, evil := range []sharing.Parties{sharing.PartiesOf(2), sharing.AllParties(w.code.T())} {
			for _, c := range cheats(replay) {
				for round := -1; round < 6; round++ {
					want := w.messages(5)
					machines, got := w.start(t, w.encrypt(want, 1<<56), cut())
					network := mpctest.Network{Seed: uint64(round + 1), Tap: func(e mpctest.Envelope) []mpctest.Envelope {
						if evil.Has(e.From) && (round < 0 || int(e.Round) == round) {
							return c.tap(e)
						}
						return only(e)
					}}
					if err := mpctest.FirstError(network.Run(machines, n)); err != nil {
						t.Fatalf("n=%d %s in round %d: %v", n, c.name, round, err)
					}
					for i := 1; i <= n; i++ {
						if evil.Has(i) {
							continue
						}
						if !slices.Equal(got[i].Values(), want) {
							t.Fatalf("n=%d %s by %v in round %d: party %d got %v, not %v", n, c.name, evil, round, i, got[i].Values(), want)
						}
						named := got[i].Culprits()
						if c.named && named != evil || !c.named && named.Without(evil) != 0 {
							t.Errorf("n=%d %s by %v in round %d: party %d names %v", n, c.name, evil, round, i, named)
						}
					}
				}
			}
		}
	}
}

func TestALateHonestPartyIsNotNamedAndALateLiarIs(t *testing.T) {
	for _, n := range []int{4, 7} {
		w := newWorld(t, n, 64, production)
		for _, lie := range []bool{false, true} {
			want := w.messages(5)
			machines, got := w.start(t, w.encrypt(want, 1<<56), w.stock(t, 5))
			network := mpctest.Network{
				Late: func(e mpctest.Envelope) bool { return e.From == n },
				Tap: func(e mpctest.Envelope) []mpctest.Envelope {
					if lie && e.From == n && e.Round == 2 {
						e.Payload[1] ^= 1
					}
					return only(e)
				}}
			if err := mpctest.FirstError(network.Run(machines, n)); err != nil {
				t.Fatal(err)
			}
			for i := 1; i < n; i++ {
				if !slices.Equal(got[i].Values(), want) || got[i].Culprits().Has(n) != lie {
					t.Fatalf("n=%d: party %d names %v", n, i, got[i].Culprits())
				}
			}
		}
	}
}

func TestMoreThanTUncoordinatedFaultsGiveNoAnswer(t *testing.T) {
	for _, n := range []int{4, 7} {
		w := newWorld(t, n, 64, production)
		machines, got := w.start(t, w.encrypt(w.messages(5), 1<<56), w.stock(t, 5))
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

func TestKeyShareOfAnotherKeyIsNoticed(t *testing.T) {
	w := newWorld(t, 4, 64, production)
	blocks, stock := w.encrypt(w.messages(2), 0), w.stock(t, 2)
	stranger := newWorld(t, 4, 64, production)
	shares, _ := dealer.Deal(rand.NewChaCha8([32]byte{2}), 4, 1, 4, stranger.secret)
	w.keys[3], _ = decrypt.NewKey(w.code, production, shares[2])
	machines, got := w.start(t, blocks, stock)
	network := mpctest.Network{Seed: 4}
	if err := mpctest.FirstError(network.Run(machines, 4)); err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 4; i++ { // party 3 too learns that its share is damaged
		if !got[i].Done() || got[i].Culprits() != sharing.PartiesOf(3) {
			t.Errorf("party %d: done=%v, names %v", i, got[i].Done(), got[i].Culprits())
		}
	}
}

func TestAKeyThatIsNoIntegerIsNoticed(t *testing.T) {
	w := newWorld(t, 4, 64, production)
	shares, err := dealer.Deal(rand.NewChaCha8([32]byte{2}), 4, 1, 4, w.secret)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range shares { // everybody's share of s + Y
		for j := 1; j < len(s); j += 4 {
			s[j]++
		}
		if w.keys[i+1], err = decrypt.NewKey(w.code, production, s); err != nil {
			t.Fatal(err)
		}
	}
	machines, got := w.start(t, w.encrypt(w.messages(2), 0), w.stock(t, 2))
	var network mpctest.Network
	errs := network.Run(machines, 4)
	for i := 1; i <= 4; i++ {
		if !errors.Is(errs[i], decrypt.ErrInconsistent) || got[i].Done() {
			t.Errorf("party %d: done=%v, %v", i, got[i].Done(), errs[i])
		}
	}
}
