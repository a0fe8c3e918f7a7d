package objects

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// folder keeps objects in the folder from which it adopts files.
type folder struct{ root *os.Root }

// InFolder keeps objects in a folder that only one process has open.
func InFolder(root *os.Root) Keeper { return folder{root} }

// Adopt implements Keeper.
func (f folder) Adopt(file, name string, _ int64) error {
	parent := filepath.Dir(name)
	if err := f.root.Mkdir(parent, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := f.root.Rename(file, name); err != nil {
		return err
	}
	// Without it a power failure may take the names.
	for _, changed := range []string{parent, "."} {
		if err := f.sync(changed); err != nil {
			return err
		}
	}
	return nil
}

func (f folder) sync(name string) error {
	file, err := f.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// Open implements Keeper.
func (f folder) Open(name string) (io.ReadSeekCloser, int64, error) {
	file, err := f.root.Open(name)
	if err != nil {
		return nil, 0, known(err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

// Remove implements Keeper.
func (f folder) Remove(name string) error {
	err := f.root.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Local implements Keeper.
func (folder) Local() bool { return true }

// Size implements Keeper.
func (f folder) Size(name string) (int64, error) {
	info, err := f.root.Stat(name)
	if err != nil {
		return 0, known(err)
	}
	return info.Size(), nil
}

// Used implements Keeper.
func (f folder) Used() (total int64, err error) {
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
