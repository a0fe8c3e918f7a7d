package network_test

import (
	"context"
	"encoding/hex"
	"math/big"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/devnet"
	"github.com/tkms-network/tkms/testutil/fault"
	"github.com/tkms-network/tkms/testutil/network"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

// binVariable names the folder that 'make build' fills.
const binVariable = "TKMS_BIN"

// faulty is the number of the party that lies.
const faulty = 4

func TestALyingPartyIsConvictedOnTheChainAndRequestsGoOn(t *testing.T) {
	bin := os.Getenv(binVariable)
	if os.Getenv(network.EnableVariable) == "" || bin == "" {
		t.Skipf("starts a whole network: set %s=1 and %s to the folder of the binaries to run it", network.EnableVariable, binVariable)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	d, err := devnet.New(devnet.Config{Bin: bin, Dir: t.TempDir(), Faults: map[int]fault.Kind{faulty: fault.BadShare}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Stop()) })
	for _, stage := range d.Stages() {
		_, err := stage.Run(ctx)
		require.NoError(t, err, stage.Name)
	}

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
	user, err := d.NewUser(ctx)
	require.NoError(t, err)
	encrypted, err := devnet.Encrypt(d.Public, tfhe.EUint64, big.NewInt(4242))
	require.NoError(t, err)
	require.NoError(t, d.Store(ctx, encrypted))
	handle, err := user.Submit(ctx, encrypted)
	require.NoError(t, err)
	require.NoError(t, user.Disclose(ctx, handle))
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
}
