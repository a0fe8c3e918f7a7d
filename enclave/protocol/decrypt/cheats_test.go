package decrypt_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/merkle"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/testutil/dealer"
)

// cheat is a way to misbehave in one round (or in all, if it is negative).
type cheat struct {
	name string
	// tap alters what a cheat sends to be opened, root its signed root.
	tap, root func(mpctest.Envelope) []mpctest.Envelope
	// signed says that it signs for each receiver what it sent to that one.
	signed bool
	// named says that every honest party names it, convicted that every one has
	// evidence against it.
	named, convicted bool
}

func only(e mpctest.Envelope) []mpctest.Envelope { return []mpctest.Envelope{e} }

func cheats(w *world, replay map[string][]byte) []cheat {
	alter := func(f func(*mpctest.Envelope)) func(mpctest.Envelope) []mpctest.Envelope {
		return func(e mpctest.Envelope) []mpctest.Envelope { f(&e); return only(e) }
	}
	wrong := alter(func(e *mpctest.Envelope) { e.Payload[0] ^= 1 })
	toEven := alter(func(e *mpctest.Envelope) {
		if e.To%2 == 0 {
			e.Payload[0] ^= 1
		}
	})
	silent := func(mpctest.Envelope) []mpctest.Envelope { return nil }
	twice := func(e mpctest.Envelope) []mpctest.Envelope { return []mpctest.Envelope{e, e} }
	return []cheat{
		{name: "wrong share", tap: wrong, named: true},
		{name: "wrong share, signed", tap: wrong, signed: true, named: true, convicted: true},
		{name: "wrong last share, signed", tap: alter(func(e *mpctest.Envelope) { e.Payload[len(e.Payload)-2] ^= 0x10 }), signed: true, named: true, convicted: true},
		{name: "zeros, signed", tap: alter(func(e *mpctest.Envelope) { clear(e.Payload) }), signed: true, named: true, convicted: true},
		{name: "wrong share to even, and a root without a signature", tap: toEven, root: alter(func(e *mpctest.Envelope) {
			if e.To%2 == 0 {
				e.Payload[len(e.Payload)-1] ^= 1
			}
		}), signed: true},
		{name: "silent", tap: silent, root: silent},
		{name: "no root", root: silent},
		{name: "garbage", tap: alter(func(e *mpctest.Envelope) { e.Payload = []byte("garbage") }), named: true},
		{name: "empty", tap: alter(func(e *mpctest.Envelope) { e.Payload = nil }), named: true},
		{name: "another session's", tap: alter(func(e *mpctest.Envelope) {
			e.Payload = bytes.Clone(replay[fmt.Sprint(e.From, e.Round)])
		}), signed: true, named: true, convicted: true},
		{name: "good to odd, bad to even", tap: toEven},
		{name: "good to odd, bad to even, signed", tap: toEven, signed: true, named: true, convicted: true},
		{name: "twice", tap: twice, root: twice},
		{name: "twice, the second time wrong", tap: func(e mpctest.Envelope) []mpctest.Envelope {
			second := e
			second.Payload = bytes.Clone(e.Payload)
			second.Payload[0] ^= 1
			return []mpctest.Envelope{e, second}
		}}, // in another order it is the first that counts
		{name: "two roots", root: func(e mpctest.Envelope) []mpctest.Envelope {
			second := e
			second.Payload = w.sign(e.From, mpc.Hash("another root"))
			return []mpctest.Envelope{e, second}
		}, named: true, convicted: true},
		{name: "garbage for a root", root: alter(func(e *mpctest.Envelope) { e.Payload = e.Payload[1:] }), named: true},
		{name: "a root without a signature", root: alter(func(e *mpctest.Envelope) { e.Payload[len(e.Payload)-1] ^= 1 })},
		{name: "another's root, forged", root: func(e mpctest.Envelope) []mpctest.Envelope {
			forged := e
			forged.Payload = bytes.Clone(e.Payload)
			forged.Payload[0] = byte(w.n)
			return []mpctest.Envelope{forged, e}
		}},
	}
}

// sign is a party's message about a root.
func (w *world) sign(i int, root mpc.Digest) []byte {
	st := transcript.Statement{Session: session, Phase: transcript.PhaseOpenings, Layout: w.layout.Digest(), Party: i, Root: root}
	return append(append([]byte{byte(i)}, root[:]...), w.identities[i].Sign(st.Digest())...)
}

