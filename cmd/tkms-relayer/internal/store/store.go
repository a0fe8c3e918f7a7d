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

	"github.com/tkms-network/tkms/enclave/objects"
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
	ErrNotFound = objects.ErrNotFound
	// ErrDamaged reports an object that is not any more what was stored.
	ErrDamaged = errors.New("the stored object is damaged")
)

// partial ends the names of files that are being written.
const partial = ".part"

// Limits bound a store, in bytes.
type Limits struct {
	// Object bounds one object, Total all of them.
	Object, Total int64
}

// Store keeps objects. It is safe for concurrent use; only one process may have its
// folder open.
type Store struct {
	// spool is where objects are written before they have a name.
	spool  *os.Root
	keeper objects.Keeper
	limits Limits

	// naming are locks of names, so that writers of one object do not count it twice.
	naming [64]sync.Mutex

	mu   sync.Mutex
	used int64
}

// Open opens a folder of objects, makes it if it is missing, and removes what
// interrupted writes left behind.
func Open(folder string, limits Limits) (*Store, error) {
	return open(folder, limits, func(spool *os.Root) (objects.Keeper, error) { return objects.InFolder(spool), nil })
}

// OpenBucket opens a bucket that is there already, and counts what it holds. The folder
// is for objects on their way. Errors: objects.ErrBucket.
func OpenBucket(folder string, location *objects.Location, who objects.Credentials, limits Limits) (*Store, error) {
	return open(folder, limits, func(spool *os.Root) (objects.Keeper, error) { return objects.InBucket(spool, location, who) })
}

func open(folder string, limits Limits, with func(spool *os.Root) (objects.Keeper, error)) (*Store, error) {
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
	s := &Store{spool: root, limits: limits}
	s.keeper, err = with(root)
	if err == nil {
		err = removePartial(root)
	}
	if err == nil {
		s.used, err = s.keeper.Used()
	}
	if err != nil {
		return nil, fmt.Errorf("store: %w", errors.Join(err, root.Close()))
	}
	return s, nil
}

func removePartial(root *os.Root) error {
	list, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	for _, entry := range list {
		if !entry.IsDir() && strings.HasSuffix(entry.Name(), partial) {
			if err := root.Remove(entry.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}

// Close releases the folder.
func (s *Store) Close() error { return s.spool.Close() }

// Used returns how many bytes all objects have.
func (s *Store) Used() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used
}

// Limits returns the store's bounds.
func (s *Store) Limits() Limits { return s.limits }

// path is the name of an object.
func path(d Digest) string {
	name := d.String()
	return name[:2] + "/" + name
}

// create opens a new file in the spool.
func (s *Store) create() (*os.File, string, error) {
	name := rand.Text() + partial
	file, err := s.spool.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, "", fmt.Errorf("store: %w", err)
	}
	return file, name, nil
}

// Put stores what it reads and returns its digest and length. If announced is not
// nil, other bytes are ErrDigest. When Put returns without error the object is kept;
// else nothing of it is. Storing an object again is no error and repairs one that was
// damaged.
func (s *Store) Put(body io.Reader, announced *Digest) (Digest, int64, error) {
	file, name, err := s.create()
	if err != nil {
		return Digest{}, 0, err
	}
	defer s.spool.Remove(name) //nolint:errcheck // it may have been moved
	digest, size, err := s.write(file, body)
	if err == nil && announced != nil && digest != *announced {
		err = fmt.Errorf("%w: %s instead of %s", ErrDigest, digest, announced)
	}
	if err == nil {
		err = s.keep(name, digest, size)
	}
	if err != nil {
		return Digest{}, 0, err
	}
	return digest, size, nil
}

// write fills a file, puts it on the disk and closes it.
func (s *Store) write(file *os.File, body io.Reader) (digest Digest, size int64, err error) {
	defer func() {
		if closeErr := file.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("store: %w", closeErr)
		}
	}()
	digest, size, err = s.copy(file, body)
	if err == nil {
		if err = file.Sync(); err != nil {
			err = fmt.Errorf("store: %w", err)
		}
	}
	return digest, size, err
}

// copy copies an object and returns its digest.
func (s *Store) copy(to io.Writer, body io.Reader) (digest Digest, size int64, err error) {
	hash := sha3.NewLegacyKeccak256()
	size, err = io.Copy(io.MultiWriter(to, hash), io.LimitReader(body, s.limits.Object+1))
	switch {
	case err != nil:
		return digest, 0, fmt.Errorf("store: %w", err)
	case size > s.limits.Object:
		return digest, 0, fmt.Errorf("%w of %d bytes", ErrTooLarge, s.limits.Object)
	case size == 0:
		return digest, 0, ErrEmpty
	}
	hash.Sum(digest[:0])
	return digest, size, nil
}

// keep makes a written file an object. Room is taken before, so that writers at
// the same time do not exceed the bound together.
func (s *Store) keep(file string, digest Digest, size int64) error {
	naming := &s.naming[digest[0]%byte(len(s.naming))]
	naming.Lock()
	defer naming.Unlock()
	name, grown := path(digest), size
	before, err := s.keeper.Size(name)
	switch {
	case err == nil:
		grown -= before
	case !errors.Is(err, ErrNotFound):
		return fmt.Errorf("store: %w", err)
	}
	if err := s.take(grown); err != nil {
		return err
	}
	if err := s.keeper.Adopt(file, name, size); err != nil {
		_ = s.take(-grown)
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

func (s *Store) take(bytes int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if bytes > 0 && s.used+bytes > s.limits.Total {
		return fmt.Errorf("%w: %d of %d bytes are used", ErrFull, s.used, s.limits.Total)
	}
	s.used += bytes
	return nil
}

// Open returns an object, whose digest it has checked, and its length. Errors:
// ErrNotFound, ErrDamaged, or those of whatever keeps the objects.
func (s *Store) Open(digest Digest) (io.ReadSeekCloser, int64, error) {
	object, _, err := s.keeper.Open(path(digest))
	if err != nil {
		return nil, 0, fmt.Errorf("store: %w: %s", err, digest)
	}
	if s.keeper.Local() {
		return s.checked(digest, object, io.Discard, object)
	}
	defer object.Close()
	file, name, err := s.create()
	if err != nil {
		return nil, 0, err
	}
	// The open file outlives its name.
	defer s.spool.Remove(name) //nolint:errcheck // the next Open of the store does it
	return s.checked(digest, object, file, file)
}

// checked copies an object, and returns the file that has it if the digest is right.
func (s *Store) checked(digest Digest, object io.Reader, to io.Writer, file io.ReadSeekCloser) (io.ReadSeekCloser, int64, error) {
	found, size, err := s.copy(to, object)
	if err == nil && found != digest || errors.Is(err, ErrEmpty) || errors.Is(err, ErrTooLarge) {
		err = fmt.Errorf("%w: %s", ErrDamaged, digest)
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, size, nil
}
