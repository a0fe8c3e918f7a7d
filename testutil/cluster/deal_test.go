package cluster_test

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/protocol/keygen"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/enclave/vss"
	"github.com/tkms-network/tkms/testutil/clientkey"
	"github.com/tkms-network/tkms/testutil/cluster"
	"github.com/tkms-network/tkms/testutil/fault"
)

func TestPartiesThatDealTheirRandomnessDecryptDespiteFaults(t *testing.T) {
	key, err := clientkey.Generate(rand.Reader, tfhe.Test())
	require.NoError(t, err)
	value := big.NewInt(0xa5)
	ciphertext := encrypted(t, key, value)
	for _, c := range []struct {
		n       int
		faults  map[int]fault.Kind
		offline shown // who lies does not show its seed either: it is only missed
	}{
		{7, map[int]fault.Kind{3: fault.BadShare, 5: fault.Silent}, shown{absent: []int{3, 5}}},
		{16, map[int]fault.Kind{}, shown{}},
		{16, map[int]fault.Kind{9: fault.BadShare}, shown{absent: []int{9}}},
	} {
		t.Run(fmt.Sprint(c.n, c.faults), func(t *testing.T) {
			parties, err := cluster.New(timeLimited(t), cluster.Config{Parties: c.n, Faults: c.faults, Dealt: true}, key, rand.Reader)
			require.NoError(t, err)
			defer func() { require.NoError(t, parties.Close()) }()
			r, err := parties.Decrypt(timeLimited(t), ciphertext)
			require.NoError(t, err)
			require.Equal(t, value, r.Value)
			requireShown(t, c.offline, r.Offline)
			require.GreaterOrEqual(t, r.Online.Agreed.Count(), c.n-sharing.Threshold(c.n))
		})
	}
}

func TestAKeyIsGeneratedOfDealtRandomness(t *testing.T) {
	const n = 7
	parties, generated, err := cluster.Generate(timeLimited(t), cluster.Config{Parties: n, Dealt: true}, cluster.KeyConfig{
		Parameters: tfhe.Test(), Mode: keygen.PRSS, Folder: t.TempDir(),
	}, rand.Reader)
	require.NoError(t, err)
	defer func() { require.NoError(t, parties.Close()) }()
	l, err := generated.PublicKey.Decompress().Encrypt(rand.Reader, tfhe.EUint8, big.NewInt(0x3c), true)
	require.NoError(t, err)
	ciphertext, err := l.Ciphertext(0)
	require.NoError(t, err)
	r, err := parties.Decrypt(timeLimited(t), ciphertext)
	require.NoError(t, err)
	require.Equal(t, big.NewInt(0x3c), r.Value)
}

func TestNoiseThatNobodyCanDealIsRefusedAtOnce(t *testing.T) {
	_, _, err := cluster.Generate(timeLimited(t), cluster.Config{Parties: 16}, cluster.KeyConfig{
		Parameters: tfhe.Test(), Mode: keygen.Exact, Folder: t.TempDir(),
	}, rand.Reader)
	require.ErrorIs(t, err, keygen.ErrConfig)
	require.ErrorIs(t, err, vss.ErrNoise)
}
