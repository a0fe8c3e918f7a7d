package agree_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"testing"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/protocol/agree"
	"github.com/tkms-network/tkms/enclave/sharing"
)

var session = mpc.Hash("agree test")

const length = 8

func root(vector []byte) (mpc.Digest, bool) { return mpc.Hash("vector", vector), vector[0] != 0xff }

// party is an agreement as a machine.
type party struct {
	*agree.Agreement
	vector []byte
}

func (p party) Start() ([]mpc.Message, error) {
	out, err := p.Agreement.Start(append(make([]byte, ed25519.SignatureSize), p.vector...))
	return p.next(out, err)
}

func (p party) Receive(from int, round uint16, payload []byte) ([]mpc.Message, error) {
	out, err := p.Agreement.Receive(from, round, payload)
	return p.next(out, err)
}

func (p party) next(out []mpc.Message, err error) ([]mpc.Message, error) {
	if err != nil {
		return out, err
	}
	more, err := p.Advance()
	return append(out, more...), err
}

func (p party) Done() bool { return p.Complete() }

func config(t testing.TB, n, i int) agree.Config {
	t.Helper()
	code, err := sharing.New(n, sharing.Threshold(n), sharing.DegreeFor(n))
	if err != nil {
		t.Fatal(err)
	}
	return agree.Config{
		Code: code, Session: session, Batch: 3, Round: 5, From: sharing.AllParties(n), Identity: mpctest.Identities(t, n)[i],
		Layout: mpc.Hash("layout"), Length: length, Root: root,
	}
}

func start(t testing.TB, n int) (map[int]mpc.Machine, []party) {
	t.Helper()
	machines, out := map[int]mpc.Machine{}, make([]party, n+1)
	for i := 1; i <= n; i++ {
		out[i] = party{agree.New(config(t, n, i)), bytes.Repeat([]byte{byte(i)}, length)}
		machines[i] = out[i]
	}
	return machines, out
}

func TestAllComeToHoldTheSameVectors(t *testing.T) {
	for _, n := range []int{1, 4, 7, 16} {
		for seed := range uint64(3) {
			machines, got := start(t, n)
			network := mpctest.Network{Seed: seed, Tap: func(e mpctest.Envelope) []mpctest.Envelope {
				if e.From == n && e.To == 1 && e.Round == 5+agree.RoundVector { // it is fetched
					return nil
				}
				return []mpctest.Envelope{e}
			}}
			if err := mpctest.FirstError(network.Run(machines, n)); err != nil {
				t.Fatal(err)
			}
			for i := 1; i <= n; i++ {
				if !got[i].Complete() || *got[i].Echo() != *got[1].Echo() || got[i].Missing()|got[i].Wrong()|got[i].Convicted() != 0 {
					t.Fatalf("n=%d: party %d misses %v", n, i, got[i].Missing())
				}
				for j := 1; j <= n; j++ {
					if !bytes.Equal(got[i].Vector(j), got[j].vector) {
						t.Errorf("party %d has %x of party %d", i, got[i].Vector(j), j)
					}
				}
			}
		}
	}
}

func TestTwoVectorsOfOnePartyAreEvidence(t *testing.T) {
	const n, evil = 4, 4
	id := mpctest.Identities(t, n)[evil]
	other := bytes.Repeat([]byte{9}, length)
	digest, _ := root(other)
	signed := id.Sign(transcript.Statement{
		Session: session, Batch: 3, Phase: transcript.PhaseVector, Layout: mpc.Hash("layout"), Party: evil, Root: digest,
	}.Digest())
	machines, got := start(t, n)
	network := mpctest.Network{Tap: func(e mpctest.Envelope) []mpctest.Envelope {
		if e.From == evil && e.Round == 5+agree.RoundVector && e.To == 2 {
			e.Payload = append(signed, other...)
		}
		return []mpctest.Envelope{e}
	}}
	errs := network.Run(machines, n)
	found := 0
	for i := 1; i < n; i++ {
		for _, e := range got[i].Evidence() {
			culprit, err := e.Verify(session, got[i].Code, id.Verify)
			if err != nil || culprit != evil {
				t.Errorf("party %d: %d, %v", i, culprit, err)
			}
			found++
		}
		if errs[i] != nil && (!errors.Is(errs[i], agree.ErrEquivocation) || mpc.Culprits(errs[i]) != sharing.PartiesOf(evil)) {
			t.Errorf("party %d: %v", i, errs[i])
		}
	}
	if found == 0 {
		t.Error("nobody has evidence")
	}
}

// memory is a journal.
type memory map[string][]byte

func (j memory) Load(session mpc.Digest, batch uint32) ([]byte, error) {
	return j[fmt.Sprint(session, batch)], nil
}

func (j memory) Save(session mpc.Digest, batch uint32, echo []byte) error {
	j[fmt.Sprint(session, batch)] = echo
	return nil
}

func TestAJournalOfAnotherVectorKeepsThePartyOut(t *testing.T) {
	const n = 4
	journal := memory{}
	for life, want := range []error{nil, nil, agree.ErrJournal} {
		machines, got := start(t, n)
		c := config(t, n, 1)
		c.Journal = journal
		vector := bytes.Repeat([]byte{byte(1 + life/2)}, length)
		got[1] = party{agree.New(c), vector}
		machines[1] = got[1]
		var network mpctest.Network
		if err := network.Run(machines, n)[1]; !errors.Is(err, want) || got[1].Complete() != (want == nil) {
			t.Errorf("life %d: %v", life, err)
		}
	}
}

// Whatever peers send, nobody agrees on what was not signed.
func FuzzMessages(f *testing.F) {
	const n = 4
	machines, _ := start(f, n)
	network := mpctest.Network{InOrder: true, Tap: func(e mpctest.Envelope) []mpctest.Envelope {
		if e.To == 1 {
			f.Add(uint8(e.From), uint8(e.Round), e.Payload)
		}
		return []mpctest.Envelope{e}
	}}
	if err := mpctest.FirstError(network.Run(machines, n)); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, from, round uint8, payload []byte) {
		p := party{agree.New(config(t, n, 1)), bytes.Repeat([]byte{1}, length)}
		if _, err := p.Start(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := p.Receive(int(from), uint16(round), bytes.Clone(payload)); err != nil || p.Done() {
				t.Fatal(p.Done(), err)
			}
		}
	})
}
