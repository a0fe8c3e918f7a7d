// Package keyfile makes the files of a key set: bodies come in any order and go to
// their places, so that none of a file is ever held in memory, and what a party wrote
// before it was restarted stays.
//
// The files are public material. Nothing here checks the bodies: their digest is
// compared among the parties before a key becomes active.
package keyfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tkms-network/tkms/enclave/tfhe"
)

// ErrState reports a use out of order: bodies before the seed, or the other way round.
var ErrState = errors.New("keyfile: the files are not begun, or with another seed")

// objects are the files of a key set, in the order in which they are named.
var objects = []tfhe.Object{tfhe.ObjectXofKeySet, tfhe.ObjectServerKey}

// File is one finished file.
type File struct {
	Object tfhe.Object
	Path   string
	Size   int64
}

// Files are those of one attempt to generate a key. Methods other than WriteBodies
// are not safe for concurrent use.
type Files struct {
	parameters tfhe.Parameters
	folder     string
	body       *os.File // of the compact public key
	files      []*os.File
	layouts    []*tfhe.Layout
	begun      bool
	fresh      bool
}

// Open returns the files of a folder, which it makes if it is missing. A parameter set
// that publishes the compact public key only has none, and its body is kept all the
// same.
func Open(folder string, p tfhe.Parameters) (*Files, error) {
	f := &Files{parameters: p, folder: filepath.Clean(folder)}
	if err := os.MkdirAll(f.folder, 0o700); err != nil {
		return nil, fmt.Errorf("keyfile: %w", err)
	}
	var err error
	if f.body, err = f.open(filepath.Join(f.folder, "public-key-body")); err != nil {
		return nil, err
	}
	if len(p.Parts()) == 1 {
		return f, nil
	}
	for _, o := range objects {
		file, err := f.open(f.path(o))
		if err != nil {
			_ = f.Close()
			return nil, err
		}
		f.files = append(f.files, file)
	}
	return f, nil
}

func (f *Files) open(path string) (*os.File, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		f.fresh = true
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644) //nolint:gosec // public material
	if err != nil {
		return nil, fmt.Errorf("keyfile: %w", err)
	}
	return file, nil
}

func (f *Files) path(o tfhe.Object) string {
	return filepath.Join(f.folder, strings.ToLower(o.String()))
}

// Fresh reports whether some file was not there before Open: bodies that were written
// earlier are lost.
func (f *Files) Fresh() bool { return f.fresh }

// Begin fixes the seed: what the files have besides bodies is written, over what is
// there.
func (f *Files) Begin(seed [16]byte) error {
	f.layouts, f.begun = nil, false
	for i, file := range f.files {
		layout, err := f.parameters.Layout(objects[i], seed)
		if err != nil {
			return fmt.Errorf("keyfile: %w", err)
		}
		if err := file.Truncate(layout.Size()); err != nil {
			return fmt.Errorf("keyfile: %w", err)
		}
		if err := layout.WriteSkeleton(file); err != nil {
			return fmt.Errorf("keyfile: %w", err)
		}
		f.layouts = append(f.layouts, layout)
	}
	f.begun = true
	return nil
}

// WriteBodies writes little-endian words of a component from its word first on to
// every file that has the component. It is safe for concurrent use.
func (f *Files) WriteBodies(c tfhe.Component, first int64, words []byte) error {
	part, ok := f.parameters.Part(c)
	if !ok || !f.begun {
		return fmt.Errorf("%w: bodies of %v", ErrState, c)
	}
	at := first * int64(part.Width/8)
	size := int64(part.Rows()) * int64(part.BodyWords()) * int64(part.Width/8)
	if first < 0 || at+int64(len(words)) > size {
		return fmt.Errorf("%w: %d bytes of %v at %d", ErrState, len(words), c, at)
	}
	if c == tfhe.ComponentPublicKey {
		if _, err := f.body.WriteAt(words, at); err != nil {
			return fmt.Errorf("keyfile: %w", err)
		}
	}
	for i, file := range f.files {
		offset, has := f.layouts[i].Offset(c)
		if !has {
			continue
		}
		if _, err := file.WriteAt(words, offset+at); err != nil {
			return fmt.Errorf("keyfile: %w", err)
		}
	}
	return nil
}

// PublicKeyBody returns the body of the compact public key, ErrState before it is
// written.
func (f *Files) PublicKeyBody() ([]uint64, error) {
	part, _ := f.parameters.Part(tfhe.ComponentPublicKey)
	raw := make([]byte, 8*part.BodyWords())
	if _, err := f.body.ReadAt(raw, 0); err != nil {
		return nil, fmt.Errorf("%w: the public key: %w", ErrState, err)
	}
	out := make([]uint64, part.BodyWords())
	for i := range out {
		out[i] = binary.LittleEndian.Uint64(raw[8*i:])
	}
	return out, nil
}

// KeySet opens the whole set for reading, until Close.
func (f *Files) KeySet() (*tfhe.KeySet, error) {
	if !f.begun || len(f.files) == 0 {
		return nil, ErrState
	}
	return tfhe.OpenKeySet(f.files[0], f.layouts[0].Size(), f.parameters)
}

// Finished writes the files to the disk and names them.
func (f *Files) Finished() ([]File, error) {
	if !f.begun {
		return nil, ErrState
	}
	var out []File
	for i, file := range f.files {
		if err := file.Sync(); err != nil {
			return nil, fmt.Errorf("keyfile: %w", err)
		}
		out = append(out, File{Object: objects[i], Path: f.path(objects[i]), Size: f.layouts[i].Size()})
	}
	return out, nil
}

// Close closes the files; they stay for another Open.
func (f *Files) Close() error {
	failed := f.body.Close()
	for _, file := range f.files {
		failed = errors.Join(failed, file.Close())
	}
	f.files, f.begun = nil, false
	return failed
}
