package keeper_test

import (
	"crypto/ed25519"
	"encoding/binary"
	"testing"

	"github.com/cosmos/gogoproto/proto"
	"github.com/stretchr/testify/require"

	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/query"

	"github.com/tkms-network/tkms/enclave/evidence"
	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/x/parties/types"
)

func requireEvent(t *testing.T, f *fixture, want proto.Message) {
	t.Helper()
	for _, event := range f.ctx.EventManager().ABCIEvents() {
		if event.Type != proto.MessageName(want) {
			continue
		}
		got, err := sdk.ParseTypedEvent(event)
		require.NoError(t, err)
		if proto.Equal(want, got) {
			return
		}
	}
	t.Fatalf("no event %v", want)
}

func sessionOf(epoch uint64, subject string) mpc.Session {
	return mpc.Session{
		ChainID: chainID, Subject: []byte(subject), Parameters: "p", Epoch: epoch, Attempt: 1,
		Protocol: "decrypt/compute", Parties: sharing.AllParties(4), T: 1,
	}
}

// equivocation proves that a member signed two roots in a session.
func (f *fixture) equivocation(session mpc.Session, member types.Party, index int) []byte {
	f.t.Helper()
	key := f.sessionKey(member.Moniker)
	e := transcript.Equivocation{Phase: transcript.PhaseEcho, Party: index}
	for i := range e.Signed {
		st := transcript.Statement{Session: session.ID(), Phase: e.Phase, Party: index, Root: mpc.Hash("root", []byte{byte(i)})}
		digest := st.Digest()
		e.Signed[i] = transcript.Signed{Root: st.Root, Signature: ed25519.Sign(key, digest[:])}
	}
	raw, err := evidence.New(session, e).Encode()
	require.NoError(f.t, err)
	return raw
}

func (f *fixture) submit(reporter types.Party, epoch uint64, raw []byte) (uint64, error) {
	response, err := f.messages.SubmitEvidence(f.ctx, &types.MsgSubmitEvidence{Account: reporter.Account, EpochId: epoch, Evidence: raw})
	if err != nil {
		return 0, err
	}
	return response.Id, nil
}

func TestEvidenceConvictsAMemberAndIsKeptWithItsSubject(t *testing.T) {
	f := newFixture(t)
	members, id := f.activeCommittee()
	session := sessionOf(id, "request")
	number, err := f.submit(members[0], id, f.equivocation(session, members[2], 3))
	require.NoError(t, err)
	require.EqualValues(t, 1, number)
	epoch := f.epoch(id)
	require.Equal(t, []uint32{3}, epoch.Excluded())
	require.EqualValues(t, 2, epoch.Generation)
	require.True(t, epoch.IsConvicted(3))

	digest := session.ID()
	want := types.Evidence{
		Id: 1, EpochId: id, Index: 3, PartyId: 3, Kind: types.EVIDENCE_KIND_EQUIVOCATION, Subject: []byte("request"),
		Protocol: "decrypt/compute", SessionId: digest[:], Height: f.ctx.BlockHeight(), Reporter: 1,
	}
	requireEvent(t, f, &types.EventPartyConvicted{Evidence: want})
	requireEvent(t, f, &types.EventMemberExcluded{EpochId: id, Index: 3, Generation: 2})
	raw, err := want.Marshal()
	require.NoError(t, err)
	require.Equal(t, raw, f.ctx.KVStore(f.key).Get(types.EvidenceKey(1)), "under the key that anybody proves")
	for subject, found := range map[string][]types.Evidence{"request": {want}, "another": {}, "reques": {}} {
		of, err := f.keeper.EvidenceOf(f.ctx, []byte(subject))
		require.NoError(t, err)
		require.Equal(t, found, of)
		response, err := f.queries.Evidence(f.ctx, &types.QueryEvidenceRequest{Subject: []byte(subject)})
		require.NoError(t, err)
		require.Len(t, response.Evidence, len(found))
	}
	require.ErrorIs(t, f.ready(members[2], id), types.ErrConvicted)
	require.ErrorIs(t, f.report(members[2], id, 1), types.ErrConvicted)
}

