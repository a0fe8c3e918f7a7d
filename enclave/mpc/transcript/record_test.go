package transcript_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/mpc/mpctest"
	"github.com/tkms-network/tkms/enclave/mpc/transcript"
	"github.com/tkms-network/tkms/enclave/ring/wide"
	"github.com/tkms-network/tkms/enclave/sharing"
)

var recorded = mpc.Hash("recorded session")

// records are what the parties of a session keep once each has sent its runs to all,
// shares of zero, with what alter makes of them.
func records(t testing.TB, n int, alter func(from, to, run int, packed []byte)) (*sharing.Code, []*mpc.Identity, []*transcript.Record) {
	code, err := sharing.New(n, sharing.Threshold(n), 4)
	require.NoError(t, err)
	ids := mpctest.Identities(t, n)
	layout := transcript.Layout{Degree: 4, Runs: []transcript.Run{{K: 17, Count: 130}, {K: 5, Count: 3}, {K: 128, Count: 4}}}
	out := make([]*transcript.Record, n+1)
	for to := 1; to <= n; to++ {
		out[to] = transcript.NewRecord(recorded, 0, layout, ids[to])
	}
	for run, r := range layout.Runs {
		shares, err := code.DealWide(mpctest.Random(uint64(run)), code.T(), make([]wide.Word, r.Count))
		require.NoError(t, err)
		for from := 1; from <= n; from++ {
			packed := wide.AppendPacked(nil, shares[from-1], r.K)
			for to := 1; to <= n; to++ {
				sent := bytes.Clone(packed)
				if alter != nil {
					alter(from, to, run, sent)
				}
				out[to].Add(from, run, sent)
			}
		}
	}
	return code, ids, out
}

// exchange has the parties of from sign, and party to hear them.
func exchange(out []*transcript.Record, to int, from ...int) {
	for _, i := range from {
		if message := out[i].Sign(); i != to {
			out[to].Receive(i, message.Payload)
		}
	}
}

func TestAWrongShareConvictsOnlyUnderASignature(t *testing.T) {
	lie := func(from, to, run int, packed []byte) {
		if from == 2 && run == 1 {
			packed[3] ^= 4
		}
	}
	code, ids, out := records(t, 4, lie)
	exchange(out, 1, 1, 2, 3, 4)
	wrong := sharing.PartiesOf(2)
	found := out[1].Openings(code, wrong)
	require.Len(t, found, 1)
	require.Equal(t, []int{1, 1}, []int{found[0].Run, found[0].Element})
	culprit, err := found[0].Verify(recorded, code, ids[3].Verify)
	require.NoError(t, err)
	require.Equal(t, 2, culprit)
	require.Zero(t, out[1].Wrong())

	// Without n−t signed shares of others, or its own, there is none.
	for _, from := range [][]int{{1, 2, 3}, {1, 3, 4}} {
		_, _, out = records(t, 4, lie)
		exchange(out, 1, from...)
		require.Empty(t, out[1].Openings(code, wrong))
		require.Zero(t, out[1].Wrong())
	}
	// Nor with a signature that is none, its own or another's; the first bytes count.
	for _, forger := range []int{2, 3} {
		_, _, out = records(t, 4, lie)
		out[1].Sign()
		for i := 2; i <= 4; i++ {
			message := out[i].Sign().Payload
			if i == forger {
				message[len(message)-1] ^= 1
			}
			out[1].Add(i, 1, make([]byte, 8))
			out[1].Receive(i, message)
		}
		require.Empty(t, out[1].Openings(code, wrong))
		require.Equal(t, sharing.PartiesOf(forger), out[1].Wrong())
	}
	// A right share convicts nobody, whoever says that it is wrong.
	_, _, out = records(t, 4, nil)
	exchange(out, 1, 1, 2, 3, 4)
	require.Empty(t, out[1].Openings(code, wrong))
}

func TestWhoSignsAnotherRootThanThatOfWhatItSentIsNamedAndServesNoEvidence(t *testing.T) {
	// Party 2 lies to party 1 and its accomplice 3 sends it other bytes than to all.
	code, _, out := records(t, 7, func(from, to, run int, packed []byte) {
		if to == 1 && (from == 2 && run == 0 || from == 3 && run == 1) {
			packed[0] ^= 1
		}
	})
	for i := 1; i <= 7; i++ {
		message := out[i].Sign().Payload // what it sent to itself
		out[1].Receive(i, message)
	}
	require.Empty(t, out[1].Openings(code, sharing.PartiesOf(2)))
	require.Equal(t, sharing.PartiesOf(2, 3), out[1].Wrong())
	require.Empty(t, out[1].Equivocations())
}

