package tfhe_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/tfhe"
)

func TestObjectsHaveTheSizesThatTFHErsGivesThem(t *testing.T) {
	size := func(p tfhe.Parameters, o tfhe.Object) int64 {
		l, err := p.Layout(o, [16]byte{1})
		require.NoError(t, err)
		return l.Size()
	}
	require.Equal(t, int64(511_395_873), size(tfhe.Production(), tfhe.ObjectServerKey))
	require.Equal(t, int64(511_412_577), size(tfhe.Production(), tfhe.ObjectXofKeySet))
	// TFHE-rs' own default configuration, four seeded parts under plain seeds.
	bare := tfhe.ProductionCompute()
	const reRandomization = 16_644 + 16
	require.Equal(t, int64(60_293_973+4*16+reRandomization), size(bare, tfhe.ObjectServerKey))
}