func TestAMemberIsConvictedOnceForEachSession(t *testing.T) {
	f := newFixture(t)
	members, id := f.activeCommittee()
	raw := f.equivocation(sessionOf(id, "first"), members[2], 3)
	_, err := f.submit(members[0], id, raw)
	require.NoError(t, err)
	before := f.export()
	_, err = f.submit(members[1], id, raw)
	require.ErrorIs(t, err, types.ErrKnownEvidence)
	require.Equal(t, before, f.export())
	number, err := f.submit(members[1], id, f.equivocation(sessionOf(id, "second"), members[2], 3))
	require.NoError(t, err)
	require.EqualValues(t, 2, number)
	require.EqualValues(t, 2, f.epoch(id).Generation, "it was excluded already")

	page, err := f.queries.Evidence(f.ctx, &types.QueryEvidenceRequest{Pagination: &query.PageRequest{Limit: 1}})
	require.NoError(t, err)
	require.Len(t, page.Evidence, 1)
	require.NotEmpty(t, page.Pagination.NextKey)
}

func TestEvidenceThatProvesNothingIsRefusedAndLeavesNothing(t *testing.T) {
	f := newFixture(t)
	members, id := f.activeCommittee()
	good := f.equivocation(sessionOf(id, "request"), members[2], 3)
	altered := func(at int) []byte {
		raw := append([]byte(nil), good...)
		raw[at] ^= 1
		return raw
	}
	foreign := sessionOf(id, "request")
	foreign.ChainID = "tkms-test-2"
	without3 := sessionOf(id, "request")
	without3.Parties = without3.Parties.Without(sharing.PartiesOf(3))
	before := f.export()
	for name, raw := range map[string][]byte{
		"nothing":           nil,
		"another kind":      altered(0),
		"another session":   altered(12),
		"another chain":     f.equivocation(foreign, members[2], 3),
		"another epoch":     f.equivocation(sessionOf(id+1, "request"), members[2], 3),
		"who takes no part": f.equivocation(without3, members[2], 3),
		"nobody":            f.equivocation(sessionOf(id, "request"), members[2], 5),
		"too long":          append(good, make([]byte, 200<<10)...),
		"something behind":  append(append([]byte(nil), good...), 0),
	} {
		_, err := f.submit(members[0], id, raw)
		require.ErrorIs(t, err, types.ErrInvalidEvidence, name)
	}
	require.Equal(t, before, f.export())
}

func TestAFalseAccusationConvictsItsAccuser(t *testing.T) {
	session := func(id uint64) mpc.Session { return sessionOf(id, "request") }
	for name, made := range map[string]func(f *fixture, id uint64, members []types.Party) []byte{
		"signatures of nobody": func(f *fixture, id uint64, members []types.Party) []byte {
			return f.equivocation(session(id), members[1], 3)
		},
		"one signature altered": func(f *fixture, id uint64, members []types.Party) []byte {
			raw := f.equivocation(session(id), members[2], 3)
			raw[len(raw)-70] ^= 1
			return raw
		},
		"signed in another session": func(f *fixture, id uint64, members []types.Party) []byte {
			return f.splice(f.equivocation(sessionOf(id, "another"), members[2], 3), session(id))
		},
		"the same twice": func(f *fixture, id uint64, members []types.Party) []byte {
			raw := f.equivocation(session(id), members[2], 3)
			half := (len(raw) - statementsAt(raw)) / 2
			copy(raw[len(raw)-half:], raw[len(raw)-2*half:])
			return raw
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.setParams(func(p *types.Params) { p.SlashCheating, p.SlashFalseAccusation = 30, 7 })
			members, id := f.activeCommittee()
			f.fund("alice", 100)
			require.NoError(t, f.deposit("alice", 1, 40))
			raw := made(f, id, members)
			response, err := f.messages.SubmitEvidence(f.ctx, &types.MsgSubmitEvidence{Account: members[0].Account, EpochId: id, Evidence: raw})
			require.NoError(t, err)
			require.Equal(t, &types.MsgSubmitEvidenceResponse{Id: 1, PartyId: 1, Kind: types.EVIDENCE_KIND_FALSE_ACCUSATION}, response)
			epoch := f.epoch(id)
			require.True(t, epoch.IsConvicted(1))
			require.False(t, epoch.IsConvicted(3))
			require.Equal(t, []uint32{1}, epoch.Excluded())
			record, err := f.keeper.Evidence.Get(f.ctx, 1)
			require.NoError(t, err)
			require.Equal(t, types.Slash{Amount: 7}, record.Slash)
			require.Equal(t, []byte("request"), record.Subject)
			require.EqualValues(t, 1, record.Reporter)
			require.EqualValues(t, 33, f.bond(1).Bond.Amount)
			_, err = f.submit(members[0], id, raw)
			require.ErrorIs(t, err, types.ErrConvicted)
			require.Equal(t, exportedAndBack(t, f), f.export())
		})
	}
}

