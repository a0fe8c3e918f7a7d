package evidence_test

import (
	"crypto/ed25519"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/evidence"
	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/merkle"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/ring"
	"github.com/tkms-network/tkms/enclave/sharing"
)

const (
	chainID = "tkms-test-1"
	epoch   = 5
	culprit = 3
)

func session(n int) mpc.Session {
	return mpc.Session{
		ChainID: chainID, Subject: []byte("request"), Ciphertexts: []mpc.Digest{{1}}, Parameters: "p", Epoch: epoch,
		Attempt: 1, Protocol: "decrypt", Parties: sharing.AllParties(n), T: sharing.Threshold(n),
	}
}

func committee(n int) (private []ed25519.PrivateKey, public []ed25519.PublicKey) {
	for i := range n {
		seed := make([]byte, ed25519.SeedSize)
		seed[0] = byte(i + 1)
		private = append(private, ed25519.NewKeyFromSeed(seed))
		public = append(public, private[i].Public().(ed25519.PublicKey))
	}
	return private, public
}

func equivocation(n int, s mpc.Session) transcript.Equivocation {
	private, _ := committee(n)
	e := transcript.Equivocation{Batch: 1, Phase: transcript.PhaseEcho, Party: culprit}
	for i := range e.Signed {
		st := transcript.Statement{Session: s.ID(), Batch: 1, Phase: e.Phase, Party: culprit, Root: mpc.Hash("root", []byte{byte(i)})}
		d := st.Digest()
		e.Signed[i] = transcript.Signed{Root: st.Root, Signature: ed25519.Sign(private[culprit-1], d[:])}
	}
	return e
}

// wrongOpening has the culprit open the sharing of zero that is zero everywhere by
// a share of one.
func wrongOpening(t testing.TB, n int, s mpc.Session) transcript.WrongOpening {
	private, _ := committee(n)
	d := sharing.DegreeFor(n)
	w := transcript.WrongOpening{Phase: transcript.PhaseOpenings, Layout: transcript.Layout{Degree: d, Runs: []transcript.Run{{K: 5, Count: 1}}}}
	share := func(i int, value uint64) transcript.Share {
		words := make([]uint64, d)
		words[0] = value
		leaves := w.Layout.AppendLeaves(nil, 0, ring.AppendPacked(nil, words, 5))
		st := transcript.Statement{Session: s.ID(), Phase: w.Phase, Layout: w.Layout.Digest(), Party: i, Root: merkle.Root(leaves)}
		digest := st.Digest()
		out, err := transcript.NewShare(w.Layout, leaves, i, ed25519.Sign(private[i-1], digest[:]), 0, 0)
		require.NoError(t, err)
		return out
	}
	w.Wrong = share(culprit, 1)
	for i := 1; len(w.Good) < n-sharing.Threshold(n); i++ {
		if i != culprit {
			w.Good = append(w.Good, share(i, 0))
		}
	}
	return w
}

func bodies(t testing.TB, n int, s mpc.Session) map[evidence.Kind]evidence.Body {
	return map[evidence.Kind]evidence.Body{
		evidence.KindEquivocation: equivocation(n, s), evidence.KindWrongOpening: wrongOpening(t, n, s),
	}
}

func TestEvidenceConvictsByTheRegisteredKeysAlone(t *testing.T) {
	for _, n := range []int{4, 7, 13} {
		_, keys := committee(n)
		for kind, body := range bodies(t, n, session(n)) {
			raw, err := evidence.New(session(n), body).Encode()
			require.NoError(t, err)
			read, err := evidence.Decode(raw, len(raw))
			require.NoError(t, err)
			require.Equal(t, kind, read.Kind())
			require.Equal(t, session(n), read.Session())
			got, err := read.Verify(chainID, epoch, keys, sharing.Threshold(n))
			require.NoError(t, err)
			require.Equal(t, culprit, got)

			_, err = evidence.Decode(raw, len(raw)-1)
			require.ErrorIs(t, err, evidence.ErrEvidence, "it is longer than is taken")
			_, err = evidence.Decode(append(raw, 0), len(raw)+1)
			require.ErrorIs(t, err, evidence.ErrEvidence)
			raw[0] ^= 3
			_, err = evidence.Decode(raw, len(raw))
			require.ErrorIs(t, err, evidence.ErrEvidence, "one kind is not another")
		}
	}
}

func TestEveryFieldOfTheSessionMatters(t *testing.T) {
	for _, n := range []int{4, 7} {
		_, keys := committee(n)
		for name, alter := range map[string]func(*mpc.Session){
			"chain":       func(s *mpc.Session) { s.ChainID = "tkms-test-2" },
			"subject":     func(s *mpc.Session) { s.Subject = []byte("another") },
			"ciphertexts": func(s *mpc.Session) { s.Ciphertexts = nil },
			"parameters":  func(s *mpc.Session) { s.Parameters = "q" },
			"epoch":       func(s *mpc.Session) { s.Epoch++ },
			"attempt":     func(s *mpc.Session) { s.Attempt++ },
			"protocol":    func(s *mpc.Session) { s.Protocol = "bits" },
			"parties":     func(s *mpc.Session) { s.Parties = s.Parties.Without(sharing.PartiesOf(1)) },
			"more":        func(s *mpc.Session) { s.Parties = s.Parties.With(n + 1) },
			"t":           func(s *mpc.Session) { s.T-- },
		} {
			for kind, body := range bodies(t, n, session(n)) {
				s := session(n)
				alter(&s)
				_, err := evidence.New(s, body).Verify(chainID, epoch, keys, sharing.Threshold(n))
				require.ErrorIs(t, err, evidence.ErrEvidence, "%s of kind %d", name, kind)
			}
		}
	}
}

