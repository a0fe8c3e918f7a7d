package cluster_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/testutil/cluster"
)

func TestFaultsAreReadStrictly(t *testing.T) {
	faults, err := cluster.ParseFaults("p2=bad-share,p4=silent,p1=garbage", 4)
	require.NoError(t, err)
	require.Equal(t, map[int]cluster.Fault{1: cluster.Garbage, 2: cluster.BadShare, 4: cluster.Silent}, faults)
	faults, err = cluster.ParseFaults("", 4)
	require.NoError(t, err)
	require.Empty(t, faults)
	for _, text := range []string{"2=silent", "p0=silent", "p5=silent", "p2", "p2=loud", "p2=silent,p2=silent", "p2=silent,", "px=silent"} {
		_, err := cluster.ParseFaults(text, 4)
		require.ErrorIs(t, err, cluster.ErrFault, text)
	}
}
