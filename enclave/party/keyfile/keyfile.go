// Package keyfile makes the files of a key set: bodies come in any order and go to
// their places, so that none of a file is ever held in memory, and what a party wrote
// before it was restarted stays.
//
// The files are public material. Nothing here checks the bodies: their digest is
// compared among the parties before a key becomes active.
package keyfile

import (
	"errors"
	"fmt"
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
	files      []*os.File
	layouts    []*tfhe.Layout
}

// Open returns the files of a folder, which it makes if it is missing. A parameter set
// that publishes the compact public key only has none.
func Open(folder string, p tfhe.Parameters) (*Files, error) {
	f := &Files{parameters: p, folder: filepath.Clean(folder)}
	if !Wanted(p) {
		return f, nil
	}
	if err := os.MkdirAll(f.folder, 0o700); err != nil {
		return nil, fmt.Errorf("keyfile: %w", err)
	}
	for _, o := range objects {
		file, err := os.OpenFile(f.path(o), os.O_RDWR|os.O_CREATE, 0o644) //nolint:gosec // public material
		if err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("keyfile: %w", err)
		}
		f.files = append(f.files, file)
	}
	return f, nil
}

// Wanted reports whether a parameter set has files beside the compact public key.
func Wanted(p tfhe.Parameters) bool { return len(p.Parts()) > 1 }

func (f *Files) path(o tfhe.Object) string {
	return filepath.Join(f.folder, strings.ToLower(o.String()))
}

// Begin fixes the seed: what the files have besides bodies is written, over what is
// there.
func (f *Files) Begin(seed [16]byte) error {
	f.layouts = nil
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
	return nil
}

// WriteBodies writes little-endian words of a component from its word first on to
// every file that has the component. It is safe for concurrent use.
func (f *Files) WriteBodies(c tfhe.Component, first int64, words []byte) error {
	part, ok := f.parameters.Part(c)
	if !ok || len(f.layouts) != len(f.files) {
		return fmt.Errorf("%w: bodies of %v", ErrState, c)
	}
	at := first * int64(part.Width/8)
	size := int64(part.Rows()) * int64(part.BodyWords()) * int64(part.Width/8)
	if first < 0 || at+int64(len(words)) > size {
		return fmt.Errorf("%w: %d bytes of %v at %d", ErrState, len(words), c, at)
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

// KeySet opens the whole set for reading.
func (f *Files) KeySet() (*tfhe.KeySet, error) {
	if len(f.layouts) != len(f.files) || len(f.files) == 0 {
		return nil, ErrState
	}
	return tfhe.OpenKeySet(f.files[0], f.layouts[0].Size(), f.parameters)
}

// Finished writes the files to the disk and names them.
func (f *Files) Finished() ([]File, error) {
	if len(f.layouts) != len(f.files) {
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
	var failed error
	for _, file := range f.files {
		failed = errors.Join(failed, file.Close())
	}
	f.files, f.layouts = nil, nil
	return failed
}

// Remove closes the files and removes the folder.
func (f *Files) Remove() error {
	return errors.Join(f.Close(), os.RemoveAll(f.folder))
}
