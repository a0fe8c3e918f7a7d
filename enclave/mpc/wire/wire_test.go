package wire_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/mpc/wire"
)

func TestFieldsComeInOrderAndNothingMayBeLeft(t *testing.T) {
	raw := []byte{1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4, 'a', 'b'}
	r := wire.NewReader(raw)
	require.EqualValues(t, 1, r.Uint8())
	require.EqualValues(t, 2, r.Uint16())
	require.EqualValues(t, 3, r.Uint32())
	require.EqualValues(t, 4, r.Uint64())
	require.ErrorIs(t, r.Close(), wire.ErrShort, "two bytes are left")
	require.Equal(t, []byte("ab"), r.Rest())
	require.NoError(t, r.Close())
}

func TestAfterAMissingFieldAllAreZero(t *testing.T) {
	r := wire.NewReader([]byte{9, 9})
	require.Zero(t, r.Uint32())
	require.True(t, r.Failed())
	require.Zero(t, r.Uint8(), "a shorter field that would fit is none either")
	require.Zero(t, r.Digest())
	require.ErrorIs(t, r.Close(), wire.ErrShort)
	require.Nil(t, wire.NewReader([]byte{1}).Bytes(-1))
}
