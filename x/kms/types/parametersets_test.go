package types_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/enclave/tfhe/noise"
	"github.com/tkms-network/tkms/x/kms/types"
)

func TestTheParameterSetsAreThoseThatThePartiesGenerate(t *testing.T) {
	for _, name := range tfhe.Names() {
		set, known := types.ParameterSetByName(name)
		require.True(t, known, name)
		parameters, err := tfhe.ByName(name)
		require.NoError(t, err)

		var files []string
		if len(parameters.Parts()) > 1 {
			for _, object := range []tfhe.Object{tfhe.ObjectXofKeySet, tfhe.ObjectServerKey} {
				layout, err := parameters.Layout(object, [16]byte{})
				require.NoError(t, err)
				require.LessOrEqual(t, layout.Size(), int64(types.MaxObjectSize))
				files = append(files, object.String())
			}
		}
		require.Equal(t, files, set.Objects, name)

		forms := []string{types.FormCompactList}
		if files != nil {
			forms = []string{types.FormUint, types.FormCompactList}
		}
		if _, has := parameters.Part(tfhe.ComponentCompression); has {
			forms = append(forms, types.FormCompressedList)
		}
		if _, has := parameters.Part(tfhe.ComponentSquashing); has {
			forms = append(forms, types.FormSquashed, types.FormCompressedSquashList)
		}
		require.Equal(t, forms, set.Tested, name)
	}
	_, known := types.ParameterSetByName("toy")
	require.False(t, known)
}

func TestKeysWithExactNoiseNeedNobodysLeave(t *testing.T) {
	for _, name := range types.DefaultParams().ParameterSets {
		set, _ := types.ParameterSetByName(name)
		require.False(t, set.Insecure, name)
		for _, parties := range []int{1, 4, 7, 10} {
			milli, ok := noise.Milli(name, types.NoiseExact, parties)
			require.True(t, ok, name)
			require.LessOrEqual(t, milli, int32(types.SecureFailureMilli), name)
		}
	}
}
