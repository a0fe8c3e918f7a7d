package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/crypto/sha3"
)

var (
	// ErrTooLarge reports an object over the bound of one.
	ErrTooLarge = errors.New("the object exceeds the size bound")
	// ErrEmpty reports an object without bytes.
	ErrEmpty = errors.New("the object is empty")
	// ErrDigest reports bytes whose digest is not the announced one.
	ErrDigest = errors.New("the bytes do not have the announced digest")
	// ErrFull reports that all objects together reached their bound.
	ErrFull = errors.New("the store is full")
	// ErrNotFound reports a digest without bytes.
	ErrNotFound = errors.New("the store has no such object")
)

// partial ends the names of files that are being written.
const partial = ".part"

// Limits bound a store, in bytes.
type Limits struct {
	// Object bounds one object, Total all of them.
	Object, Total int64
}

// Store is a folder of objects. It is safe for concurrent use; only one process
// may have it open.
type Store struct {
	root   *os.Root
	limits Limits

	mu   sync.Mutex
	used int64
}

// Open opens a folder, makes it if it is missing, and removes what interrupted
// writes left behind.
func Open(folder string, limits Limits) (*Store, error) {
	if limits.Object <= 0 || limits.Total < limits.Object {
		return nil, fmt.Errorf("store: bounds of %d bytes an object and %d in all admit no object", limits.Object, limits.Total)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	root, err := os.OpenRoot(filepath.Clean(folder))
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	s := &Store{root: root, limits: limits}
	if err := fs.WalkDir(root.FS(), ".", s.take); err != nil {
		return nil, fmt.Errorf("store: %w", errors.Join(err, root.Close()))
	}
	return s, nil
}

// take counts an object that was there before, or removes what is none.
func (s *Store) take(path string, entry fs.DirEntry, err error) error {
	if err != nil || entry.IsDir() {
		return err
	}
	if strings.HasSuffix(path, partial) {
		return s.root.Remove(path)
	}
	info, err := entry.Info()
	if err != nil {
		return err
	}
	s.used += info.Size()
	return nil
}

// Close releases the folder.
func (s *Store) Close() error { return s.root.Close() }

// Used returns how many bytes all objects have.
func (s *Store) Used() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used
}

// Limits returns the store's bounds.
func (s *Store) Limits() Limits { return s.limits }

func path(d Digest) string {
	name := d.String()
	return name[:2] + "/" + name
}

// Put stores what it reads and returns its digest and length. If announced is not
// nil, other bytes are ErrDigest. When Put returns without error the object is on
// disk; else nothing of it is. Storing an object again is no error and repairs one
// whose file was damaged.
func (s *Store) Put(body io.Reader, announced *Digest) (Digest, int64, error) {
	name := rand.Text() + partial
	file, err := s.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return Digest{}, 0, fmt.Errorf("store: %w", err)
	}
	digest, size, err := s.fill(file, body)
	if err == nil && announced != nil && digest != *announced {
		err = fmt.Errorf("%w: %s instead of %s", ErrDigest, digest, announced)
	}
	if err == nil {
		err = s.adopt(name, digest, size)
	}
	if err != nil {
		_ = s.root.Remove(name)
		return Digest{}, 0, err
	}
	return digest, size, nil
}

// fill writes the body to a file, and the file to the disk.
func (s *Store) fill(file *os.File, body io.Reader) (digest Digest, size int64, err error) {
	defer func() {
		if closeErr := file.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("store: %w", closeErr)
		}
	}()
	hash := sha3.NewLegacyKeccak256()
	size, err = io.Copy(io.MultiWriter(file, hash), io.LimitReader(body, s.limits.Object+1))
	switch {
	case err != nil:
		return digest, 0, fmt.Errorf("store: %w", err)
	case size > s.limits.Object:
		return digest, 0, fmt.Errorf("%w of %d bytes", ErrTooLarge, s.limits.Object)
	case size == 0:
		return digest, 0, ErrEmpty
	}
	hash.Sum(digest[:0])
	if err := file.Sync(); err != nil {
		return digest, 0, fmt.Errorf("store: %w", err)
	}
	return digest, size, nil
}

// adopt gives a written file its name.
func (s *Store) adopt(name string, digest Digest, size int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	grown := size
	if info, err := s.root.Stat(path(digest)); err == nil {
		grown -= info.Size()
	}
	if s.used+grown > s.limits.Total {
		return fmt.Errorf("%w: %d of %d bytes are used", ErrFull, s.used, s.limits.Total)
	}
	folder := digest.String()[:2]
	if err := s.root.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("store: %w", err)
	}
	if err := s.root.Rename(name, path(digest)); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	s.used += grown
	return s.syncFolder(folder)
}

// syncFolder makes names last: without it a power failure may take them.
func (s *Store) syncFolder(folder string) error {
	for _, name := range []string{folder, "."} {
		file, err := s.root.Open(name)
		if err != nil {
			return fmt.Errorf("store: %w", err)
		}
		if err = errors.Join(file.Sync(), file.Close()); err != nil {
			return fmt.Errorf("store: %w", err)
		}
	}
	return nil
}

// Open opens an object for reading and returns its length, or ErrNotFound.
func (s *Store) Open(digest Digest) (io.ReadSeekCloser, int64, error) {
	file, err := s.root.Open(path(digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("%w: %s", ErrNotFound, digest)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("store: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("store: %w", errors.Join(err, file.Close()))
	}
	return file, info.Size(), nil
}

// Has reports whether an object is there.
func (s *Store) Has(digest Digest) bool {
	_, err := s.root.Stat(path(digest))
	return err == nil
}
