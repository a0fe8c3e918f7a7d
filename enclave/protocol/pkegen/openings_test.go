package keygen_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/merkle"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/protocol/pkegen"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// opening is what the openings of key generation have in common.
type opening interface {
	mpc.Machine
	Layout() transcript.Layout
	Culprits() sharing.Parties
	Evidence() ([]transcript.WrongOpening, []transcript.Equivocation)
}

// target is an opening to attack.
type target struct {
	// run runs it between all parties.
	run func(network *mpctest.Network) []opening
	// elsewhere runs it with other randomness in another session.
	elsewhere func(network *mpctest.Network)
	// right reports whether the result is that of honest parties.
	right func(opening) bool
}

// openingCheat is a way to misbehave in one round.
type openingCheat struct {
	name string
	// tap alters what a cheat sends to be opened, root its signed root.
	tap, root func(mpctest.Envelope) []mpctest.Envelope
	// signed says that it signs for each receiver what it sent to that one.
	signed bool
	late   bool
	// named says that every honest party names it, convicted that every one has
	// evidence against it. It is convicted only if so.
	named, convicted bool
}

func only(e mpctest.Envelope) []mpctest.Envelope { return []mpctest.Envelope{e} }

// place is where a party sends a message.
type place struct {
	from  int
	round uint16
}

