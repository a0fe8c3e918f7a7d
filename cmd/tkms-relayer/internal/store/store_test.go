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

// place is somewhere to keep objects, empty at first.
type place struct {
	// folder of what is written.
	folder string
	open   func(limits store.Limits) (*store.Store, error)
	// damage puts other bytes under a name.
	damage func(t *testing.T, name string, raw []byte)
}

// places are all that keeps objects: each has to do all that follows.
var places = map[string]func(*testing.T) *place{"a folder": newFolder, "a bucket": newBucket}

func newFolder(t *testing.T) *place {
	folder := t.TempDir()
	return &place{
		folder: folder,
		open:   func(limits store.Limits) (*store.Store, error) { return store.Open(folder, limits) },
		damage: func(t *testing.T, name string, raw []byte) {
			require.NoError(t, os.WriteFile(filepath.Join(folder, name), raw, 0o600))
		},
	}
}

func everywhere(t *testing.T, test func(*testing.T, *place)) {
	for name, make := range places {
		t.Run(name, func(t *testing.T) { test(t, make(t)) })
	}
}

func (p *place) store(t *testing.T, limits store.Limits) *store.Store {
	t.Helper()
	s, err := p.open(limits)
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

// partial lists what interrupted or refused writes left in a folder.
func partial(t *testing.T, folder string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*.part"))
	require.NoError(t, err)
	return names
}

func TestAnObjectIsFoundUnderItsKeccakAlsoAfterReopening(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		s := p.store(t, store.Limits{Object: 100, Total: 1000})
		alice := []byte("alice's ciphertext")
		digest, size, err := s.Put(bytes.NewReader(alice), nil)
		require.NoError(t, err)
		require.Equal(t, store.Digest(crypto.Keccak256Hash(alice)), digest)
		require.EqualValues(t, len(alice), size)
		require.Equal(t, alice, read(t, s, digest))
		require.NoError(t, s.Close())

		s = p.store(t, store.Limits{Object: 100, Total: 1000})
		require.Equal(t, alice, read(t, s, digest))
		require.EqualValues(t, len(alice), s.Used())
		require.Empty(t, partial(t, p.folder))
	})
}

func TestWhatIsRefusedLeavesNothingBehind(t *testing.T) {
	other := store.Digest(crypto.Keccak256Hash([]byte("other")))
	everywhere(t, func(t *testing.T, p *place) {
		s := p.store(t, store.Limits{Object: 10, Total: 100})
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
				_, _, err := s.Put(c.body, c.announced)
				require.ErrorIs(t, err, c.want)
				require.Empty(t, partial(t, p.folder))
				require.Zero(t, s.Used())
			})
		}
		_, _, err := s.Open(other)
		require.ErrorIs(t, err, store.ErrNotFound)
	})
}

var errBroken = errors.New("connection lost")

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errBroken }

func TestAllObjectsTogetherAreBounded(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		s := p.store(t, store.Limits{Object: 10, Total: 25})
		put := func(c string) error {
			_, _, err := s.Put(strings.NewReader(strings.Repeat(c, 10)), nil)
			return err
		}
		require.NoError(t, put("a"))
		require.NoError(t, put("b"))
		require.ErrorIs(t, put("c"), store.ErrFull)
		require.NoError(t, put("a"), "an object that is there takes no further room")
		require.EqualValues(t, 20, s.Used())
	})
}

func TestADamagedObjectIsNotServedAndRepairedByStoringItAgain(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		s := p.store(t, store.Limits{Object: 10, Total: 40})
		digest, _, err := s.Put(strings.NewReader("whole"), nil)
		require.NoError(t, err)
		name := digest.String()[:2] + "/" + digest.String()
		for what, raw := range map[string]string{"cut off": "wh", "exchanged": "whale", "emptied": "", "grown": strings.Repeat("whole", 9)} {
			p.damage(t, name, []byte(raw))
			_, _, err = s.Open(digest)
			require.ErrorIs(t, err, store.ErrDamaged, what)
		}
		require.Empty(t, partial(t, p.folder))
		_, _, err = s.Put(strings.NewReader("whole"), &digest)
		require.NoError(t, err)
		require.Equal(t, []byte("whole"), read(t, s, digest))
	})
}

func TestInterruptedWritesAreRemovedWhenTheStoreOpens(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		require.NoError(t, os.WriteFile(filepath.Join(p.folder, "X.part"), []byte("half"), 0o600))
		s := p.store(t, store.Limits{Object: 10, Total: 25})
		require.Empty(t, partial(t, p.folder))
		require.Zero(t, s.Used())
	})
}

func TestWritersOfOneObjectDoNotDisturbEachOther(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		s := p.store(t, store.Limits{Object: 10, Total: 25})
		var group sync.WaitGroup
		failures := make([]error, 8)
		for i := range failures {
			group.Go(func() { _, _, failures[i] = s.Put(strings.NewReader("same"), nil) })
		}
		group.Wait()
		require.NoError(t, errors.Join(failures...))
		require.EqualValues(t, 4, s.Used())
	})
}

func TestADigestThatNobodyStoredIsNotFound(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		_, _, err := p.store(t, store.Limits{Object: 10, Total: 25}).Open(store.Digest{1})
		require.ErrorIs(t, err, store.ErrNotFound)
	})
}

func TestBoundsThatAdmitNoObjectAreRefused(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		_, err := p.open(store.Limits{Object: 10, Total: 9})
		require.Error(t, err)
		_, err = p.open(store.Limits{})
		require.Error(t, err)
	})
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