// liars taps the network so that the parties of evil cheat in a round.
func (w *world) liars(c cheat, evil sharing.Parties, round int) func(mpctest.Envelope) []mpctest.Envelope {
	sent := map[[2]int][][]byte{}
	return func(e mpctest.Envelope) []mpctest.Envelope {
		if !evil.Has(e.From) {
			return only(e)
		}
		out := only(e)
		if int(e.Round) == w.rounds() {
			if int(e.Payload[0]) != e.From {
				return out // what it tells of others
			}
			if c.signed {
				var leaves [][]byte
				for run, packed := range sent[[2]int{e.From, e.To}] {
					leaves = w.layout.AppendLeaves(leaves, run, packed)
				}
				e.Payload = w.sign(e.From, merkle.Root(leaves))
				out = only(e)
			}
			if c.root != nil {
				out = c.root(e)
			}
			return out
		}
		if c.tap != nil && (round < 0 || int(e.Round) == round) {
			out = c.tap(e)
		}
		if c.signed {
			to := [2]int{e.From, e.To}
			sent[to] = append(sent[to], bytes.Clone(out[0].Payload))
		}
		return out
	}
}

// accuser is a machine that names and convicts cheats.
type accuser interface {
	Culprits() sharing.Parties
	Evidence() ([]transcript.WrongOpening, []transcript.Equivocation)
}

// judged returns whom a party's evidence convicts, before anybody.
func (w *world) judged(t *testing.T, m accuser) sharing.Parties {
	t.Helper()
	var convicted sharing.Parties
	convict := func(culprit int, err error) {
		if err != nil {
			t.Fatal(err)
		}
		convicted = convicted.With(culprit)
	}
	openings, equivocations := m.Evidence()
	for _, e := range openings {
		raw, err := e.MarshalBinary()
		if err == nil {
			e, err = transcript.UnmarshalWrongOpening(raw)
		}
		if err != nil {
			t.Fatal(err)
		}
		convict(e.Verify(session, w.code, w.identities[1].Verify))
	}
	for _, e := range equivocations {
		convict(e.Verify(session, w.code, w.identities[1].Verify))
	}
	return convicted
}

func TestOnlineCheatsDoNotChangeTheResultAndAreNamed(t *testing.T) {
	for _, n := range []int{4, 7} {
		for _, shape := range []preproc.Shape{production, chained} {
			t.Run(fmt.Sprintf("n=%d,chain=%v", n, shape.Chain), func(t *testing.T) {
				attack(t, newWorld(t, n, 64, shape), func(got []*decrypt.Machine, honest sharing.Parties, want []uint64) string {
					for _, i := range honest.List() {
						if !slices.Equal(got[i].Values(), want) {
							return fmt.Sprintf("party %d got %v, not %v", i, got[i].Values(), want)
						}
					}
					return ""
				})
			})
		}
	}
}

// attack tries all cheats; right says what is wrong with what honest parties ended with.
func attack(t *testing.T, w *world, right func(got []*decrypt.Machine, honest sharing.Parties, want []uint64) string) {
	replay := map[string][]byte{}
	machines, _ := w.start(t, w.encrypt(w.messages(5), 1<<56), w.stock(t, 5))
	record := mpctest.Network{Tap: func(e mpctest.Envelope) []mpctest.Envelope {
		replay[fmt.Sprint(e.From, e.Round)] = bytes.Clone(e.Payload)
		return only(e)
	}}
	if err := mpctest.FirstError(record.Run(machines, w.n)); err != nil {
		t.Fatal(err)
	}
	table := cheats(w, replay)
	next := w.cuts(t, 5, 2*len(table)*(w.rounds()+1))
	// One cheat, and t at once: the first parties, so that they are in every fast path.
	for _, evil := range []sharing.Parties{sharing.PartiesOf(2), sharing.AllParties(w.code.T())} {
		for _, c := range table {
			for round := -1; round < w.rounds() && (round < 0 || c.tap != nil); round++ {
				what := fmt.Sprintf("%s by %v in round %d", c.name, evil, round)
				want := w.messages(5)
				machines, got := w.start(t, w.encrypt(want, 1<<56), next())
				network := mpctest.Network{Seed: uint64(round + 1), Tap: w.liars(c, evil, round)}
				if err := mpctest.FirstError(network.Run(machines, w.n)); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				honest := sharing.AllParties(w.n).Without(evil)
				if wrong := right(got, honest, want); wrong != "" {
					t.Fatalf("%s: %s", what, wrong)
				}
				for _, i := range honest.List() {
					w.checkVerdict(t, what, c, evil, i, got[i])
				}
			}
		}
	}
}

