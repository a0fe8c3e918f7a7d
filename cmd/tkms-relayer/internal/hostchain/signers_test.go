package hostchain_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/x/acl/client"
)

func TestSignersAreProvenThoughANodeLiesAndThatTheyAreOthersIsAnAnswer(t *testing.T) {
	f := setUp(t)
	host := f.open(forgesProofs(f), f.URL)
	var before [][20]byte
	for _, key := range f.KMS {
		before = append(before, crypto.PubkeyToAddress(key.PublicKey))
	}
	evidence, err := host.GatherSigners(f.Context, f.Record, before, 3)
	require.NoError(t, err)
	require.Len(t, evidence.Proof.Verifier.Storage, 6)

	after := []common.Address{{1}, {2}, {3}, {4}}
	_, err = host.GatherSigners(f.Context, f.Record, [][20]byte{{1}, {2}, {3}, {4}}, 3)
	require.ErrorIs(t, err, client.ErrOtherSigners)
	require.NoError(t, f.Chain.SetKMSContext(f.Context, after, 3))
	evidence, err = host.GatherSigners(f.Context, f.Record, [][20]byte{{1}, {2}, {3}, {4}}, 3)
	require.NoError(t, err)
	require.Equal(t, f.Chain.Head().Number.Uint64(), evidence.Height)
}
