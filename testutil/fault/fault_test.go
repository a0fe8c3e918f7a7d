package fault_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/testutil/fault"
)

// network runs machines of which those of the parties of evil are faulty.
func (w *world) run(session mpc.Digest, machines map[int]mpc.Machine, evil map[int]*fault.Party) map[int]error {
	wrapped := map[int]mpc.Machine{}
	members := sharing.Parties(0)
	for i := range machines {
		members = members.With(i)
	}
	for i, m := range machines {
		wrapped[i] = evil[i].Wrap(session, members, w.identities[i], m)
	}
	network := mpctest.Network{Seed: 1, Late: func(e mpctest.Envelope) bool { return evil[e.From] != nil && evil[e.From].Kind == fault.Late }}
	return network.Run(wrapped, w.n)
}

// each calls f with one faulty party, and with t at once, for every kind.
func each(t *testing.T, f func(t *testing.T, w *world, kind fault.Kind, evil sharing.Parties, parties map[int]*fault.Party)) {
	for _, n := range []int{4, 7} {
		w := newWorld(t, n)
		for _, evil := range []sharing.Parties{sharing.PartiesOf(2), sharing.AllParties(w.code.T())} {
			for _, kind := range fault.Kinds() {
				t.Run(fmt.Sprintf("n=%d %s by %v", n, kind, evil), func(t *testing.T) {
					parties := map[int]*fault.Party{}
					for _, i := range evil.List() {
						parties[i] = &fault.Party{Kind: kind, Delay: time.Microsecond}
					}
					f(t, w, kind, evil, parties)
				})
			}
		}
	}
}

func session(t *testing.T, part string) mpc.Digest {
	return mpc.Hash("fault test", []byte(t.Name()), []byte(part))
}

func TestOnlineFaultsChangeNoValueAndConvictWhoSigned(t *testing.T) {
	each(t, func(t *testing.T, w *world, kind fault.Kind, evil sharing.Parties, parties map[int]*fault.Party) {
		blocks, want := w.encrypt(t, 3)
		for _, part := range []string{"earlier", "this"} { // something to replay
			id := session(t, part)
			machines, made := w.online(t, id, blocks, w.stock(t, id, 3))
			require.NoError(t, mpctest.FirstError(w.run(id, machines, parties)))
			var convicted sharing.Parties
			for i := 1; i <= w.n; i++ {
				if evil.Has(i) {
					continue
				}
				require.Equal(t, want, made[i].Values())
				convicted |= w.judgeOpening(t, id, kind, part == "this", evil, i, made[i])
			}
			requireConvicted(t, kind, evil, convicted)
		}
	})
}

func TestOnlyBadSharesReachUsers(t *testing.T) {
	each(t, func(t *testing.T, w *world, kind fault.Kind, evil sharing.Parties, parties map[int]*fault.Party) {
		id := session(t, "")
		blocks, want := w.encrypt(t, 4)
		machines, made := w.keeping(t, id, blocks, w.stock(t, id, 4))
		require.NoError(t, mpctest.FirstError(w.run(id, machines, parties)))
		shares, done := make([][]uint64, w.n+1), sharing.Parties(0)
		for i := 1; i <= w.n; i++ {
			if made[i].Done() {
				shares[i], done = made[i].Shares(), done.With(i)
			}
		}
		honest, value := done.Without(evil), make([]uint64, 4)
		require.Equal(t, -1, w.code.OpenAll(value, w.code.T(), honest, shares, small.W))
		require.Equal(t, want, value)
		if kind == fault.BadShare {
			require.Equal(t, evil, done.Without(honest), "a liar is done as others are")
			for _, i := range evil.List() {
				require.GreaterOrEqual(t, w.code.OpenAll(value, w.code.T(), honest.With(i), shares, small.W), 0)
			}
		} else {
			require.Equal(t, -1, w.code.OpenAll(value, w.code.T(), done, shares, small.W))
		}
	})
}