// statementsAt is where the two statements of an equivocation begin: behind the kind,
// the session, and batch, phase and party.
func statementsAt(raw []byte) int { return 5 + int(binary.BigEndian.Uint32(raw[1:])) + 6 }

// splice puts what was signed elsewhere under a session.
func (f *fixture) splice(raw []byte, session mpc.Session) []byte {
	f.t.Helper()
	encoded, err := session.MarshalBinary()
	require.NoError(f.t, err)
	out := binary.BigEndian.AppendUint32([]byte{raw[0]}, uint32(len(encoded)))
	return append(append(out, encoded...), raw[statementsAt(raw)-6:]...)
}

// exportedAndBack is the state of a chain that begins with what f exports.
func exportedAndBack(t *testing.T, f *fixture) string {
	t.Helper()
	exported, err := f.keeper.ExportGenesis(f.ctx)
	require.NoError(t, err)
	require.NoError(t, exported.Validate())
	next := newEmptyFixture(t)
	next.bank.balances = f.bank.balances
	require.NoError(t, next.keeper.InitGenesis(next.ctx, *exported))
	return next.export()
}

func TestEvidenceIsNotDecodedBeyondItsLimitAndCostsFlatGas(t *testing.T) {
	f := newFixture(t)
	members, id := f.activeCommittee()
	raw := f.equivocation(sessionOf(id, "request"), members[2], 3)
	params, err := f.keeper.Params.Get(f.ctx)
	require.NoError(t, err)
	params.MaxEvidenceBytes = 1 << 10
	require.NoError(t, f.keeper.Params.Set(f.ctx, params))
	long := sessionOf(id, "request")
	long.Ciphertexts = make([]mpc.Digest, 32)
	_, err = f.submit(members[0], id, f.equivocation(long, members[2], 3))
	require.ErrorIs(t, err, types.ErrInvalidEvidence)
	used := f.ctx.GasMeter().GasConsumed()
	_, err = f.submit(members[0], id, raw)
	require.NoError(t, err)
	require.Greater(t, f.ctx.GasMeter().GasConsumed(), used+params.GasPerEvidence)
}

func TestWhoMaySubmitEvidence(t *testing.T) {
	f := newFixture(t)
	members, id := f.activeCommittee()
	stranger := f.register("mallory")[0]
	raw := f.equivocation(sessionOf(id, "request"), members[2], 3)
	_, err := f.submit(stranger, id, raw)
	require.ErrorIs(t, err, types.ErrNotMember)
	_, err = f.submit(members[0], id+1, raw)
	require.ErrorIs(t, err, types.ErrUnknownEpoch)
	_, err = f.submit(members[2], id, raw)
	require.NoError(t, err, "against oneself, too")
	_, err = f.submit(members[2], id, f.equivocation(sessionOf(id, "request"), members[0], 1))
	require.ErrorIs(t, err, types.ErrConvicted)

	s := confirming(t)
	_, err = s.submit(s.members[0], s.id, s.equivocation(sessionOf(s.id, "request"), s.members[2], 3))
	require.ErrorIs(t, err, types.ErrWrongStatus)
}

func TestAConvictionBeyondTIsRecordedAndTakesEffectWhenThereIsRoom(t *testing.T) {
	f := newFixture(t)
	members, id := f.activeCommittee()
	for i, guilty := range []int{3, 4} {
		_, err := f.submit(members[0], id, f.equivocation(sessionOf(id, "request"), members[guilty-1], guilty))
		require.NoError(t, err)
		epoch := f.epoch(id)
		require.True(t, epoch.IsConvicted(uint32(guilty)))
		require.Equal(t, []uint32{3}, epoch.Excluded(), i)
	}
	_, err := f.submit(members[3], id, f.equivocation(sessionOf(id, "request"), members[0], 1))
	require.ErrorIs(t, err, types.ErrConvicted)
	exported, err := f.keeper.ExportGenesis(f.ctx)
	require.NoError(t, err)
	require.NoError(t, exported.Validate())
	next := newEmptyFixture(t)
	require.NoError(t, next.keeper.InitGenesis(next.ctx, *exported))
	require.Equal(t, f.export(), next.export())
	of, err := next.keeper.EvidenceOf(next.ctx, []byte("request"))
	require.NoError(t, err)
	require.Len(t, of, 2)
}
