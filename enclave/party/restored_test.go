package party

import (
	"os"
	"path/filepath"
	"testing"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/party/backup"
)

func TestARestoredPartyHasSharesOnlyUntilTheNextRefresh(t *testing.T) {
	w := newWorld(t, 4, nil)
	first := w.activeEpoch()
	key := w.activeKey()
	custodians := make([]age.Identity, 3)
	var recipients []string
	for i := range custodians {
		identity, err := age.GenerateHybridIdentity()
		require.NoError(t, err)
		custodians[i], recipients = identity, append(recipients, identity.Recipient().String())
	}
	to, err := backup.NewCustodians(recipients, 2)
	require.NoError(t, err)
	w.stop(2)
	n := w.nodes[2]
	encoded, err := n.identity.MarshalBinary()
	require.NoError(t, err)
	require.NoError(t, n.store.Put(backup.Identity, encoded))
	raw, err := backup.Make(n.store, first, to)
	require.NoError(t, err)

	// The machine is gone, and another enclave takes its place.
	for _, name := range []string{"device", "sealed", "echoes", "keys"} {
		require.NoError(t, os.RemoveAll(filepath.Join(n.folder, name)))
	}
	w.open(n)
	recipient, err := backup.Recipient(n.store)
	require.NoError(t, err)
	var pieces [][]byte
	for _, custodian := range custodians[1:] {
		piece, _, err := backup.Piece(raw, []age.Identity{custodian}, recipient)
		require.NoError(t, err)
		pieces = append(pieces, piece)
	}
	_, err = backup.Restore(n.store, raw, pieces, first)
	require.NoError(t, err)
	w.start(2)
	w.eventually("it says that it has shares only", func() bool { return n.board.Party().Main().SharesOnly })
	require.Equal(t, first, w.decrypts(key, 1), "the others do without it")

	second := w.rotate(false)
	w.serves(second)
	require.Len(t, w.epoch(second).Resharing.Digests, 4, "it handed its shares over")
	w.eventually("it works again", func() bool { return w.holds(2, key) && !n.board.Party().Main().SharesOnly })
	w.stop(1)
	require.Equal(t, second, w.decrypts(key, 2), "its share is needed")
}
