package store

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// files keeps objects in the folder that is the spool too.
type files struct{ root *os.Root }

func (f files) adopt(file, name string, _ int64) error {
	folder := filepath.Dir(name)
	if err := f.root.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := f.root.Rename(file, name); err != nil {
		return err
	}
	// Without it a power failure may take the names.
	for _, changed := range []string{folder, "."} {
		if err := f.sync(changed); err != nil {
			return err
		}
	}
	return nil
}

func (f files) sync(folder string) error {
	file, err := f.root.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

func (f files) open(name string) (io.ReadCloser, error) {
	file, err := f.root.Open(name)
	return file, known(err)
}

func (f files) size(name string) (int64, error) {
	info, err := f.root.Stat(name)
	if err != nil {
		return 0, known(err)
	}
	return info.Size(), nil
}

func (f files) used() (total int64, err error) {
	err = fs.WalkDir(f.root.FS(), ".", func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}

// known names a file that is not there.
func known(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNotFound
	}
	return err
}
