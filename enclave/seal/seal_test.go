package seal

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func deviceFor(t testing.TB, fill byte) Wrapper {
	t.Helper()
	w, err := NewSimulatedDevice(bytes.Repeat([]byte{fill}, 32))
	require.NoError(t, err)
	return w
}

func storeFor(t testing.TB, directory string) *Store {
	t.Helper()
	s, err := Open(directory, deviceFor(t, 1), "tkms-1", "alice")
	require.NoError(t, err)
	return s
}

var share = Object{Kind: "key-share", Key: "key-1", Epoch: 3}

func TestWhatIsSealedOpensAfterARestart(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "a", "b")
	for _, size := range []int{0, 1, 100_000} {
		plaintext := make([]byte, size)
		_, _ = rand.Read(plaintext)
		require.NoError(t, storeFor(t, directory).Put(share, plaintext))
		got, err := storeFor(t, directory).Get(share)
		require.NoError(t, err)
		require.True(t, bytes.Equal(plaintext, got))
	}
	_, err := storeFor(t, directory).Get(Object{Kind: "key-share", Key: "key-2", Epoch: 3})
	require.ErrorIs(t, err, ErrNotFound)
}

func TestTheFileShowsNothingOfThePlaintextAndDiffersEachTime(t *testing.T) {
	directory := t.TempDir()
	s := storeFor(t, directory)
	plaintext := bytes.Repeat([]byte("secret"), 100)
	require.NoError(t, s.Put(share, plaintext))
	name, err := share.fileName()
	require.NoError(t, err)
	first, err := os.ReadFile(filepath.Join(directory, name))
	require.NoError(t, err)
	require.NotContains(t, string(first), "secret")
	info, err := os.Stat(filepath.Join(directory, name))
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())
	require.NoError(t, s.Put(share, plaintext))
	second, err := os.ReadFile(filepath.Join(directory, name))
	require.NoError(t, err)
	require.NotEqual(t, first, second)
}

func TestAnObjectOpensOnlyForWhatItWasSealedFor(t *testing.T) {
	w := deviceFor(t, 1)
	right := Binding{Chain: "tkms-1", Party: "alice", Key: "k", Epoch: 3, Kind: "share"}
	file, err := sealObject(w, right, []byte("x"))
	require.NoError(t, err)
	_, err = openObject(w, right, file)
	require.NoError(t, err)
	for name, change := range map[string]func(*Binding){
		"chain": func(b *Binding) { b.Chain = "tkms-2" }, "party": func(b *Binding) { b.Party = "bob" },
		"key": func(b *Binding) { b.Key = "l" }, "epoch": func(b *Binding) { b.Epoch = 2 }, "kind": func(b *Binding) { b.Kind = "stock" },
		"a byte moved": func(b *Binding) { b.Chain, b.Party = "tkms-1a", "lice" },
	} {
		wrong := right
		change(&wrong)
		_, err := openObject(w, wrong, file)
		require.ErrorIs(t, err, ErrBinding, name)
		// Whoever edits the binding in the file, checksum included, meets the ciphers.
		o, err := decode(file)
		require.NoError(t, err)
		o.binding = wrong.digest()
		_, err = openObject(w, wrong, o.encode())
		require.ErrorIs(t, err, ErrBinding, name)
	}
	_, err = openObject(deviceFor(t, 2), right, file)
	require.ErrorIs(t, err, ErrBinding, "another device")
	_, err = openObject(renamed{w}, right, file)
	require.ErrorIs(t, err, ErrBinding, "another kind of wrapper")
}

type renamed struct{ Wrapper }

func (renamed) Name() string { return "renamed" }

func TestAFileMovedToAnotherNameIsRefused(t *testing.T) {
	directory := t.TempDir()
	s := storeFor(t, directory)
	require.NoError(t, s.Put(share, []byte("x")))
	next := share
	next.Epoch++
	from, _ := share.fileName()
	to, _ := next.fileName()
	require.NoError(t, os.Rename(filepath.Join(directory, from), filepath.Join(directory, to)))
	_, err := s.Get(next)
	require.ErrorIs(t, err, ErrBinding)
}