func (w *world) openingCheats(layout transcript.Layout, elsewhere map[place][]byte) []openingCheat {
	alter := func(f func(*mpctest.Envelope)) func(mpctest.Envelope) []mpctest.Envelope {
		return func(e mpctest.Envelope) []mpctest.Envelope { f(&e); return only(e) }
	}
	wrong := alter(func(e *mpctest.Envelope) { e.Payload[3] ^= 1 })
	toEven := alter(func(e *mpctest.Envelope) { e.Payload[0] ^= byte(1 - e.To%2) })
	silent := func(mpctest.Envelope) []mpctest.Envelope { return nil }
	twice := func(e mpctest.Envelope) []mpctest.Envelope { return []mpctest.Envelope{e, e} }
	replay := alter(func(e *mpctest.Envelope) { e.Payload = bytes.Clone(elsewhere[place{e.From, e.Round}]) })
	return []openingCheat{
		{name: "wrong share", tap: wrong, named: true},
		{name: "wrong share, signed", tap: wrong, signed: true, named: true, convicted: true},
		{name: "wrong share, signed, late", tap: wrong, signed: true, late: true, named: true, convicted: true},
		{name: "wrong last share, signed", tap: alter(func(e *mpctest.Envelope) { e.Payload[len(e.Payload)-1] ^= 0x80 }), signed: true, named: true, convicted: true},
		{name: "zeros, signed", tap: alter(func(e *mpctest.Envelope) { clear(e.Payload) }), signed: true, named: true, convicted: true},
		{name: "silent", tap: silent, root: silent},
		{name: "no root", root: silent},
		{name: "wrong share, no root", tap: wrong, root: silent, named: true},
		{name: "late", late: true},
		{name: "garbage", tap: alter(func(e *mpctest.Envelope) { e.Payload = []byte("garbage") }), named: true},
		{name: "empty", tap: alter(func(e *mpctest.Envelope) { e.Payload = nil }), named: true},
		{name: "too long", tap: alter(func(e *mpctest.Envelope) { e.Payload = append(e.Payload, 0) }), named: true},
		{name: "of another session", tap: replay, root: replay, named: true},
		{name: "of another session, signed", tap: replay, signed: true, named: true, convicted: true},
		{name: "wrong to even", tap: toEven},
		{name: "wrong to even, signed", tap: toEven, signed: true, named: true, convicted: true},
		{name: "wrong to even, signed, late", tap: toEven, signed: true, late: true, named: true, convicted: true},
		{name: "twice", tap: twice, root: twice},
		{name: "two roots", root: func(e mpctest.Envelope) []mpctest.Envelope {
			second := e
			second.Payload = w.signedRoot(layout, e.From, mpc.Hash("another root"))
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

// signedRoot is a party's message about a root.
func (w *world) signedRoot(layout transcript.Layout, i int, root mpc.Digest) []byte {
	st := transcript.Statement{Session: openingSession, Phase: transcript.PhaseOpenings, Layout: layout.Digest(), Party: i, Root: root}
	return append(append([]byte{byte(i)}, root[:]...), w.identities[i].Sign(st.Digest())...)
}

// liars taps the network so that the parties of evil cheat in a round.
func (w *world) liars(layout transcript.Layout, c openingCheat, evil sharing.Parties, round uint16) func(mpctest.Envelope) []mpctest.Envelope {
	sent := map[[2]int][][]byte{}
	return func(e mpctest.Envelope) []mpctest.Envelope {
		to := [2]int{e.From, e.To}
		switch last := uint16(len(layout.Runs)); {
		case !evil.Has(e.From) || e.Round == last && int(e.Payload[0]) != e.From: // what it tells of others
			return only(e)
		case e.Round == last:
			if c.signed {
				var leaves [][]byte
				for run, packed := range sent[to] {
					leaves = layout.AppendLeaves(leaves, run, packed)
				}
				e.Payload = w.signedRoot(layout, e.From, merkle.Root(leaves))
			}
			if c.root != nil {
				return c.root(e)
			}
			return only(e)
		}
		out := only(e)
		if c.tap != nil && e.Round == round {
			out = c.tap(e)
		}
		if c.signed {
			sent[to] = append(sent[to], bytes.Clone(out[0].Payload))
		}
		return out
	}
}

// judged returns whom a party's evidence convicts, before anybody.
func (w *world) judged(t *testing.T, o opening) (convicted sharing.Parties) {
	t.Helper()
	convict := func(culprit int, err error) {
		if err != nil {
			t.Fatal(err)
		}
		convicted = convicted.With(culprit)
	}
	openings, equivocations := o.Evidence()
	for _, e := range openings {
		raw, err := e.MarshalBinary()
		if err == nil {
			e, err = transcript.UnmarshalWrongOpening(raw)
		}
		if err != nil {
			t.Fatal(err)
		}
		convict(e.Verify(openingSession, w.code, w.identities[1].Verify))
	}
	for _, e := range equivocations {
		raw, err := e.MarshalBinary()
		if err == nil {
			e, err = transcript.UnmarshalEquivocation(raw)
		}
		if err != nil {
			t.Fatal(err)
		}
		convict(e.Verify(openingSession, w.code, w.identities[1].Verify))
	}
	return convicted
}

// attack runs the attack table: one cheat, and t at once, the first parties, so that
// they are in every fast path.
func (w *world) attack(t *testing.T, target target) {
	elsewhere := map[place][]byte{}
	target.elsewhere(&mpctest.Network{Tap: func(e mpctest.Envelope) []mpctest.Envelope {
		elsewhere[place{e.From, e.Round}] = bytes.Clone(e.Payload)
		return only(e)
	}})
	honest := target.run(&mpctest.Network{})
	layout := honest[1].Layout()
	for i := 1; i <= w.n; i++ {
		if wrong, twice := honest[i].Evidence(); !target.right(honest[i]) || len(wrong)+len(twice) != 0 || honest[i].Culprits() != 0 {
			t.Fatalf("honest parties: %d names %v", i, honest[i].Culprits())
		}
	}
	evils := []sharing.Parties{sharing.PartiesOf(2)}
	if w.code.T() > 1 {
		evils = append(evils, sharing.AllParties(w.code.T()))
	}
	for _, evil := range evils {
		for _, c := range w.openingCheats(layout, elsewhere) {
			for round := range uint16(len(layout.Runs)) {
				what := fmt.Sprintf("%s by %v in round %d", c.name, evil, round)
				network := mpctest.Network{Seed: uint64(round), Tap: w.liars(layout, c, evil, round)}
				if c.late {
					network.Late = func(e mpctest.Envelope) bool { return evil.Has(e.From) }
				}
				got := target.run(&network)
				for _, i := range sharing.AllParties(w.n).Without(evil).List() {
					if !target.right(got[i]) {
						t.Fatalf("%s: party %d has another result", what, i)
					}
					convicted := w.judged(t, got[i])
					named := got[i].Culprits()
					if c.named && named != evil || named.Without(evil) != 0 || c.late && !c.named && named != 0 {
						t.Errorf("%s: party %d names %v", what, i, named)
					}
					if c.convicted && convicted != evil || !c.convicted && convicted != 0 {
						t.Errorf("%s: party %d convicts %v", what, i, convicted)
					}
				}
			}
		}
	}
}

func TestWhoCheatsInThePublicKeysOpeningIsNamedAndConvicted(t *testing.T) {
	for _, n := range []int{4, 7} {
		t.Run(fmt.Sprintf("n=%d", n), func(t *testing.T) {
			w := newWorld(t, n)
			right := w.opening(t, tiny, &mpctest.Network{})[1]
			w.attack(t, target{
				run: func(network *mpctest.Network) (out []opening) {
					for _, o := range w.opening(t, tiny, network) {
						out = append(out, o)
					}
					return out
				},
				elsewhere: func(network *mpctest.Network) { w.attempt(t, 5, sharing.AllParties(n)).key(t, network) },
				right: func(o opening) bool {
					got := o.(*keygen.Opening)
					return got.Done() && got.Seed() == right.Seed() && slices.Equal(got.Body(), right.Body())
				},
			})
		})
	}
}

func TestWhoCheatsInTheEncryptionThatTestsAKeyIsNamedAndConvicted(t *testing.T) {
	for _, n := range []int{4, 7} {
		t.Run(fmt.Sprintf("n=%d", n), func(t *testing.T) {
			w := newWorld(t, n)
			key := w.generate(t, tiny)
			const count = 3
			mask, err := expand([keygen.SeedSize]byte{1}, count*tiny.Dimensions[keygen.Compute])
			if err != nil {
				t.Fatal(err)
			}
			encrypt := func(session mpc.Digest, noise uint64, network *mpctest.Network) (out []opening) {
				shares := slices.Repeat([]uint64{noise, 0, 0, 0}, count)
				for _, e := range run(t, w, network, func(i int) (*keygen.Encryption, error) {
					return keygen.NewEncryption(keygen.EncryptionConfig{
						Code: w.code, Session: session, Identity: w.identities[i], Key: key[i].Material()[keygen.Compute].Bits,
						Mask: mask, Messages: []uint64{0, 1 << 59, 3 << 59}, Noise: shares,
					})
				}) {
					out = append(out, e)
				}
				return out
			}
			right := encrypt(openingSession, 5, &mpctest.Network{})[1].(*keygen.Encryption)
			w.attack(t, target{
				run:       func(network *mpctest.Network) []opening { return encrypt(openingSession, 5, network) },
				elsewhere: func(network *mpctest.Network) { encrypt(mpc.Hash("elsewhere"), 6, network) },
				right: func(o opening) bool {
					got := o.(*keygen.Encryption)
					return got.Done() && slices.Equal(got.LWEs(), right.LWEs())
				},
			})
		})
	}
}

func TestAnOpeningThatCannotBeSignedIsRefused(t *testing.T) {
	w := newWorld(t, 4)
	stageA := w.generate(t, tiny)
	c := keygen.EncryptionConfig{
		Code: w.code, Session: openingSession, Key: stageA[1].Material()[keygen.Compute].Bits,
		Mask: make([]uint64, tiny.Dimensions[keygen.Compute]), Messages: make([]uint64, 1), Noise: make([]uint64, 4),
	}
	for what, identity := range map[string]*mpc.Identity{"no identity": nil, "another committee's": mpctest.Identities(t, 7)[1]} {
		c.Identity = identity
		if _, err := keygen.NewEncryption(c); !errors.Is(err, keygen.ErrMaterial) {
			t.Errorf("%s: %v", what, err)
		}
	}
	const many = 1<<20 + 1
	c.Identity, c.Key, c.Mask, c.Messages, c.Noise = w.identities[1], make([]uint64, 4), make([]uint64, many), make([]uint64, many), make([]uint64, 4*many)
	if _, err := keygen.NewEncryption(c); !errors.Is(err, keygen.ErrMaterial) {
		t.Error(err)
	}
}

func TestWhoSendsSomethingMalformedIsNotHeardAgain(t *testing.T) {
	w := newWorld(t, 4)
	key := w.generate(t, tiny)
	machines, shares := make([]*keygen.Encryption, 5), make([][]byte, 5)
	for i := 1; i <= 4; i++ {
		var err error
		machines[i], err = keygen.NewEncryption(keygen.EncryptionConfig{
			Code: w.code, Session: openingSession, Identity: w.identities[i], Key: key[i].Material()[keygen.Compute].Bits,
			Mask: make([]uint64, tiny.Dimensions[keygen.Compute]), Messages: []uint64{1}, Noise: make([]uint64, 4),
		})
		if err != nil {
			t.Fatal(err)
		}
		out, err := machines[i].Start()
		if err != nil {
			t.Fatal(err)
		}
		shares[i] = out[0].Payload
	}
	receive := func(from int, payload []byte) {
		t.Helper()
		if _, err := machines[1].Receive(from, 0, payload); err != nil {
			t.Fatal(err)
		}
	}
	receive(2, shares[2][1:])
	receive(2, shares[2])
	receive(3, shares[3])
	if machines[1].Done() || machines[1].Culprits() != sharing.PartiesOf(2) {
		t.Errorf("done=%v, names %v", machines[1].Done(), machines[1].Culprits())
	}
	receive(4, shares[4])
	if !machines[1].Done() {
		t.Error("the others are enough")
	}
}
