package fault_test

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
)

// liar is the party that fuzz input controls.
const liar = 2

// script is fuzz input that says what becomes of the liar's messages.
type script struct{ data []byte }

func (s *script) byte() byte {
	if len(s.data) == 0 {
		return 0
	}
	b := s.data[0]
	s.data = s.data[1:]
	return b
}

func (s *script) bytes(n int) []byte {
	n = min(n, len(s.data))
	b := slices.Clone(s.data[:n])
	s.data = s.data[n:]
	return b
}

// tap changes one envelope of the liar as the next bytes say; without more bytes it
// is honest.
func (s *script) tap(e mpctest.Envelope) []mpctest.Envelope {
	if e.From != liar {
		return []mpctest.Envelope{e}
	}
	switch op := s.byte(); op % 10 {
	case 1:
		return nil
	case 2:
		again := e
		again.Payload = slices.Clone(e.Payload)
		return []mpctest.Envelope{e, again}
	case 3:
		if len(e.Payload) > 0 {
			at := int(binary.BigEndian.Uint16(append(s.bytes(2), 0, 0))) % len(e.Payload)
			e.Payload[at] ^= s.byte()
		}
	case 4:
		e.Payload = s.bytes(int(s.byte()))
	case 5:
		e.Payload = e.Payload[:int(s.byte())*len(e.Payload)/256]
	case 6:
		e.Payload = append(e.Payload, s.bytes(int(s.byte()))...)
	case 7:
		e.Round = uint16(s.byte()) % 12
	case 8:
		return []mpctest.Envelope{e, {From: liar, To: e.To, Round: uint16(s.byte()) % 12, Payload: s.bytes(int(s.byte()))}}
	case 9:
		other := mpctest.Envelope{From: liar, To: e.To, Round: uint16(s.byte()), Payload: slices.Clone(e.Payload)}
		return []mpctest.Envelope{other, e}
	}
	return []mpctest.Envelope{e}
}

func (s *script) network() *mpctest.Network {
	return &mpctest.Network{Seed: uint64(s.byte()), Tap: s.tap}
}

func addScripts(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1, 3, 0, 0, 1, 3, 0, 0, 1, 3, 0, 0, 1})
	f.Add([]byte{2, 3, 0, 70, 1, 0, 3, 0, 80, 4, 1, 1, 1, 1})
	f.Add([]byte{3, 1, 1, 1, 1, 1, 1})
	f.Add([]byte{4, 4, 8, 1, 2, 3, 4, 5, 6, 7, 8, 5, 100, 6, 3, 1, 2, 3, 7, 2, 8, 4, 3, 1, 2, 3, 9, 3})
	f.Add([]byte{5, 9, 2, 9, 3, 9, 1, 2, 2, 2, 8, 2, 8, 0, 0, 0, 0, 0, 0, 0, 14})
}

// Whatever one party sends, the others decrypt right and name nobody else.
func FuzzDecryption(f *testing.F) {
	w := newWorld(f, 4)
	session := mpc.Hash("fuzz", []byte("online"))
	blocks, want := w.encrypt(f, 2)
	stock := w.stock(f, session, 2)
	addScripts(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		machines, made := w.online(t, session, blocks, stock)
		s := &script{data}
		errs := s.network().Run(machines, w.n)
		for i := 1; i <= w.n; i++ {
			if i == liar {
				continue
			}
			require.NoError(t, errs[i])
			require.Equal(t, want, made[i].Values())
			require.Zero(t, made[i].Culprits().Without(sharing.PartiesOf(liar)))
		}
	})
}

// Whatever one party sends, the others never use different batches, and blame
// nobody else.
func FuzzOfflineBatch(f *testing.F) {
	w := newWorld(f, 4)
	session := mpc.Hash("fuzz", []byte("offline"))
	addScripts(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		w.next = 0
		machines, made := w.offline(t, session, sharing.AllParties(w.n), 2)
		s := &script{data}
		errs := s.network().Run(machines, w.n)
		var echo mpc.Digest
		for i := 1; i <= w.n; i++ {
			if i == liar {
				continue
			}
			require.Zero(t, made[i].Wrong().Without(sharing.PartiesOf(liar)))
			switch {
			case errs[i] != nil:
				require.Equal(t, sharing.PartiesOf(liar), mpc.Culprits(errs[i]), "%v", errs[i])
			case made[i].Done():
				require.True(t, echo == mpc.Digest{} || echo == made[i].Echo(), "two batches in use")
				echo = made[i].Echo()
			}
		}
	})
}

// Whatever one party sends, the others open the same public key.
func FuzzPublicKeyOpening(f *testing.F) {
	w := newWorld(f, 4)
	g := w.generation(f, mpc.Hash("fuzz", []byte("opening")))
	step := g.upToRows(f)
	addScripts(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		for i := 1; i <= w.n; i++ {
			delete(g.written[i].kept, g.attempts[i].Steps()[step].Name)
			g.written[i].words = nil
		}
		g.open(t)
		machines := g.machines(t, step)
		s := &script{data}
		errs := s.network().Run(machines, w.n)
		for i := 1; i <= w.n; i++ {
			if i == liar {
				continue
			}
			o := machines[i].(*keygen.Opening)
			require.NoError(t, errs[i])
			require.True(t, o.Done())
			require.NoError(t, g.attempts[i].Finish(step, o))
			require.NotEmpty(t, g.written[i].words)
			require.True(t, slices.Equal(g.written[1].words, g.written[i].words), "party %d has another key", i)
			require.Zero(t, o.Culprits().Without(sharing.PartiesOf(liar)))
		}
	})
}

// Whatever one party sends in a set-up, the others complain of nobody else, and
// those that have keys have the same transcript.
func FuzzSetUp(f *testing.F) {
	const n = 4
	contributions, roots := make([]*prss.Contribution, n+1), map[int]mpc.Digest{}
	for i := 1; i <= n; i++ {
		c, err := prss.NewContribution(mpctest.Random(uint64(i)), mpctest.Epoch, i, n, 1)
		require.NoError(f, err)
		contributions[i], roots[i] = c, c.Root()
	}
	addScripts(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		machines, made := map[int]mpc.Machine{}, make([]*prss.Setup, n+1)
		for i := 1; i <= n; i++ {
			var err error
			made[i], err = prss.NewSetup(contributions[i], roots)
			require.NoError(t, err)
			machines[i] = made[i]
		}
		s := &script{data}
		errs := s.network().Run(machines, n)
		for i := 1; i <= n; i++ {
			if i == liar {
				continue
			}
			require.NoError(t, errs[i])
			require.Zero(t, made[i].Wrong().Without(sharing.PartiesOf(liar)))
			require.Zero(t, made[i].Missing().Without(sharing.PartiesOf(liar)))
			for accused := range made[i].Grievances() {
				require.Equal(t, liar, accused)
			}
			require.Equal(t, made[1].Transcript(), made[i].Transcript())
		}
	})
}
