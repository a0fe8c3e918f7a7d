package seal

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Store keeps sealed objects of one party on one chain in a directory. It is
// safe for concurrent use by one process; of two concurrent writes of one
// object one remains, whole.
type Store struct {
	directory string
	wrapper   Wrapper
	chain     string
	party     string
}

// Object names an object within a store.
type Object struct {
	// Kind says what it is: 1 to 64 of a–z, 0–9 and '-'.
	Kind string
	// Key is the key's id, may be empty.
	Key string
	// Epoch is the epoch, 0 for none.
	Epoch uint64
}

// Open uses a directory, creating it if missing, and removes what an interrupted
// write has left.
func Open(directory string, wrapper Wrapper, chain, party string) (*Store, error) {
	s := &Store{directory: directory, wrapper: wrapper, chain: chain, party: party}
	if err := s.binding(Object{Kind: "probe"}).check(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return nil, fmt.Errorf("seal: making the store: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(directory, "*"+temporary+"*"))
	if err != nil {
		return nil, fmt.Errorf("seal: tidying the store: %w", err)
	}
	for _, path := range left {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("seal: tidying the store: %w", err)
		}
	}
	return s, nil
}

// Owner returns the chain and the party that every object is bound to.
func (s *Store) Owner() (chain, party string) { return s.chain, s.party }

func (s *Store) binding(o Object) Binding {
	return Binding{Chain: s.chain, Party: s.party, Key: o.Key, Epoch: o.Epoch, Kind: o.Kind}
}

const (
	suffix    = ".sealed"
	temporary = ".writing-"
	maxKind   = 64
)

// fileName is kind.epoch.hex(key).sealed: one to one, and safe on every file system.
func (o Object) fileName() (string, error) {
	if len(o.Kind) < 1 || len(o.Kind) > maxKind || len(o.Key) > 96 {
		return "", fmt.Errorf("%w: kind or key is too long or empty", ErrInvalid)
	}
	for _, c := range o.Kind {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return "", fmt.Errorf("%w: kind %q", ErrInvalid, o.Kind)
		}
	}
	return o.Kind + "." + strconv.FormatUint(o.Epoch, 10) + "." + hex.EncodeToString([]byte(o.Key)) + suffix, nil
}

func parseFileName(name string) (Object, bool) {
	parts := strings.Split(strings.TrimSuffix(name, suffix), ".")
	if !strings.HasSuffix(name, suffix) || len(parts) != 3 {
		return Object{}, false
	}
	epoch, err := strconv.ParseUint(parts[1], 10, 64)
	if err != nil {
		return Object{}, false
	}
	key, err := hex.DecodeString(parts[2])
	if err != nil {
		return Object{}, false
	}
	o := Object{Kind: parts[0], Key: string(key), Epoch: epoch}
	back, err := o.fileName()
	return o, err == nil && back == name
}

// Put seals plaintext as o, replacing what was there. When it returns nil the
// object survives a loss of power.
func (s *Store) Put(o Object, plaintext []byte) error {
	name, err := o.fileName()
	if err != nil {
		return err
	}
	file, err := sealObject(s.wrapper, s.binding(o), plaintext)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(s.directory, name), file)
}

// Get opens o. The caller zeroes the result when done.
func (s *Store) Get(o Object) (Secret, error) {
	name, err := o.fileName()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(s.directory, name)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %v", ErrNotFound, s.binding(o))
	}
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	if uint64(info.Size()) > maxPlaintext+1<<16 {
		return nil, fmt.Errorf("opening %v: %w", s.binding(o), ErrDamaged)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return openObject(s.wrapper, s.binding(o), file)
}

// List names all objects, ordered by kind, epoch and key. That a name is listed
// does not say that it opens.
func (s *Store) List() ([]Object, error) {
	entries, err := os.ReadDir(s.directory)
	if err != nil {
		return nil, fmt.Errorf("seal: listing the store: %w", err)
	}
	var objects []Object
	for _, entry := range entries {
		if o, ok := parseFileName(entry.Name()); ok && entry.Type().IsRegular() {
			objects = append(objects, o)
		}
	}
	slices.SortFunc(objects, func(a, b Object) int {
		if c := strings.Compare(a.Kind, b.Kind); c != 0 {
			return c
		}
		if a.Epoch != b.Epoch {
			if a.Epoch < b.Epoch {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Key, b.Key)
	})
	return objects, nil
}

// Delete removes o; an object that is not there is no error. File systems keep
// old blocks: what must be beyond recovery needs its wrapping key destroyed.
func (s *Store) Delete(o Object) error {
	name, err := o.fileName()
	if err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(s.directory, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("seal: deleting %v: %w", s.binding(o), err)
	}
	return syncDirectory(s.directory)
}

// writeFile replaces path by a file with these bytes, all or nothing.
func writeFile(path string, content []byte) (err error) {
	directory := filepath.Dir(path)
	file, err := os.CreateTemp(directory, filepath.Base(path)+temporary+"*") // mode 0600
	if err != nil {
		return fmt.Errorf("seal: writing: %w", err)
	}
	defer func() {
		if err != nil {
			_ = file.Close()
			_ = os.Remove(file.Name())
			err = fmt.Errorf("seal: writing: %w", err)
		}
	}()
	if _, err = file.Write(content); err != nil {
		return err
	}
	if err = file.Sync(); err != nil {
		return err
	}
	if err = file.Close(); err != nil {
		return err
	}
	if err = os.Rename(file.Name(), path); err != nil {
		return err
	}
	return syncDirectory(directory)
}

// syncDirectory makes a rename or removal durable.
func syncDirectory(path string) error {
	directory, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	syncErr := directory.Sync()
	if err := directory.Close(); err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	if syncErr != nil {
		return fmt.Errorf("seal: %w", syncErr)
	}
	return nil
}
