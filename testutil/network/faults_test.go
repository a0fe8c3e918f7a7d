package network_test

import (
	"encoding/hex"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/testutil/devnet"
	"github.com/tkms-network/tkms/testutil/fault"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// faulty is the number of the party that lies.
const faulty = 4

func TestALyingPartyIsConvictedOnTheChainAndRequestsGoOn(t *testing.T) {
	w := start(t, devnet.Config{Faults: map[int]fault.Kind{faulty: fault.BadShare}}, nil)
	ctx, d := w.ctx, w.Devnet

	// Its wrong shares of the key's bits convicted it.
	convictions, err := d.Evidence(ctx)
	require.NoError(t, err)
	require.NotEmpty(t, convictions)
	require.Equal(t, partiestypes.EVIDENCE_KIND_WRONG_VECTOR, convictions[0].Kind)
	require.Equal(t, d.Parties[faulty-1].ID, convictions[0].PartyId)
	epoch, err := d.Epoch(ctx, devnet.FirstEpoch)
	require.NoError(t, err)
	require.Len(t, epoch.Absences, 1)
	require.True(t, epoch.Absences[0].Convicted)

	// Three parties serve on, and name the fourth in each request.
	user := w.user()
	handle := w.public(user, 4242)
	outcome, err := d.Decrypt(ctx, handle)
	require.NoError(t, err)
	require.Equal(t, big.NewInt(4242).FillBytes(make([]byte, 32)), outcome.Request.Plaintext)
	id := outcome.Request.Id
	require.Eventually(t, func() bool {
		status, err := d.RequestAt(ctx, d.Parties[0], id)
		return err == nil && len(status.Culprits) == 1 && status.Culprits[0] == int(epoch.Absences[0].Index)
	}, time.Minute, 100*time.Millisecond, "request %s", hex.EncodeToString(id))
	convictions, err = d.Evidence(ctx)
	require.NoError(t, err)
	for _, e := range convictions {
		require.Equal(t, d.Parties[faulty-1].ID, e.PartyId)
	}

	// A user reads her value too, and sees who lied once its share is in.
	reader := w.reader(user)
	question := w.ask(reader, w.private(user, 2424))
	for !slices.Equal([]int{int(epoch.Absences[0].Index)}, w.read(reader, question, 2424).Wrong) {
		time.Sleep(100 * time.Millisecond)
	}
}
