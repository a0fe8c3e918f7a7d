package keyfile

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/tfhe"
)

// bodies returns the bytes of a component's bodies, each byte its number of the
// component.
func bodies(p tfhe.Part) []byte {
	out := make([]byte, p.Rows()*p.BodyWords()*int(p.Width/8))
	for i := range out {
		out[i] = byte(p.Component) + 1
	}
	return out
}

func TestBodiesInAnyOrderAndOverARestartMakeAKeySet(t *testing.T) {
	p := tfhe.Test()
	folder := t.TempDir()
	f, err := Open(folder, p)
	require.NoError(t, err)
	require.True(t, f.Fresh())
	_, err = f.Finished()
	require.ErrorIs(t, err, ErrState)
	seed := [16]byte{1, 2, 3}
	require.NoError(t, f.Begin(seed))
	parts := p.Parts()
	for i := len(parts) - 1; i >= 0; i-- {
		data, size := bodies(parts[i]), int64(parts[i].Width/8)
		half := int64(len(data)) / size / 2
		require.NoError(t, f.WriteBodies(parts[i].Component, half, data[half*size:]))
		if i == len(parts)/2 { // another process goes on
			require.NoError(t, f.Close())
			f, err = Open(folder, p)
			require.NoError(t, err)
			require.False(t, f.Fresh())
			require.ErrorIs(t, f.WriteBodies(parts[i].Component, 0, data[:8]), ErrState)
			require.NoError(t, f.Begin(seed))
		}
		require.NoError(t, f.WriteBodies(parts[i].Component, 0, data[:half*size]))
	}
	files, err := f.Finished()
	require.NoError(t, err)
	require.Len(t, files, 2)
	for _, file := range files {
		r, err := os.Open(file.Path)
		require.NoError(t, err)
		defer r.Close()
		set, err := tfhe.OpenKeySet(r, file.Size, p)
		require.NoError(t, err)
		require.Equal(t, seed, set.Seed())
		for _, part := range parts {
			if !set.Has(part.Component) || part.Width != 64 {
				continue
			}
			row := make([]uint64, part.BodyWords())
			require.NoError(t, set.Body(part.Component, part.Rows()-1, row))
			for _, x := range row {
				require.Equal(t, uint64(part.Component+1)*0x0101010101010101, x)
			}
		}
	}
	body, err := f.PublicKeyBody()
	require.NoError(t, err)
	require.Equal(t, uint64(tfhe.ComponentPublicKey+1)*0x0101010101010101, body[len(body)-1])
	require.NoError(t, f.Close())
	require.NoError(t, os.Remove(files[1].Path))
	f, err = Open(folder, p)
	require.NoError(t, err)
	require.True(t, f.Fresh(), "what was in the file that is gone is lost")
	require.NoError(t, f.Close())
}

func TestBodiesOutsideTheirComponentAreRefused(t *testing.T) {
	p := tfhe.ProductionPKE()
	f, err := Open(t.TempDir(), p)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Begin([16]byte{}))
	require.ErrorIs(t, f.WriteBodies(tfhe.ComponentPublicKey, 2047, make([]byte, 16)), ErrState)
	require.ErrorIs(t, f.WriteBodies(tfhe.ComponentPublicKey, -1, make([]byte, 8)), ErrState)
	require.ErrorIs(t, f.WriteBodies(tfhe.ComponentBootstrap, 0, make([]byte, 8)), ErrState)
	_, err = f.PublicKeyBody()
	require.ErrorIs(t, err, ErrState)
	require.NoError(t, f.WriteBodies(tfhe.ComponentPublicKey, 0, make([]byte, 16384)))
	_, err = f.PublicKeyBody()
	require.NoError(t, err)
	files, err := f.Finished()
	require.NoError(t, err)
	require.Empty(t, files, "the compact public key has no file")
}