// judgeOpening checks what an honest party found in a run of a protocol that opens
// values, and returns whom it convicts.
func (w *world) judgeOpening(t *testing.T, id mpc.Digest, kind fault.Kind, again bool, evil sharing.Parties, i int, made interface {
	Culprits() sharing.Parties
	Evidence() ([]transcript.WrongOpening, []transcript.Equivocation)
},
) (convicted sharing.Parties) {
	t.Helper()
	wrong, equivocations := made.Evidence()
	for _, e := range wrong {
		culprit, err := e.Verify(id, w.code, w.identities[1].Verify)
		require.NoError(t, err)
		convicted = convicted.With(culprit)
	}
	for _, e := range equivocations {
		culprit, err := e.Verify(id, w.code, w.identities[1].Verify)
		require.NoError(t, err)
		convicted = convicted.With(culprit)
	}
	named := made.Culprits()
	require.Zero(t, named.Without(evil))
	if kind == fault.BadShare || kind == fault.Garbage || kind == fault.Equivocate || kind == fault.Replay && again {
		require.Equal(t, evil, named)
	}
	if kind == fault.Split && i%2 == 0 {
		require.Equal(t, evil, named, "those who got bad shares name the sender")
	}
	if kind == fault.Silent || kind == fault.Late || kind == fault.WrongSession { // shares without a signature are as good
		require.Zero(t, named)
	}
	return convicted
}

func requireConvicted(t *testing.T, kind fault.Kind, evil, convicted sharing.Parties) {
	t.Helper()
	if kind == fault.BadShare || kind == fault.Equivocate {
		require.Equal(t, evil, convicted)
	} else {
		require.Zero(t, convicted, "nothing that was signed is wrong")
	}
}

func TestOfflineFaultsAreConvictedOrWaitedFor(t *testing.T) {
	each(t, func(t *testing.T, w *world, kind fault.Kind, evil sharing.Parties, parties map[int]*fault.Party) {
		for _, part := range []string{"earlier", "this"} {
			id := session(t, part)
			machines, made := w.offline(t, id, sharing.AllParties(w.n), 2)
			errs := w.run(id, machines, parties)
			w.judgeOffline(t, id, kind, part == "this", evil, made, errs)
		}
	})
}

// judgeOffline checks what the honest parties found in a run of an offline protocol.
func (w *world) judgeOffline(t *testing.T, id mpc.Digest, kind fault.Kind, again bool, evil sharing.Parties, made []*preproc.Machine, errs map[int]error) {
	t.Helper()
	var convicted sharing.Parties
	for i := 1; i <= w.n; i++ {
		if evil.Has(i) {
			continue
		}
		m := made[i]
		for _, e := range m.Evidence() {
			culprit, err := e.Verify(id, w.code, w.identities[1].Verify)
			require.NoError(t, err)
			convicted = convicted.With(culprit)
		}
		require.Zero(t, m.Wrong().Without(evil))
		switch {
		case kind == fault.BadShare:
			require.ErrorIs(t, errs[i], preproc.ErrBatchBad)
			require.Equal(t, evil, mpc.Culprits(errs[i]))
		case kind == fault.Equivocate:
			require.True(t, m.Done() || mpc.Culprits(errs[i]) != 0 && mpc.Culprits(errs[i]).Without(evil) == 0, "party %d: %v", i, errs[i])
		case kind == fault.Silent || kind == fault.Garbage || kind == fault.WrongSession || kind == fault.Replay && again:
			require.False(t, m.Done())
			require.Equal(t, evil, m.Missing())
			require.Equal(t, kind != fault.Silent, m.Wrong() == evil)
		case kind == fault.Split:
			// Who got a bad vector fetches the good one where enough others have it.
			require.True(t, m.Done() || m.Missing() == evil, "party %d misses %v", i, m.Missing())
		default:
			require.True(t, m.Done())
			require.Zero(t, m.Wrong())
		}
	}
	requireConvicted(t, kind, evil, convicted)
}

