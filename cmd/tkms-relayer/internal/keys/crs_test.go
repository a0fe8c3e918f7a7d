package keys_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/keys"
)

func TestACRSIsNamedByItsDigestAndByWhoMadeIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "crs")
	require.NoError(t, os.WriteFile(path, []byte("a common reference string"), 0o600))
	crs, err := keys.ReadCRS(path)
	require.NoError(t, err)
	require.Equal(t, "single-party-crs", crs.Kind)
	require.Equal(t, []byte("a common reference string"), crs.Bytes)
	// printf 'PDAT_CRSa common reference string' | openssl dgst -shake256 -xoflen 32
	require.Equal(t, "7a892b23b89f855c618ab885e797fc0ad03998050e215034dda7e73f157a7bff", crs.Digest)
}

func TestAFileThatIsNoCRSIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "crs")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err := keys.ReadCRS(path)
	require.ErrorIs(t, err, keys.ErrCRSSize)
	require.NoError(t, os.Truncate(path, 64<<20+1))
	_, err = keys.ReadCRS(path)
	require.ErrorIs(t, err, keys.ErrCRSSize)
	_, err = keys.ReadCRS(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