// checkVerdict checks that an honest party names the cheats, and convicts them if the
// cheat allows it.
func (w *world) checkVerdict(t *testing.T, what string, c cheat, evil sharing.Parties, i int, m accuser) {
	t.Helper()
	named, convicted := m.Culprits(), w.judged(t, m)
	if c.named && named != evil || (named|convicted|m.Culprits()).Without(evil) != 0 || convicted.Without(named) != 0 {
		t.Errorf("%s: party %d names %v and convicts %v", what, i, named, convicted)
	}
	if c.convicted && convicted != evil || !c.convicted && convicted != 0 {
		t.Errorf("%s: party %d convicts %v", what, i, convicted)
	}
}

// cuts makes the items of many runs at once, since signatures would take most of
// the time.
func (w *world) cuts(t *testing.T, items, runs int) func() [][]*preproc.Batch {
	stock := w.stock(t, items*runs)
	at, _ := stock[1][0].Range()
	return func() [][]*preproc.Batch {
		out := make([][]*preproc.Batch, w.n+1)
		for i := 1; i <= w.n; i++ {
			b, err := stock[i][0].Cut(at, items)
			if err != nil {
				t.Fatal(err)
			}
			out[i] = []*preproc.Batch{b}
		}
		at += uint64(items)
		return out
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

func TestTenAndThirteenPartiesDecryptDespiteALiar(t *testing.T) {
	for _, n := range []int{10, 13} {
		for _, shape := range []preproc.Shape{production, chained} {
			w := newWorld(t, n, 16, shape)
			next := w.cuts(t, 2, 2)
			lie := cheat{tap: func(e mpctest.Envelope) []mpctest.Envelope {
				e.Payload[0] ^= 1
				return only(e)
			}, signed: true}
			for _, evil := range []sharing.Parties{0, sharing.PartiesOf(n - 1)} {
				want := w.messages(2)
				machines, got := w.start(t, w.encrypt(want, 1<<56), next())
				network := mpctest.Network{Tap: w.liars(lie, evil, 1)}
				if err := mpctest.FirstError(network.Run(machines, n)); err != nil {
					t.Fatal(err)
				}
				for _, i := range sharing.AllParties(n).Without(evil).List() {
					if !slices.Equal(got[i].Values(), want) || got[i].Culprits() != evil {
						t.Fatalf("n=%d: party %d got %v and names %v", n, i, got[i].Values(), got[i].Culprits())
					}
				}
				if convicted := w.judged(t, got[1]); convicted != evil {
					t.Errorf("n=%d: %v are convicted, not %v", n, convicted, evil)
				}
			}
		}
	}
}

// Late, and no more than late: nobody is named. With a wrong share and too late for
// the result, the party is still named and convicted.
func TestALateLiarIsConvicted(t *testing.T) {
	for _, shape := range []preproc.Shape{production, chained} {
		w := newWorld(t, 4, 64, shape)
		for _, lies := range []bool{false, true} {
			lie := cheat{signed: true}
			if lies {
				lie.tap = func(e mpctest.Envelope) []mpctest.Envelope {
					e.Payload[0] ^= 1
					return only(e)
				}
			}
			want := w.messages(5)
			machines, got := w.start(t, w.encrypt(want, 1<<56), w.stock(t, 5))
			network := mpctest.Network{Tap: w.liars(lie, sharing.PartiesOf(4), 1), Late: func(e mpctest.Envelope) bool { return e.From == 4 }}
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
}

// A party whose own share is damaged learns it, and takes no part in evidence.
func TestADamagedPartyConvictsNobody(t *testing.T) {
	w := newWorld(t, 7, 64, production)
	blocks, stock := w.encrypt(w.messages(2), 0), w.stock(t, 2)
	shares, err := dealer.Deal(rand.NewChaCha8([32]byte{9}), 7, 2, 4, w.secret) // the same key, shared otherwise
	if err != nil {
		t.Fatal(err)
	}
	if w.keys[3], err = decrypt.NewKey(w.code, production, shares[2]); err != nil {
		t.Fatal(err)
	}
	machines, got := w.start(t, blocks, stock)
	var network mpctest.Network
	if err := mpctest.FirstError(network.Run(machines, 7)); err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 7; i++ {
		convicted := w.judged(t, got[i])
		if got[i].Culprits() != sharing.PartiesOf(3) || i != 3 && convicted != sharing.PartiesOf(3) || i == 3 && convicted != 0 {
			t.Errorf("party %d names %v and convicts %v", i, got[i].Culprits(), convicted)
		}
	}
}
