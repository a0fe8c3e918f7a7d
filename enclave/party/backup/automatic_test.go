package backup

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/party/vault"
	"github.com/tkms-network/tkms/enclave/seal"
)

func newAutomatic(t *testing.T, store *seal.Store) (a *Automatic, folder string) {
	t.Helper()
	folder = t.TempDir()
	files, err := vault.Open(folder)
	require.NoError(t, err)
	t.Cleanup(func() { _ = files.Close() })
	to, _ := newCustodians(t, 2, 3)
	return NewAutomatic(store, to, files), folder
}

// only reads the one file of a folder.
func only(t *testing.T, folder string) *Contents {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, "*"))
	require.NoError(t, err)
	require.Len(t, found, 1)
	raw, err := os.ReadFile(found[0])
	require.NoError(t, err)
	c, err := Read(raw)
	require.NoError(t, err)
	return c
}

func TestAnEpochsBackupIsMadeAnewWhenItsSharesChange(t *testing.T) {
	store := newParty(t)
	a, folder := newAutomatic(t, store)
	keep := func(want bool) *Contents {
		t.Helper()
		made, err := a.Keep(epoch)
		require.NoError(t, err)
		require.Equal(t, want, made)
		return only(t, folder)
	}
	first := keep(true)
	require.Equal(t, first.ID, keep(false).ID)

	name, raw := shareOf(t, 5)
	require.NoError(t, store.Put(shareObject(name, epoch), raw))
	second := keep(true)
	require.Len(t, second.Keys, 3)
	require.Equal(t, second.ID, keep(false).ID)

	a.to, _ = newCustodians(t, 2, 2)
	require.Len(t, keep(true).Custodians.Recipients, 2)

	found, err := filepath.Glob(filepath.Join(folder, "*"))
	require.NoError(t, err)
	require.NoError(t, os.Remove(found[0]))
	keep(true)
}

func TestTheBackupOfAnEpochThatIsOverIsRemoved(t *testing.T) {
	store := newParty(t)
	a, folder := newAutomatic(t, store)
	for _, e := range []uint64{epoch - 1, epoch} {
		_, err := a.Keep(e)
		require.NoError(t, err)
	}
	require.NoError(t, a.Forget(epoch-1))
	require.Equal(t, epoch, only(t, folder).Epoch)
	require.NoError(t, a.Forget(epoch-1))
	require.NoError(t, a.Forget(epoch))
	found, err := filepath.Glob(filepath.Join(folder, "*"))
	require.NoError(t, err)
	require.Empty(t, found)
}

func TestABackupThatWasInterruptedIsRemovedTooWhenTheEpochIsOver(t *testing.T) {
	store := newParty(t)
	a, folder := newAutomatic(t, store)
	_, err := a.Keep(epoch)
	require.NoError(t, err)
	before, err := a.load(epoch)
	require.NoError(t, err)
	// The power fails after the second file is there and before the first is removed.
	raw, err := Make(store, epoch, a.to)
	require.NoError(t, err)
	require.NoError(t, a.save(epoch, kept{digests: append(before.digests, vault.KeyDigest(raw))}))
	_, err = a.files.Put(raw)
	require.NoError(t, err)
	made, err := a.Keep(epoch)
	require.NoError(t, err)
	require.True(t, made)
	only(t, folder)
	require.NoError(t, a.Forget(epoch))
	found, err := filepath.Glob(filepath.Join(folder, "*"))
	require.NoError(t, err)
	require.Empty(t, found)
}
