package identity

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnIdentitySurvivesItsEncoding(t *testing.T) {
	alice, err := Generate()
	require.NoError(t, err)
	data, err := alice.MarshalBinary()
	require.NoError(t, err)
	again, err := Unmarshal(data)
	require.NoError(t, err)
	require.Equal(t, alice.Signing.Key, again.Signing.Key)
	require.Equal(t, alice.Session, again.Session)
	require.Equal(t, alice.TLS.Pin(), again.TLS.Pin())
	require.Equal(t, alice.Encryption.Bytes(), again.Encryption.Bytes())
}

func TestOtherBytesAreNoIdentity(t *testing.T) {
	alice, err := Generate()
	require.NoError(t, err)
	data, err := alice.MarshalBinary()
	require.NoError(t, err)
	for i := range data {
		_, err := Unmarshal(data[:i])
		require.ErrorIs(t, err, ErrEncoding)
	}
	_, err = Unmarshal(append(data, 0))
	require.ErrorIs(t, err, ErrEncoding)
}

func TestPrivateKeysArePrintedByNoFormat(t *testing.T) {
	alice, err := Generate()
	require.NoError(t, err)
	encoded, err := json.Marshal(alice)
	require.NoError(t, err)
	for _, text := range []string{fmt.Sprintf("%v", alice), fmt.Sprintf("%+v", alice), fmt.Sprintf("%#v", alice), fmt.Sprint(alice), string(encoded)} {
		require.NotContains(t, text, hex.EncodeToString(alice.Signing.Key))
		require.NotContains(t, text, fmt.Sprint([]byte(alice.Session)))
	}
}

func FuzzUnmarshal(f *testing.F) {
	alice, err := Generate()
	require.NoError(f, err)
	data, err := alice.MarshalBinary()
	require.NoError(f, err)
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		if id, err := Unmarshal(data); err == nil {
			again, err := id.MarshalBinary()
			require.NoError(t, err)
			require.Equal(t, data, again)
		}
	})
}
