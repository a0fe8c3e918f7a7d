package journal_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/journal"
)

func open(t *testing.T, path string) *journal.Journal {
	j, err := journal.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func session(i int) mpc.Digest { return mpc.Hash("session", mpc.Uint64(uint64(i))) }

func TestWhatIsSavedComesBackAfterARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j := open(t, path)
	require.NoError(t, j.Save(session(1), 0, []byte("one")))
	require.NoError(t, j.Save(session(1), 1, nil))
	require.NoError(t, j.Save(session(2), 0, bytes.Repeat([]byte{7}, journal.MaxEntry)))
	require.ErrorIs(t, j.Save(session(3), 0, make([]byte, journal.MaxEntry+1)), journal.ErrTooLarge)
	require.NoError(t, j.Close())

	j = open(t, path)
	for _, c := range []struct {
		session mpc.Digest
		batch   uint32
		want    []byte
	}{
		{session(1), 0, []byte("one")}, {session(2), 0, bytes.Repeat([]byte{7}, journal.MaxEntry)},
		{session(1), 1, nil}, {session(2), 1, nil}, {session(3), 0, nil},
	} {
		got, err := j.Load(c.session, c.batch)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
}

func TestTheOldestEntryMakesRoomAlsoAfterARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j := open(t, path)
	for i := range journal.Slots + 3 {
		if i == journal.Slots-5 {
			require.NoError(t, j.Close())
			j = open(t, path)
		}
		require.NoError(t, j.Save(session(i), 0, mpc.Uint64(uint64(i))))
	}
	check := func(j *journal.Journal) {
		for i := range journal.Slots + 3 {
			got, err := j.Load(session(i), 0)
			require.NoError(t, err)
			if i < 3 {
				require.Nil(t, got, "entry %d", i)
			} else {
				require.Equal(t, mpc.Uint64(uint64(i)), got, "entry %d", i)
			}
		}
	}
	check(j)
	require.NoError(t, j.Close())
	check(open(t, path))
}

func TestATornEntryIsIgnoredAndItsSlotUsedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j := open(t, path)
	require.NoError(t, j.Save(session(1), 0, []byte("whole")))
	require.NoError(t, j.Save(session(2), 0, []byte("torn")))
	require.NoError(t, j.Close())
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	at := bytes.Index(raw, []byte("torn"))
	raw[at+2] ^= 1
	require.NoError(t, os.WriteFile(path, raw, 0o600))

	j = open(t, path)
	got, err := j.Load(session(2), 0)
	require.NoError(t, err)
	require.Nil(t, got)
	require.NoError(t, j.Save(session(3), 0, []byte("next")))
	for i, want := range map[int]string{1: "whole", 3: "next"} {
		got, err := j.Load(session(i), 0)
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
}

func TestAnotherFileIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	require.NoError(t, os.WriteFile(path, []byte("something else"), 0o600))
	_, err := journal.Open(path)
	require.ErrorIs(t, err, journal.ErrFile)
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte{}, uint32(0))
	f.Add(bytes.Repeat([]byte{0xff}, 200), uint32(8))
	f.Fuzz(func(t *testing.T, raw []byte, at uint32) {
		path := filepath.Join(t.TempDir(), "journal")
		j := open(t, path)
		require.NoError(t, j.Save(session(1), 0, []byte("one")))
		require.NoError(t, j.Close())
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		require.NoError(t, err)
		_, err = file.WriteAt(raw[:min(len(raw), 4096)], int64(at%(1<<20)))
		require.NoError(t, err)
		require.NoError(t, file.Close())
		j = open(t, path)
		require.NoError(t, j.Save(session(2), 0, []byte("two")))
		got, err := j.Load(session(2), 0)
		require.NoError(t, err)
		require.Equal(t, "two", string(got))
	})
}

func BenchmarkSave(b *testing.B) {
	j, err := journal.Open(filepath.Join(b.TempDir(), "journal"))
	require.NoError(b, err)
	defer j.Close()
	echo := make([]byte, 448)
	for i := range b.N {
		require.NoError(b, j.Save(session(i), 0, echo))
	}
}