func TestFaultsInKeyGeneration(t *testing.T) {
	each(t, func(t *testing.T, w *world, kind fault.Kind, evil sharing.Parties, parties map[int]*fault.Party) {
		for _, part := range []string{"earlier", "this"} {
			g := w.generation(t, session(t, part+" secrets"))
			machines := g.machines(t, 0)
			made := make([]*preproc.Machine, w.n+1)
			for i, m := range machines {
				made[i] = m.(*preproc.Machine)
			}
			errs := w.run(g.session(0), machines, parties)
			w.judgeOffline(t, g.session(0), kind, part == "this", evil, made, errs)

			g = w.generation(t, session(t, part+" rows"))
			step := g.upToRows(t)
			machines = g.machines(t, step)
			require.NoError(t, mpctest.FirstError(w.run(g.session(step), machines, parties)))
			var convicted sharing.Parties
			var body []byte
			for _, i := range sharing.AllParties(w.n).Without(evil).List() {
				require.NoError(t, g.attempts[i].Finish(step, machines[i].(*keygen.Opening)))
				require.NotEmpty(t, g.written[i].words)
				require.True(t, body == nil || slices.Equal(body, g.written[i].words), "party %d has another key", i)
				body = g.written[i].words
				convicted |= w.judgeOpening(t, g.session(step), kind, part == "this", evil, i, machines[i].(*keygen.Opening))
			}
			requireConvicted(t, kind, evil, convicted)
		}
	})
}

func TestHonestPartiesAndSetUpsAreLeftAlone(t *testing.T) {
	w := newWorld(t, 4)
	machines, _ := w.offline(t, session(t, ""), sharing.AllParties(4), 1)
	require.Same(t, machines[1], (*fault.Party)(nil).Wrap(session(t, ""), sharing.AllParties(4), w.identities[1], machines[1]))
	setUp := &prss.Setup{}
	require.Same(t, setUp, (&fault.Party{Kind: fault.Silent}).Wrap(session(t, ""), sharing.AllParties(4), w.identities[1], setUp))
}

func TestALatePartyWaitsBeforeEachMessage(t *testing.T) {
	w := newWorld(t, 4)
	const delay = 20 * time.Millisecond
	p := &fault.Party{Kind: fault.Late, Delay: delay}
	id := session(t, "")
	machines, _ := w.offline(t, id, sharing.AllParties(4), 1)
	began := time.Now()
	out, err := p.Wrap(id, sharing.AllParties(4), w.identities[1], machines[1]).Start()
	require.NoError(t, err)
	require.Len(t, out, 1)
	require.GreaterOrEqual(t, time.Since(began), delay)
}

func TestFaultsAreReadStrictly(t *testing.T) {
	faults, err := fault.Parse("p2=bad-share,p4=silent,p1=garbage,p3=equivocate", 4, fault.Kinds())
	require.NoError(t, err)
	require.Equal(t, map[int]fault.Kind{1: fault.Garbage, 2: fault.BadShare, 3: fault.Equivocate, 4: fault.Silent}, faults)
	faults, err = fault.Parse("", 4, fault.Kinds())
	require.NoError(t, err)
	require.Empty(t, faults)
	for _, text := range []string{"2=silent", "p0=silent", "p5=silent", "p2", "p2=loud", "p2=", "p2=silent,p2=silent", "p2=silent,", "px=silent", "p2=crash-loop"} {
		_, err := fault.Parse(text, 4, fault.Kinds())
		require.ErrorIs(t, err, fault.ErrKind, text)
	}
	faults, err = fault.Parse("p2=crash-loop,p4=lying-node", 4, fault.ProcessKinds())
	require.NoError(t, err)
	require.Equal(t, map[int]fault.Kind{2: fault.CrashLoop, 4: fault.LyingNode}, faults)
	for _, kind := range faults {
		require.False(t, kind.OfMessages())
	}
}