func TestEveryChangedByteAndEveryTruncationIsDamage(t *testing.T) {
	w, b := deviceFor(t, 1), Binding{Chain: "c", Party: "p", Kind: "k"}
	file, err := sealObject(w, b, []byte("plaintext"))
	require.NoError(t, err)
	for i := range file {
		changed := bytes.Clone(file)
		changed[i] ^= 1
		_, err := openObject(w, b, changed)
		require.ErrorIs(t, err, ErrDamaged, "byte %d", i)
		_, err = openObject(w, b, file[:i])
		require.ErrorIs(t, err, ErrDamaged, "cut at %d", i)
	}
	_, err = openObject(w, b, append(bytes.Clone(file), 0))
	require.ErrorIs(t, err, ErrDamaged)
}

// With the checksum repaired the ciphers still refuse every change.
func TestTheCiphersRefuseWhatTheChecksumCannot(t *testing.T) {
	w, b := deviceFor(t, 1), Binding{Chain: "c", Party: "p", Kind: "k"}
	file, err := sealObject(w, b, []byte("plaintext"))
	require.NoError(t, err)
	o, err := decode(file)
	require.NoError(t, err)
	for i := range o.ciphertext {
		o.ciphertext[i] ^= 1
		_, err := openObject(w, b, o.encode())
		require.ErrorIs(t, err, ErrDamaged)
		o.ciphertext[i] ^= 1
	}
	for i := range o.wrapped {
		o.wrapped[i] ^= 1
		_, err := openObject(w, b, o.encode())
		require.ErrorIs(t, err, ErrBinding)
		o.wrapped[i] ^= 1
	}
	// A data key of another object does not open this one.
	other, err := sealObject(w, b, []byte("plaintext"))
	require.NoError(t, err)
	p, err := decode(other)
	require.NoError(t, err)
	o.wrapped = p.wrapped
	_, err = openObject(w, b, o.encode())
	require.ErrorIs(t, err, ErrDamaged)
}

type failing struct{ Wrapper }

var errService = errors.New("the service is away")

func (failing) Unwrap([]byte, []byte) (Secret, error) { return nil, errService }

func TestAFailingServiceIsNotMistakenForDamage(t *testing.T) {
	w, b := deviceFor(t, 1), Binding{Chain: "c", Party: "p", Kind: "k"}
	file, err := sealObject(w, b, nil)
	require.NoError(t, err)
	_, err = openObject(failing{w}, b, file)
	require.ErrorIs(t, err, errService)
	require.NotErrorIs(t, err, ErrDamaged)
	require.NotErrorIs(t, err, ErrBinding)
}

func TestObjectsAreListedAndDeleted(t *testing.T) {
	directory := t.TempDir()
	s := storeFor(t, directory)
	objects := []Object{{Kind: "key-share", Key: "a/../b", Epoch: 2}, {Kind: "key-share", Key: "", Epoch: 10}, {Kind: "stock", Key: "a", Epoch: 1}}
	for _, i := range []int{2, 0, 1} {
		require.NoError(t, s.Put(objects[i], []byte{byte(i)}))
	}
	require.NoError(t, os.WriteFile(filepath.Join(directory, "stock.01.61.sealed"), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(directory, "notes.txt"), nil, 0o600))
	got, err := s.List()
	require.NoError(t, err)
	require.Equal(t, objects, got)
	require.NoError(t, s.Delete(objects[1]))
	require.NoError(t, s.Delete(objects[1]))
	got, err = s.List()
	require.NoError(t, err)
	require.Equal(t, []Object{objects[0], objects[2]}, got)
	_, err = s.Get(objects[1])
	require.ErrorIs(t, err, ErrNotFound)
}