func TestWhatWasSignedElsewhereConvictsNobodyHere(t *testing.T) {
	_, keys := committee(4)
	for name, alter := range map[string]func(*mpc.Session){
		"chain":   func(s *mpc.Session) { s.ChainID = "tkms-test-2" },
		"epoch":   func(s *mpc.Session) { s.Epoch++ },
		"t":       func(s *mpc.Session) { s.T = 0 },
		"parties": func(s *mpc.Session) { s.Parties = s.Parties.With(5) },
	} {
		s := session(4)
		alter(&s)
		_, err := evidence.New(s, equivocation(4, s)).Verify(chainID, epoch, keys, 1)
		require.ErrorIs(t, err, evidence.ErrEvidence, name)
	}
	// Who takes no part in a session signs nothing in it.
	s := session(4)
	s.Parties = s.Parties.Without(sharing.PartiesOf(culprit))
	_, err := evidence.New(s, equivocation(4, s)).Verify(chainID, epoch, keys, 1)
	require.ErrorIs(t, err, evidence.ErrEvidence)
}

func TestOnlyWhatIsOfTheEpochAndAccusesAMemberIsFalse(t *testing.T) {
	for _, n := range []int{4, 7} {
		_, keys := committee(n)
		for kind, body := range bodies(t, n, session(n)) {
			verify := func(alter func(*mpc.Session)) error {
				s := session(n)
				alter(&s)
				e := evidence.New(s, body)
				require.Equal(t, culprit, e.Accused())
				_, err := e.Verify(chainID, epoch, keys, sharing.Threshold(n))
				return err
			}
			for name, alter := range map[string]func(*mpc.Session){
				"subject":  func(s *mpc.Session) { s.Subject = []byte("another") },
				"attempt":  func(s *mpc.Session) { s.Attempt++ },
				"protocol": func(s *mpc.Session) { s.Protocol = "bits" },
				"parties":  func(s *mpc.Session) { s.Parties = s.Parties.Without(sharing.PartiesOf(1)) },
			} {
				require.ErrorIs(t, verify(alter), evidence.ErrFalse, "%s of kind %d", name, kind)
			}
			for name, alter := range map[string]func(*mpc.Session){
				"chain":      func(s *mpc.Session) { s.ChainID = "tkms-test-2" },
				"epoch":      func(s *mpc.Session) { s.Epoch++ },
				"t":          func(s *mpc.Session) { s.T-- },
				"more":       func(s *mpc.Session) { s.Parties = s.Parties.With(n + 1) },
				"no culprit": func(s *mpc.Session) { s.Parties = s.Parties.Without(sharing.PartiesOf(culprit)) },
			} {
				err := verify(alter)
				require.ErrorIs(t, err, evidence.ErrEvidence, "%s of kind %d", name, kind)
				require.NotErrorIs(t, err, evidence.ErrFalse, "%s of kind %d", name, kind)
			}
		}
	}
}

func TestAMemberWithoutAKeyIsNotConvicted(t *testing.T) {
	_, keys := committee(4)
	e := evidence.New(session(4), equivocation(4, session(4)))
	keys[culprit-1] = nil
	_, err := e.Verify(chainID, epoch, keys, 1)
	require.ErrorIs(t, err, evidence.ErrEvidence)
	_, keys = committee(4)
	keys[culprit-1] = keys[0]
	_, err = e.Verify(chainID, epoch, keys, 1)
	require.ErrorIs(t, err, evidence.ErrEvidence)
	_, err = e.Verify(chainID, epoch, nil, 1)
	require.ErrorIs(t, err, evidence.ErrEvidence)
}

func TestACommitteeOfOneIsNeverConvictedOfOpenings(t *testing.T) {
	s := mpc.Session{ChainID: chainID, Epoch: epoch, Protocol: "decrypt", Parties: sharing.PartiesOf(1)}
	_, keys := committee(1)
	w := transcript.WrongOpening{Phase: transcript.PhaseOpenings, Layout: transcript.Layout{Degree: 4, Runs: []transcript.Run{{K: 5, Count: 1}}}, Wrong: transcript.Share{Party: 1}}
	_, err := evidence.New(s, w).Verify(chainID, epoch, keys, 0)
	require.ErrorIs(t, err, evidence.ErrEvidence)
}

func FuzzEvidence(f *testing.F) {
	_, keys := committee(4)
	for _, body := range bodies(f, 4, session(4)) {
		raw, err := evidence.New(session(4), body).Encode()
		require.NoError(f, err)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := evidence.Decode(raw, 1<<16)
		if err != nil {
			require.ErrorIs(t, err, evidence.ErrEvidence)
			return
		}
		again, err := e.Encode()
		require.NoError(t, err)
		require.Equal(t, raw, again)
		if _, err := e.Verify(chainID, epoch, keys, 1); err != nil {
			require.ErrorIs(t, err, evidence.ErrEvidence)
		}
	})
}
