package store_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/store"
)

func open(t *testing.T, folder string, limits store.Limits) *store.Store {
	t.Helper()
	s, err := store.Open(folder, limits)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func read(t *testing.T, s *store.Store, d store.Digest) []byte {
	t.Helper()
	body, size, err := s.Open(d)
	require.NoError(t, err)
	defer body.Close()
	raw, err := io.ReadAll(body)
	require.NoError(t, err)
	require.EqualValues(t, len(raw), size)
	return raw
}

// files lists what is in a folder, below it too.
func files(t *testing.T, folder string) []string {
	t.Helper()
	var names []string
	require.NoError(t, filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			names = append(names, filepath.Base(path))
		}
		return err
	}))
	return names
}

func TestAnObjectIsFoundUnderItsKeccakAlsoAfterReopening(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, store.Limits{Object: 100, Total: 1000})
	alice := []byte("alice's ciphertext")
	digest, size, err := s.Put(bytes.NewReader(alice), nil)
	require.NoError(t, err)
	require.Equal(t, store.Digest(crypto.Keccak256Hash(alice)), digest)
	require.EqualValues(t, len(alice), size)
	require.Equal(t, alice, read(t, s, digest))
	require.NoError(t, s.Close())

	s = open(t, folder, store.Limits{Object: 100, Total: 1000})
	require.Equal(t, alice, read(t, s, digest))
	require.EqualValues(t, len(alice), s.Used())
	require.True(t, s.Has(digest))
}

func TestWhatIsRefusedLeavesNothingBehind(t *testing.T) {
	other := store.Digest(crypto.Keccak256Hash([]byte("other")))
	for name, c := range map[string]struct {
		body      io.Reader
		announced *store.Digest
		want      error
	}{
		"other bytes than announced": {strings.NewReader("bytes"), &other, store.ErrDigest},
		"one byte too many":          {strings.NewReader(strings.Repeat("x", 11)), nil, store.ErrTooLarge},
		"nothing":                    {strings.NewReader(""), nil, store.ErrEmpty},
		"a body that breaks off":     {io.MultiReader(strings.NewReader("by"), broken{}), nil, errBroken},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			s := open(t, folder, store.Limits{Object: 10, Total: 100})
			_, _, err := s.Put(c.body, c.announced)
			require.ErrorIs(t, err, c.want)
			require.Empty(t, files(t, folder))
			require.Zero(t, s.Used())
		})
	}
}

var errBroken = errors.New("connection lost")

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errBroken }

func TestAllObjectsTogetherAreBounded(t *testing.T) {
	s := open(t, t.TempDir(), store.Limits{Object: 10, Total: 25})
	put := func(c string) error {
		_, _, err := s.Put(strings.NewReader(strings.Repeat(c, 10)), nil)
		return err
	}
	require.NoError(t, put("a"))
	require.NoError(t, put("b"))
	require.ErrorIs(t, put("c"), store.ErrFull)
	require.NoError(t, put("a"), "an object that is there takes no further room")
	require.EqualValues(t, 20, s.Used())
}

func TestADamagedObjectIsRepairedByStoringItAgain(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder, store.Limits{Object: 10, Total: 25})
	digest, _, err := s.Put(strings.NewReader("whole"), nil)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, digest.String()[:2], digest.String()), []byte("wh"), 0o600))
	_, _, err = s.Put(strings.NewReader("whole"), &digest)
	require.NoError(t, err)
	require.Equal(t, []byte("whole"), read(t, s, digest))
}

func TestInterruptedWritesAreRemovedWhenTheStoreOpens(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "X.part"), []byte("half"), 0o600))
	s := open(t, folder, store.Limits{Object: 10, Total: 25})
	require.Empty(t, files(t, folder))
	require.Zero(t, s.Used())
}

func TestWritersOfOneObjectDoNotDisturbEachOther(t *testing.T) {
	s := open(t, t.TempDir(), store.Limits{Object: 10, Total: 25})
	var group sync.WaitGroup
	failures := make([]error, 8)
	for i := range failures {
		group.Go(func() { _, _, failures[i] = s.Put(strings.NewReader("same"), nil) })
	}
	group.Wait()
	require.NoError(t, errors.Join(failures...))
	require.EqualValues(t, 4, s.Used())
}

func TestADigestThatNobodyStoredIsNotFound(t *testing.T) {
	s := open(t, t.TempDir(), store.Limits{Object: 10, Total: 25})
	_, _, err := s.Open(store.Digest{1})
	require.ErrorIs(t, err, store.ErrNotFound)
	require.False(t, s.Has(store.Digest{1}))
}

func TestBoundsThatAdmitNoObjectAreRefused(t *testing.T) {
	_, err := store.Open(t.TempDir(), store.Limits{Object: 10, Total: 9})
	require.Error(t, err)
	_, err = store.Open(t.TempDir(), store.Limits{})
	require.Error(t, err)
}

func FuzzParseDigest(f *testing.F) {
	f.Add(strings.Repeat("a1", 32))
	f.Add("../../" + strings.Repeat("0", 58))
	f.Fuzz(func(t *testing.T, text string) {
		d, err := store.ParseDigest(text)
		if err == nil && d.String() != text {
			t.Fatalf("%q was read as %s", text, d)
		}
		if err != nil && !errors.Is(err, store.ErrName) {
			t.Fatal(err)
		}
	})
}