func TestAnInterruptedWriteLeavesTheOldObject(t *testing.T) {
	directory := t.TempDir()
	s := storeFor(t, directory)
	require.NoError(t, s.Put(share, []byte("old")))
	name, _ := share.fileName()
	partial := filepath.Join(directory, name+temporary+"123")
	require.NoError(t, os.WriteFile(partial, []byte("half"), 0o600))
	got, err := storeFor(t, directory).Get(share)
	require.NoError(t, err)
	require.Equal(t, "old", string(got))
	require.NoFileExists(t, partial)
	// A write that fails leaves no trace and the old object.
	require.Error(t, writeFile(filepath.Join(directory, "missing", "x"), nil))
}

func TestConcurrentWritesLeaveOneWholeObject(t *testing.T) {
	s := storeFor(t, t.TempDir())
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() { require.NoError(t, s.Put(share, bytes.Repeat([]byte{byte(i)}, 5000))) })
	}
	group.Wait()
	got, err := s.Get(share)
	require.NoError(t, err)
	require.Equal(t, bytes.Repeat(got[:1], 5000), []byte(got))
}

func TestNamesThatCannotBeKeptAreRefused(t *testing.T) {
	s := storeFor(t, t.TempDir())
	for _, o := range []Object{{}, {Kind: "Upper"}, {Kind: "a.b"}, {Kind: "../x"}, {Kind: string(make([]byte, 65))}, {Kind: "k", Key: string(make([]byte, 97))}} {
		require.ErrorIs(t, s.Put(o, nil), ErrInvalid)
		_, err := s.Get(o)
		require.ErrorIs(t, err, ErrInvalid)
		require.ErrorIs(t, s.Delete(o), ErrInvalid)
	}
	_, err := Open(t.TempDir(), deviceFor(t, 1), "", "alice")
	require.ErrorIs(t, err, ErrInvalid)
	_, err = NewSimulatedDevice(make([]byte, 31))
	require.ErrorIs(t, err, ErrInvalid)
}

func TestTheDeviceSecretIsMadeOnceAndKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "simulated-device")
	first, err := LoadOrCreateDeviceSecret(path)
	require.NoError(t, err)
	second, err := LoadOrCreateDeviceSecret(path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(first, second))
	require.NoError(t, os.WriteFile(path, []byte("short"), 0o600))
	_, err = LoadOrCreateDeviceSecret(path)
	require.ErrorIs(t, err, ErrDamaged)
}

func TestASecretShowsNowhere(t *testing.T) {
	secret := Secret("very private")
	holder := struct{ Value Secret }{secret}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		require.NotContains(t, fmt.Sprintf(format, secret), "private", format)
		require.NotContains(t, fmt.Sprintf(format, holder), "private", format)
		require.NotContains(t, fmt.Sprintf(format, holder), "76657279", format)
		require.NotContains(t, fmt.Sprintf(format, secret), "118 101", format)
	}
	encoded, err := json.Marshal(holder)
	require.NoError(t, err)
	require.JSONEq(t, `{"Value":"[secret]"}`, string(encoded))
	secret.Zero()
	require.Equal(t, make([]byte, 12), []byte(secret))
}

func FuzzDecode(f *testing.F) {
	w, b := deviceFor(f, 1), Binding{Chain: "c", Party: "p", Kind: "k"}
	file, err := sealObject(w, b, []byte("plaintext"))
	require.NoError(f, err)
	f.Add(file)
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		// The checksum would stop every input but the seed: repair it.
		if len(data) >= overhead {
			content := bytes.Clone(data[:len(data)-sha256.Size])
			sum := sha256.Sum256(content)
			data = append(content, sum[:]...)
		}
		o, err := decode(data)
		if err != nil {
			require.ErrorIs(t, err, ErrDamaged)
			return
		}
		require.Equal(t, data, o.encode(), "one object has one encoding")
		_, _ = openObject(w, b, data)
	})
}
