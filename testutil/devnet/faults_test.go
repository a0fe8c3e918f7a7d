package devnet_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/testutil/devnet"
	"github.com/tkms-network/tkms/testutil/fault"
)

func TestMoreFaultsThanToleratedAreRefusedBeforeAnythingStarts(t *testing.T) {
	faults := map[int]fault.Kind{1: fault.Silent, 2: fault.LyingNode, 3: fault.CrashLoop}
	require.ErrorIs(t, devnet.CheckFaults(faults, 7), devnet.ErrTooManyFaults)
	require.NoError(t, devnet.CheckFaults(faults, 10))
	require.NoError(t, devnet.CheckFaults(nil, 1))

	_, err := devnet.New(devnet.Config{Bin: t.TempDir(), Dir: t.TempDir(), Parties: 7, Faults: faults})
	require.ErrorIs(t, err, devnet.ErrTooManyFaults)
}