func TestTwoRootsConvictOnceTheyMeet(t *testing.T) {
	code, ids, out := records(t, 4, nil)
	_, _, others := records(t, 4, func(from, _, _ int, packed []byte) { packed[0] ^= byte(from) })
	out[1].Receive(2, out[2].Sign().Payload)
	out[3].Receive(2, others[2].Sign().Payload)
	told := out[3].Tell(nil, sharing.PartiesOf(2, 3))
	require.Len(t, told, 1) // of itself a party has nothing to tell
	require.Empty(t, out[3].Tell(nil, sharing.PartiesOf(2)))
	out[1].Receive(3, told[0].Payload)
	out[1].Receive(4, told[0].Payload)
	require.Len(t, out[1].Equivocations(), 1)
	culprit, err := out[1].Equivocations()[0].Verify(recorded, code, ids[4].Verify)
	require.NoError(t, err)
	require.Equal(t, 2, culprit)
	require.Equal(t, sharing.PartiesOf(2), out[1].Wrong())
}

func TestOnlyRootsThatTheirOwnersSignedAreTold(t *testing.T) {
	_, _, out := records(t, 4, nil)
	forged := out[2].Sign().Payload
	forged[len(forged)-1] ^= 1
	out[1].Receive(2, forged)
	require.Zero(t, out[1].Wrong())
	require.Empty(t, out[1].Tell(nil, sharing.PartiesOf(2)))
	require.Equal(t, sharing.PartiesOf(2), out[1].Wrong())
	// Another may show the true one later.
	out[1].Receive(3, out[2].Sign().Payload)
	require.Len(t, out[1].Tell(nil, sharing.PartiesOf(2)), 1)
}

func TestAForgedRootHarmsItsSenderOnly(t *testing.T) {
	for _, forgedFirst := range []bool{false, true} {
		_, _, out := records(t, 4, nil)
		good := out[2].Sign().Payload
		forged := bytes.Clone(good)
		forged[1] ^= 1
		if forgedFirst {
			out[1].Receive(3, forged)
			out[1].Receive(2, good)
		} else {
			out[1].Receive(2, good)
			out[1].Receive(3, forged)
		}
		require.Equal(t, sharing.PartiesOf(3), out[1].Wrong())
		require.Empty(t, out[1].Equivocations())
	}
	_, _, out := records(t, 4, nil)
	for from, payload := range map[int][]byte{2: append(out[2].Sign().Payload, 0), 3: make([]byte, 97), 4: append([]byte{5}, make([]byte, 96)...)} {
		out[1].Receive(from, payload)
	}
	require.Equal(t, sharing.PartiesOf(2, 3, 4), out[1].Wrong())
}

func TestWhoHeardAForgedRootDoesNotPassItOn(t *testing.T) {
	_, _, out := records(t, 4, nil)
	exchange(out, 3, 4)
	exchange(out, 1, 3, 4)
	good := out[2].Sign().Payload
	forged := bytes.Clone(good)
	forged[len(forged)-1] ^= 1
	out[1].Receive(2, forged)
	require.Empty(t, out[1].Tell(nil, sharing.PartiesOf(2)), "party 3, to whom 2 was honest, would take 1 for the forger")
	require.Equal(t, sharing.PartiesOf(2), out[1].Wrong())
	out[1].Receive(2, good)
	require.Len(t, out[1].Tell(nil, sharing.PartiesOf(2)), 1)
}

func FuzzRecordReceive(f *testing.F) {
	_, _, sent := records(f, 4, nil)
	f.Add(2, sent[2].Sign().Payload)
	f.Add(3, sent[2].Sign().Payload)
	f.Fuzz(func(t *testing.T, from int, payload []byte) {
		code, _, out := records(t, 4, nil)
		if from < 2 || from > 4 {
			return
		}
		out[1].Sign()
		out[1].Receive(from, payload)
		out[1].Receive(2, out[2].Sign().Payload)
		if out[1].Wrong().Without(sharing.PartiesOf(from)) != 0 || len(out[1].Equivocations()) > 0 || len(out[1].Openings(code, sharing.PartiesOf(3))) > 0 {
			t.Fatal("one message harms another party")
		}
	})
}
